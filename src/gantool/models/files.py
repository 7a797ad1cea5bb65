"""The kinds of model files, in one table; free of torch until weights are loaded or written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gantool.cards import Card, Direction
from gantool.errors import ModelError
from gantool.models.formats import native, onnx_file, reference, smp, torch_archive

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gantool.nets.segmenters import Segmenter

__all__ = ["FORMATS", "FileFormat", "format_of", "is_model_folder", "load_net", "load_segmenter", "read_card"]


@dataclass(frozen=True)
class FileFormat:
    """One kind of model file.

    Attributes:
        name: as in a card and on the command line.
        matches: whether a file or folder that exists is one.
        read_card: its card, or one made for weights that other programs wrote.
        load: the network of a direction, or of a segmenter where that is None, in eval mode, on the CPU; None for
            files that run by themselves and have no weights to load.
        suffix: of the files that are written.
        write: writes a network with the card of the file, an example of its input and the opset of ONNX; None where
            gantool only reads.
        may_hold_code: whether only the exports of this user are run unasked; see `gantool.models.trust`.
    """

    name: str
    matches: Callable[[Path], bool]
    read_card: Callable[[Path], Card]
    load: Callable[[Path, Card, Direction | None], nn.Module] | None = None
    suffix: str = ""
    write: Callable[[Path, nn.Module, Card, Tensor, int | None], None] | None = None
    may_hold_code: bool = False

    @property
    def is_exported(self) -> bool:
        """Whether such a file runs by itself, without the Python of its network."""
        return self.load is None


_NATIVE = FileFormat("gantool", native.matches, native.read_card, load=native.load)

FORMATS: tuple[FileFormat, ...] = (
    FileFormat("onnx", onnx_file.matches, onnx_file.read_card, suffix=".onnx", write=onnx_file.write),
    FileFormat(
        "pt2", torch_archive.is_pt2, torch_archive.read_card, suffix=".pt2", write=torch_archive.write_pt2,
        may_hold_code=True,
    ),
    FileFormat(
        "torchscript", torch_archive.is_torchscript, torch_archive.read_card, suffix=".pt",
        write=torch_archive.write_torchscript, may_hold_code=True,
    ),
    _NATIVE,
    FileFormat("smp", smp.matches, smp.read_card, load=smp.load),
    FileFormat(
        "reference", reference.matches, reference.read_card, load=reference.load, suffix=".pth", write=reference.write
    ),
)  # fmt: skip
"""Asked in this order; the reference's is the kind of every other set of weights, and says why it is none."""


def format_of(path: Path) -> FileFormat:
    """Tell the kind of a model file from its suffix and, where that is not enough, from its contents.

    Raises:
        ModelError: there is no such file, or it is damaged.
    """
    if not path.exists():
        raise ModelError(f"{path}: there is no such model file.")
    # What has no known suffix can only be one of gantool's own, which tells what is wrong with it.
    return next((one for one in FORMATS if one.matches(path)), _NATIVE)


def is_model_folder(path: Path) -> bool:
    """Whether a folder is a model in itself, such as one of ``save_pretrained``."""
    return path.is_dir() and any(one.matches(path) for one in FORMATS)


def read_card(path: Path) -> Card:
    """Read the card of a model file, or make one for weights that other programs wrote.

    Raises:
        ModelError: not a model file, damaged, or of an unknown network.
    """
    return format_of(path).read_card(path)


def load_net(path: Path, card: Card, target: str) -> nn.Module:
    """Build the network that translates to ``target`` and fill it with the file's weights, in eval mode, on the CPU.

    Raises:
        ModelError: no such direction, or tensors that do not fit the architecture on the card.
    """
    return _load(path, card, card.direction(target))


def load_segmenter(path: Path, card: Card) -> Segmenter:
    """Build the segmenter that the card describes and fill it, in eval mode, on the CPU.

    Raises:
        ModelError: a translation model, or tensors that do not fit.
    """
    from gantool.nets.segmenters import Segmenter

    if not card.is_segmenter or card.architecture is None:
        raise ModelError(
            f"{path}: is a translation model, it has no classes.",
            f"Use it with gantool translate --to {' or '.join(card.targets)}.",
        )
    net = _load(path, card, None)
    assert isinstance(net, Segmenter)
    return net


def _load(path: Path, card: Card, direction: Direction | None) -> nn.Module:
    load = format_of(path).load
    if load is None:
        raise ModelError(f"{path}: is an exported file, it has no weights to load.")
    return load(path, card, direction).eval()
