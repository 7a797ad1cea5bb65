"""What kind of model file is this, and what does its card say? Free of torch but for checkpoints."""

from __future__ import annotations

import zipfile
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open

from gantool.cards import Card
from gantool.errors import ModelError

__all__ = ["KEY", "Form", "forget_sessions", "form_of", "open_onnx", "read_card"]

Form = Literal["gantool", "onnx", "torchscript", "pt2", "checkpoint", "smp"]

KEY = "gantool"
"""Name of the card in a file's metadata."""

_LARGEST_CARD = 2**22  # bytes
_DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, UnicodeDecodeError)  # of an archive


def form_of(path: Path) -> Form:
    """Tell the kind of a model file from its suffix and, where that is not enough, from its contents.

    ``checkpoint`` is a generator of the reference implementation, ``smp`` a segmenter of
    segmentation-models-pytorch.

    Raises:
        ModelError: there is no such file, or it is damaged.
    """
    if path.is_dir():
        return "smp"
    if not path.is_file():
        raise ModelError(f"{path}: there is no such model file.")
    suffix = path.suffix.lower()
    if suffix in (".onnx", ".pt2"):
        return "onnx" if suffix == ".onnx" else "pt2"
    if suffix == ".safetensors":
        if KEY in _metadata(path):
            return "gantool"
        with safe_open(path, framework="np") as file:
            return "smp" if any(key.startswith("encoder.") for key in file.keys()) else "checkpoint"  # noqa: SIM118
    if suffix == ".pt" and any("/code/" in name for name in _records(path)):
        return "torchscript"
    if suffix in (".pt", ".pth", ".bin", ".ckpt"):
        from gantool.nets.checkpoints_elsewhere import is_smp

        return "smp" if is_smp(path) else "checkpoint"
    return "gantool"


def _records(path: Path) -> list[str]:
    """Names within an archive; none of other files."""
    try:
        if not zipfile.is_zipfile(path):
            return []
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except _DAMAGE as error:
        raise ModelError(f"{path}: cannot be opened ({error}).") from None


def read_card(path: Path) -> Card:
    """Read the card of a model file, or make one for weights that other programs wrote.

    Raises:
        ModelError: not a model file, damaged, or of an unknown network.
    """
    form = form_of(path)
    if form == "gantool":
        metadata = _metadata(path)
        if KEY not in metadata:
            raise ModelError(f"{path}: is a safetensors file, but not one of gantool's (it has no card).")
        return Card.from_json(metadata[KEY], str(path))
    if form == "onnx":
        return open_onnx(path)[1]
    if form in ("torchscript", "pt2"):
        return _of_torch_file(path)
    from gantool.nets.checkpoints_elsewhere import foreign_card, smp_card

    return smp_card(path) if form == "smp" else foreign_card(path)


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="np") as file:
            return dict(file.metadata() or {})
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no such model file.") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: is damaged or no safetensors file ({error}).") from None


def open_onnx(path: Path, device: str = "auto") -> tuple[Any, Card]:
    """An ONNX Runtime session and the card of an exported file.

    Args:
        device: ``auto`` and ``cpu`` run on the CPU, ``cuda`` and ``cuda:N`` on a GPU.

    Raises:
        ModelError: damaged, not exported by gantool, or no runtime for the device.
    """
    return _session(str(path), path.stat().st_mtime_ns, device)


def forget_sessions() -> None:
    """Close what is open of files that are about to change."""
    _session.cache_clear()


@lru_cache(maxsize=2)
def _session(path: str, changed: int, device: str) -> tuple[Any, Card]:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    kind, _, index = device.partition(":")
    providers: list[Any] = ["CPUExecutionProvider"]
    if kind == "cuda":
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise ModelError(
                f"{path}: onnxruntime has no CUDA provider here.", "Use --device cpu, or install onnxruntime-gpu."
            )
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(index or 0)}))
    try:
        session = onnxruntime.InferenceSession(path, providers=providers)
    except Exception as error:  # the runtime has error types of its own for every kind of damage
        first = (str(error).splitlines() or ["damaged"])[0]
        raise ModelError(f"{path}: cannot be opened as ONNX ({first[:200]}).") from None
    text = session.get_modelmeta().custom_metadata_map.get(KEY)
    if text is None:
        raise ModelError(f"{path}: was not exported by gantool (it has no card).")
    return session, Card.from_json(text, path)


def _of_torch_file(path: Path) -> Card:
    """Both kinds are archives that keep extra texts as they are; nothing else in them is opened."""
    try:
        with zipfile.ZipFile(path) as archive:
            places = [one for one in archive.infolist() if one.filename.endswith(f"extra/{KEY}")]
            if places and places[0].file_size > _LARGEST_CARD:
                raise ModelError(f"{path}: its card is larger than any card ({places[0].file_size} bytes).")
            text = archive.read(places[0]).decode() if places else ""
    except _DAMAGE as error:
        raise ModelError(f"{path}: cannot be opened ({error}).") from None
    if not text:
        raise ModelError(f"{path}: was not exported by gantool (it has no card).")
    return Card.from_json(text, str(path))
