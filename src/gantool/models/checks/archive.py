"""Look into TorchScript and ``.pt2`` archives before torch does.

Both formats can run code when they are loaded or used. What is loaded here is an archive that was written anew from
the parts that were checked, so that torch can find nothing in the file that was not seen here.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from gantool.documents import brief
from gantool.errors import ModelError
from gantool.models.checks.pickles import check_names, check_tensors
from gantool.models.checks.pt2 import checked_config, checked_program
from gantool.models.checks.torchscript import check_sources

__all__ = ["LARGEST", "checked_archive", "read_archive"]

LARGEST = 4 * 2**30
"""Bytes of a file that is looked at."""

_MOST_RECORDS = 1 << 16
_MOST_UNPACKED = 2**28  # bytes of compressed records together; torch compresses source text only
_ABOUT = r"\.?version|byteorder|archive_format|archive_version|\.format_version|\.storage_alignment|\.data/[\w]+"
_EXTRA = r"extra/[\w.\-]+"
_RECORDS = {
    "torchscript": re.compile(
        rf"{_ABOUT}|{_EXTRA}|code/[\w/]+\.py(\.debug_pkl)?|(data|constants|traced_inputs)(\.pkl|/\d+)", re.ASCII
    ),
    "pt2": re.compile(
        rf"{_ABOUT}|{_EXTRA}|models/model\.json|data/sample_inputs/model\.pt|data/weights/(weight_\d+|model_\w+\.json)"
        r"|data/constants/(tensor_\d+|model_\w+\.json)",
        re.ASCII,
    ),
}
# Of no use for running a network, some of it pickled.
_LEFT_OUT = re.compile(rf"{_EXTRA}|.*\.debug_pkl|traced_inputs.*", re.ASCII)


def read_archive(path: Path) -> bytes:
    """The bytes of a model file.

    Raises:
        ModelError: absurdly large, or cannot be read.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ModelError(f"{path}: is larger than {LARGEST >> 30} GiB, which no exported network is.")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error}).") from None


def checked_archive(path: Path, content: bytes, form: str) -> io.BytesIO:
    """An archive for torch with the checked parts of ``content``.

    Args:
        path: names the file in messages.
        form: ``torchscript`` or ``pt2``.

    Raises:
        ModelError: damaged, or it holds what no exported network needs.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _rewritten(dict(_records(archive, len(content), form)), form)
    except ValueError as error:
        raise ModelError(
            f"{path}: holds what no exported network needs ({brief(error, 160)}); it was not loaded.",
            "Export the model here, or use its ONNX form.",
        ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise ModelError(f"{path}: is damaged ({brief(error, 160)}).") from None


def _records(archive: zipfile.ZipFile, length: int, form: str) -> Iterator[tuple[str, bytes]]:
    """Contents by name within the archive's one folder."""
    infos = archive.infolist()
    names = [info.filename for info in infos]
    stored = sum(info.file_size for info in infos if info.compress_type == zipfile.ZIP_STORED)
    unpacked = sum(info.file_size for info in infos) - stored
    if len(infos) > _MOST_RECORDS or stored > length or unpacked > _MOST_UNPACKED:
        raise ValueError("more or larger records than fit into it")
    if len(set(names)) != len(names) or len({name.partition("/")[0] for name in names}) != 1:
        raise ValueError("records outside its folder, or twice")
    for info in infos:
        name = info.filename.partition("/")[2]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or not _RECORDS[form].fullmatch(name):
            raise ValueError(f"the record {name[:80]}")
        yield name, archive.read(info)


def _rewritten(records: dict[str, bytes], form: str) -> io.BytesIO:
    if form == "torchscript":
        modules = {name: content for name, content in records.items() if name.endswith(".py")}
        check_sources({name[5:-3].replace("/", "."): _text(content) for name, content in modules.items()})
        for name in [name for name in records if name.endswith(".pkl")]:
            check_names(records[name], own_classes=True)
            if not _LEFT_OUT.fullmatch(name):
                check_tensors(records[name], _sizes(records, f"{name.removesuffix('.pkl')}/"))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in records.items():
            if not _LEFT_OUT.fullmatch(name):
                archive.writestr(f"archive/{name}", _checked(name, content))
    made.seek(0)
    return made


def _sizes(records: dict[str, bytes], folder: str) -> dict[str, int]:
    return {name.removeprefix(folder): len(content) for name, content in records.items() if name.startswith(folder)}


def _text(content: bytes) -> str:
    return content.decode("ascii")


def _checked(name: str, content: bytes) -> bytes:
    if name == "models/model.json":
        return checked_program(content)
    if name.endswith(".json"):
        return checked_config(content)
    if name == "data/sample_inputs/model.pt":
        _check_sample(content)
        return b""  # torch takes none for no example
    return content


def _check_sample(content: bytes) -> None:
    """The example of the export, a file of ``torch.save`` within the file."""
    if not content:
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            if sum(info.file_size for info in infos) > len(content):
                raise ValueError("larger records in its example than fit into it")
            for info in infos:
                if info.filename.endswith(".pkl"):
                    check_names(archive.read(info), own_classes=False)
    except zipfile.BadZipFile:
        raise ValueError("an example that torch did not write") from None
