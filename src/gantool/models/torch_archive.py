"""TorchScript and ``.pt2`` files: archives that keep the card as an extra text."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from gantool.cards import Card
from gantool.errors import ModelError
from gantool.models.native import KEY

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["is_pt2", "is_torchscript", "read_card", "write_pt2", "write_torchscript"]


def is_pt2(path: Path) -> bool:
    """Whether its name is that of a program of ``torch.export``."""
    return path.suffix.lower() == ".pt2" and path.is_file()


def is_torchscript(path: Path) -> bool:
    """Whether it is an archive with code in it."""
    if path.suffix.lower() != ".pt" or not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def read_card(path: Path) -> Card:
    """The card alone; nothing else in the archive is opened."""
    try:
        with zipfile.ZipFile(path) as archive:
            places = [name for name in archive.namelist() if name.endswith(f"extra/{KEY}")]
            text = archive.read(places[0]).decode() if places else ""
    except (zipfile.BadZipFile, OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be opened ({error}).") from None
    if not text:
        raise ModelError(f"{path}: was not exported by gantool (it has no card).")
    return Card.from_json(text, str(path))


def write_torchscript(path: Path, net: nn.Module, card: Card, example: Tensor, opset: int | None = None) -> None:
    """Write a network; see `gantool.models.exporters`."""
    import torch

    from gantool.models.exporters import exporting

    with exporting("torchscript", card):
        traced = torch.jit.trace(net, (example,), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(path), _extra_files={KEY: card.to_json()})


def write_pt2(path: Path, net: nn.Module, card: Card, example: Tensor, opset: int | None = None) -> None:
    """Write a network; see `gantool.models.exporters`."""
    import torch

    from gantool.models.exporters import exporting, free_sizes

    with exporting("pt2", card):
        program = torch.export.export(net, (example,), dynamic_shapes=free_sizes(card, example))
        torch.export.save(program, path, extra_files={KEY: card.to_json()})
