"""What a folder of images with labels was recognized as."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any, Protocol
from urllib.parse import unquote

from gantool.arrays import Color, Mask
from gantool.data.images import SUFFIXES, upright_size
from gantool.data.sources.labels.pairing import one_spelling
from gantool.data.sources.labels.tables import VOID_NAMES, ClassTable
from gantool.errors import DataError, UsageError, closest
from gantool.palette import named_colors
from gantool.shards.index import ShardIndex

__all__ = [
    "ImageFinder",
    "LabelOptions",
    "LabelledImage",
    "LabelledSet",
    "Tally",
    "require_few_classes",
]


MOST_CLASSES = 255


@dataclass(frozen=True)
class LabelOptions:
    """What the user says about labels.

    Attributes:
        classes: names by index (masks), with values or colors; or the labels to use, in this order (annotations).
        ignore: stored values, colors (``#rrggbb`` or ``R,G,B``) or names that count for no class.
        attribute: of VIA regions, the one that holds the class.
        snap: how far (Euclidean distance in RGB, 0 to 441) a color may lie from its class.
    """

    classes: ClassTable | None = None
    ignore: tuple[str, ...] = ()
    attribute: str | None = None
    snap: float | None = None

    def ignored_values(self) -> set[int]:
        """The stored values among those to ignore."""
        return {int(entry) for entry in self.ignore if entry.isdecimal()}

    def ignored_names(self, known: Sequence[str], *, values: bool) -> set[str]:
        """The names among those to ignore, in lower case; a color is named ``rrggbb``.

        Args:
            known: names of the classes, and their colors where masks have colors.
            values: whether numbers are stored values, which need not occur.

        Raises:
            UsageError: there is nothing of a name.
        """
        there = {name.lower() for name in known} | VOID_NAMES
        other = "value" if values else "color of one"
        names: set[str] = set()
        for entry in self.ignore:
            if values and entry.isdecimal():
                continue
            name = _plain_name(entry)
            if name not in there:
                raise UsageError(
                    f"--ignore {entry}: there is no such class, and it is no {other}.",
                    closest(entry, sorted(known)),
                )
            names.add(name)
        return names

    def given(self) -> list[str]:
        """Names of the options that were set."""
        set_ = {
            "classes": self.classes is not None,
            "ignore": bool(self.ignore),
            "attribute": self.attribute is not None,
            "snap": self.snap is not None,
        }
        return [name for name, used in set_.items() if used]


def _plain_name(entry: str) -> str:
    """A name in lower case; a color, written ``#rrggbb`` or ``R,G,B``, as ``rrggbb``."""
    levels = re.fullmatch(r"(\d{1,3}),\s*(\d{1,3}),\s*(\d{1,3})", entry)
    return "".join(f"{int(level):02x}" for level in levels.groups()) if levels else entry.lstrip("#").lower()


@dataclass(frozen=True)
class LabelledImage:
    """One image and the function that makes its ``(H, W)`` uint8 mask; raises `DataError` where that fails.

    Attributes:
        label_files: what the mask is made of.
    """

    image: Path
    split: str
    mask: Callable[[], Mask]
    label_files: tuple[Path, ...]


class Tally(Protocol):
    """What is counted while masks are read, so that several processes can count together."""

    def state(self) -> Any:
        """All counts, of lists, text and numbers."""

    def include(self, states: Sequence[Any]) -> None:
        """Take over the counts of others."""


def _no_remarks() -> list[str]:
    return []


@dataclass(frozen=True)
class LabelledSet:
    """What was found.

    Attributes:
        about: in words, how it was recognized.
        classes: names by index.
        colors: of the classes, where the source says.
        options: those of `LabelOptions` that mean something for this kind of source.
        unpaired: images without labels and labels without images, a sentence each.
        remarks: what is known once all masks were read, such as how many pixels were snapped.
        tally: what the remarks are made from.
        tiled: whether the images are tiles, so that their scale is that of larger pictures.
        unannotated: images beside those with labels that no annotation file has; often they wait for their turn.
        shards: the index where images and masks are in shards.
    """

    about: str
    classes: tuple[str, ...]
    images: Sequence[LabelledImage]
    options: tuple[str, ...] = ()
    colors: tuple[Color, ...] | None = None
    unpaired: tuple[str, ...] = ()
    remarks: Callable[[], list[str]] = field(default=_no_remarks, compare=False)
    tiled: bool = False
    tally: Tally | None = field(default=None, compare=False)
    unannotated: tuple[Path, ...] = ()
    shards: ShardIndex | None = None

    @property
    def palette(self) -> tuple[Color, ...]:
        """Colors of the classes: the source's own, or else what their names call for."""
        return self.colors or named_colors(self.classes)


def require_few_classes(about: object, count: int, remedy: str = "") -> None:
    """Refuse more classes than a canonical mask can hold."""
    if count > MOST_CLASSES:
        raise DataError(
            f"{about}: has {count} classes, a mask can hold {MOST_CLASSES}.",
            remedy or "Name those to keep, one per line: --classes FILE.",
        )


class ImageFinder:
    """Finds the images that annotation files name, wherever below the root they lie."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_name: dict[str, list[Path]] | None = None

    def find(self, annotation: Path, name: str, folders: Sequence[Path] = ()) -> Path:
        """The image of that name: as the annotation says, in ``folders``, or the only one of that name anywhere.

        A path beside the annotation where there is none, so that the message names what was looked for. Names are
        those of whoever wrote the annotation: absolute ones and those with ``..`` count by their last part only, so
        that none leads out of the data set. Links that lie in the data set are followed.

        Raises:
            DataError: several images have that name.
        """
        plain = unquote(name.strip()).replace("\\", "/")
        last = plain.rsplit("/", 1)[-1]
        if plain.startswith("/") or PureWindowsPath(plain).drive or ".." in plain.split("/"):
            plain = last if last != ".." else ""
        # Label Studio puts eight characters and a dash before the name of an upload.
        bare = re.sub(r"^[0-9a-f]{8}-", "", last)
        near = (annotation.parent, annotation.parent / "images", annotation.parent.parent / "images")
        for folder in (*folders, *near, annotation.parent.parent):
            for candidate in dict.fromkeys((plain, last)):
                if (folder / candidate).is_file():
                    return folder / candidate
        for wanted in dict.fromkeys((one_spelling(last), one_spelling(bare))):
            several = self._index().get(wanted, [])
            if len(several) > 1:
                raise DataError(f"{annotation}: names {last}, which is there twice: {several[0]} and {several[1]}.")
            if several:
                return several[0]
        return annotation.parent / plain

    def size(self, annotation: Path, name: str) -> tuple[int, int]:
        """Width and height of an image by the name in an annotation; (0, 0) if it cannot be opened."""
        try:
            return upright_size(self.find(annotation, name))
        except DataError:
            return 0, 0

    def _index(self) -> dict[str, list[Path]]:
        if self._by_name is None:
            self._by_name = {}
            for folder, inner, files in os.walk(self._root):  # does not follow links, so no loops
                inner[:] = [name for name in inner if not name.startswith(".")]
                for file in files:
                    if Path(file).suffix.lower() in SUFFIXES:
                        self._by_name.setdefault(one_spelling(file), []).append(Path(folder, file))
        return self._by_name
