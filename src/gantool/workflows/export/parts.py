"""What is exported: the networks of a model, and the files that they get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from gantool.cards import Card, Direction
from gantool.errors import UsageError
from gantool.models.files import load_net, load_segmenter
from gantool.models.find import FoundModel

__all__ = ["Part", "find_parts"]


@dataclass(frozen=True)
class Part:
    """One network of a model and the file that it is written to.

    Attributes:
        direction: None for a segmenter.
    """

    model: FoundModel
    direction: Direction | None
    path: Path

    @property
    def card(self) -> Card:
        """The model's card with this direction alone."""
        if self.direction is None:
            return self.model.card
        return self.model.card.model_copy(update={"directions": (self.direction,)})

    def load(self) -> nn.Module:
        """The network, in eval mode, on the CPU."""
        if self.direction is None:
            return load_segmenter(self.model.path, self.model.card)
        return load_net(self.model.path, self.model.card, self.direction.target)


def find_parts(
    model: FoundModel, *, to: str | None, format: str, suffix: str, output: str | Path | None
) -> list[Part]:
    """The networks of a model, or only that which translates ``to`` a domain, with names for their files.

    Args:
        format, suffix: of the files.
        output: a file, or a folder for several; None is the current folder.

    Raises:
        UsageError: names that do not fit the model.
        ModelError: no such direction.
    """
    directions: list[Direction | None]
    if model.card.is_segmenter:
        if to is not None:
            raise UsageError(f"--to {to}: {model.label} is a segmenter, it has one file.")
        if format == "reference":
            raise UsageError("--format reference is for generators; a segmenter has none.")
        directions = [None]
    elif to is not None:
        model = model.named(to)
        directions = [model.card.direction(to)]
    else:
        directions = list(model.card.directions)
    names = [(_reference_stem(model.card, one) if format == "reference" else _stem(model, one)) + suffix
             for one in directions]  # fmt: skip
    return [
        Part(model, one, path)
        for one, path in zip(directions, _paths(names, directions, format, output), strict=True)
    ]


def _stem(model: FoundModel, direction: Direction | None) -> str:
    stem = Path(model.label).stem if model.path.name != "model.safetensors" else model.path.parent.name
    return stem if direction is None else f"{stem}-to-{direction.target}"


def _reference_stem(card: Card, direction: Direction | None) -> str:
    """The reference tells the generators of both ways by letters."""
    if direction is None or len(card.directions) != 2:
        return "latest_net_G"
    return f"latest_net_G_{'AB'[card.directions.index(direction)]}"


def _paths(
    names: Sequence[str], directions: Sequence[Direction | None], format: str, output: str | Path | None
) -> list[Path]:
    if output is None:
        return [Path(name) for name in names]
    wanted, suffix = Path(output), Path(names[0]).suffix
    if wanted.is_dir() or str(output).endswith(("/", "\\")) or not wanted.suffix:
        return [wanted / name for name in names]
    if len(names) > 1:
        raise UsageError(
            f"-o {output}: is one file, the model has {len(names)} directions.",
            f"Name one with --to {directions[0].target if directions[0] else ''}, or a folder.",
        )
    if wanted.suffix != suffix:
        raise UsageError(f"-o {output}: a file of the format {format} ends in {suffix}.")
    return [wanted]
