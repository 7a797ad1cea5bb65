"""What a reader of annotations is given and what it yields: the same for every tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gantool.arrays import Color
from gantool.data.sources.formats.shapes import LONGEST_NAME, AnnotatedImage
from gantool.errors import DataError

__all__ = ["AnnotationFile", "Annotations", "Context", "Reader", "listed"]


@dataclass(frozen=True)
class AnnotationFile:
    """One file; ``tree`` is its parsed JSON, None for anything else."""

    path: Path
    split: str = "train"
    tree: Any = None


@dataclass(frozen=True)
class Context:
    """What a reader may need to know.

    Attributes:
        root: of the data set.
        find: the image of a name in an annotation file; some path that is not there if there is none.
        size_of: width and height of an image by its name in an annotation file; (0, 0) if it is not there.
        attribute: the one that holds the class, as the user says.
    """

    root: Path
    find: Callable[[Path, str], Path]
    size_of: Callable[[Path, str], tuple[int, int]]
    attribute: str | None = None


@dataclass(frozen=True)
class Annotations:
    """What the files of one tool say.

    Attributes:
        about: in words.
        classes: in their order, where the tool says; else all labels in use, sorted.
        background: name of the class of everything that no shape covers.
        colors: of classes, where the tool says.
        options: those of the user that mean something for this tool.
        literal: every name is a class, also those that usually mean the background or nothing.

    Raises:
        DataError: the name of a class is far too long.
    """

    about: str
    images: Sequence[AnnotatedImage]
    classes: Sequence[str] | None = None
    background: str = "background"
    colors: Mapping[str, Color] = field(default_factory=dict)
    options: tuple[str, ...] = ("classes",)
    literal: bool = False

    def __post_init__(self) -> None:
        for name in self.classes or ():
            if len(name) > LONGEST_NAME:
                raise DataError(
                    f"{self.about}: a class has a name of {len(name)} characters, expected at most {LONGEST_NAME}."
                )


@dataclass(frozen=True)
class Reader:
    """A tool's files.

    Attributes:
        name: of the tool, as messages say it.
        matches: whether a file is one of this tool, by its path and its parsed JSON (None for other files).
        read: all files of a data set.
        suffix: of the files.
        find: the files of a whole data set, where they do not lie beside the images or in the usual folders.
    """

    name: str
    matches: Callable[[Path, Any], bool]
    read: Callable[[Sequence[AnnotationFile], Context], Annotations]
    suffix: str = ".json"
    find: Callable[[Path], list[AnnotationFile]] | None = None


def listed(files: Sequence[AnnotationFile]) -> str:
    """The names of a few files."""
    names = [file.path.name for file in files]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
