"""TorchScript and ``.pt2`` files: archives that keep the card as an extra text, and may hold code.

Free of torch until one is written or run.
"""

from __future__ import annotations

import io
import logging
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gantool.arrays import Floats
from gantool.cards import Card
from gantool.documents import brief
from gantool.errors import ModelError
from gantool.models.formats.native import KEY

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["is_pt2", "is_torchscript", "read_card", "torch_runner", "write_pt2", "write_torchscript"]

_LARGEST_CARD = 2**22  # bytes
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError, LookupError, struct.error
)  # of an archive  # fmt: skip


def is_pt2(path: Path) -> bool:
    """Whether its name is that of a program of ``torch.export``."""
    return path.suffix.lower() == ".pt2" and path.is_file()


def is_torchscript(path: Path) -> bool:
    """Whether it is an archive with code in it.

    Raises:
        ModelError: it is a damaged archive.
    """
    if path.suffix.lower() != ".pt" or not path.is_file():
        return False
    try:
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name for name in archive.namelist())
    except _DAMAGE as error:
        raise ModelError(f"{path}: cannot be opened ({brief(error, 160)}).") from None


def read_card(path: Path) -> Card:
    """The card alone; nothing else in the archive is opened."""
    try:
        with zipfile.ZipFile(path) as archive:
            places = [one for one in archive.infolist() if one.filename.endswith(f"extra/{KEY}")]
            if places and places[0].file_size > _LARGEST_CARD:
                raise ModelError(f"{path}: its card is larger than any card ({places[0].file_size} bytes).")
            text = archive.read(places[0]).decode() if places else ""
    except _DAMAGE as error:
        raise ModelError(f"{path}: cannot be opened ({brief(error, 160)}).") from None
    if not text:
        raise ModelError(f"{path}: was not exported by gantool (it has no card).")
    return Card.from_json(text, str(path))


def write_torchscript(path: Path, net: nn.Module, card: Card, example: Tensor, opset: int | None = None) -> None:
    """Write a network; see `gantool.models.formats.exporters`."""
    import torch

    from gantool.models.formats.exporters import exporting

    with exporting("torchscript", card):
        traced = torch.jit.trace(net, (example,), check_trace=False)  # type: ignore[no-untyped-call]
        content = io.BytesIO()  # torch itself ends the process where the disk is full
        torch.jit.save(traced, content, _extra_files={KEY: card.to_json()})
    path.write_bytes(_without_debugging(content))


def _without_debugging(content: io.BytesIO) -> bytes:
    """The archive without what torch tells of the source files of this machine."""
    made = io.BytesIO()
    with zipfile.ZipFile(content) as before, zipfile.ZipFile(made, "w") as after:
        for info in before.infolist():
            if not info.filename.endswith(".debug_pkl"):
                after.writestr(zipfile.ZipInfo(info.filename), before.read(info), info.compress_type)
    return made.getvalue()


def write_pt2(path: Path, net: nn.Module, card: Card, example: Tensor, opset: int | None = None) -> None:
    """Write a network; see `gantool.models.formats.exporters`."""
    import torch
    import torch.fx.experimental._config

    from gantool.models.formats.exporters import exporting, free_sizes

    # Or else the exporter takes sides at which the innermost layer of a U-Net has one pixel for a case of their own.
    with exporting("pt2", card), torch.fx.experimental._config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        program = torch.export.export(net, (example,), dynamic_shapes=free_sizes(card, example))
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # tells the paths of this machine
        content = io.BytesIO()
        torch.export.save(program, content, extra_files={KEY: card.to_json()})
    path.write_bytes(content.getbuffer())


def torch_runner(path: Path, form: str, device: torch.device, *, trust: bool = False) -> Callable[[Floats], Floats]:
    """The function of an exported file, ``(N, C, H, W)`` float32 to the same kind of array.

    Args:
        trust: also if this user did not export the file here. What is in it is checked all the same.

    Raises:
        ModelError: not trusted, damaged, or it holds more than a network.
    """
    import torch

    from gantool.models.checks.archive import checked_archive, read_archive
    from gantool.models.trust import require_own_export

    content = read_archive(path)
    if not trust:
        require_own_export(path, content)
    archive = checked_archive(path, content, form)
    del content  # may be large
    module = _loaded(path, archive, form, device)

    def run(batch: Floats) -> Floats:
        with torch.no_grad():
            made = module(torch.from_numpy(np.ascontiguousarray(batch)).to(device))
        return made.float().cpu().numpy()  # type: ignore[no-any-return]

    return run


def _loaded(path: Path, archive: io.BytesIO, form: str, device: torch.device) -> Any:
    import torch

    logged: list[logging.LogRecord] = []
    try:
        with warnings.catch_warnings(), _kept_from_stderr(logged):
            warnings.simplefilter("ignore")  # TorchScript says of itself that it is deprecated
            if form == "torchscript":
                return torch.jit.load(archive, map_location=device).eval()  # type: ignore[no-untyped-call]
            return torch.export.load(archive).module().to(device)
    except Exception as error:  # torch has an error of its own for every kind of damage
        causes = [record.exc_info[1] for record in logged if record.exc_info] or [error]
        first = (str(causes[0]).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path}: cannot be loaded ({first[:200]}).") from None


@contextmanager
def _kept_from_stderr(records: list[logging.LogRecord]) -> Iterator[None]:
    """Get what the loader of ``.pt2`` logs, which is why it fails, with a traceback."""

    def keep(record: logging.LogRecord) -> bool:
        records.append(record)
        return False

    loader = logging.getLogger("torch.export")
    loader.addFilter(keep)
    try:
        yield
    finally:
        loader.removeFilter(keep)
