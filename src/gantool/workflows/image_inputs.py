"""Which images inputs name: files, folders, globs, shards, addresses, and what comes on standard input."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from gantool.data.images import SUFFIXES, ImageBytes, ImageSource, find_images
from gantool.errors import DataError
from gantool.fetch.remote.addresses import is_address
from gantool.shards.members import may_be_shards
from gantool.workflows.lists import read_standard_input

__all__ = ["ImageInput", "find_inputs"]


@dataclass(frozen=True, slots=True)  # there can be millions
class ImageInput:
    """An image to read.

    Attributes:
        path: its file, or how a file of it would be called.
        tree: its folder relative to the folder that was named.
        data: its bytes where there is no file.
        place: among all inputs, those of other shares included.
    """

    path: Path
    tree: Path = Path()
    data: ImageBytes | None = None
    place: int = 0

    @property
    def source(self) -> ImageSource:
        return self.data or self.path


def find_inputs(
    inputs: Sequence[str],
    listed: Sequence[str],
    *,
    recursive: bool,
    marks: set[str],
    stdin: TextIO | None,
    takes: Callable[[ImageInput], bool],
) -> list[ImageInput]:
    """The images that are taken, each once, in order.

    Args:
        inputs: files, folders, globs, shards, addresses, or ``-`` for standard input.
        listed: further ones, without that.
        recursive: look into folders within folders.
        marks: endings before the suffix that a folder scan leaves out.
        takes: whether an image is ours; there may be millions of the others.

    Raises:
        DataError: an input that is not there, a folder without images, or no input at all.
        UsageError: no names on standard input where they are announced.
    """
    piped = read_standard_input(stdin) if "-" in inputs else []
    found: dict[ImageSource, ImageInput] = {}
    count = 0
    for name in (*inputs, *listed):
        for item in _piped(piped, recursive, marks) if name == "-" else _expand(name, recursive, marks):
            count += 1
            if takes(item):
                found.setdefault(item.source, replace(item, place=count))
    if not count:
        raise DataError("No images named.", "Name files, folders or globs, or - for an image on standard input.")
    return list(found.values())


def _piped(content: ImageBytes | list[str], recursive: bool, marks: set[str]) -> list[ImageInput]:
    """What standard input holds: an image itself, or the images that its paths name."""
    if isinstance(content, ImageBytes):
        return [ImageInput(Path(f"stdin{content.suffix}"), data=content)]
    return [item for name in content for item in _expand(name, recursive, marks)]


def _expand(name: str, recursive: bool, marks: set[str]) -> Iterable[ImageInput]:
    """The images of a name; those in shards one by one, as a share keeps few of them."""
    if is_address(name):
        return (item for item in _at_address(name, recursive) if item.path.stem.rpartition(".")[2] not in marks)
    path = Path(name)
    in_shards = _in_shards(path) if may_be_shards(path) else None
    if in_shards is not None:
        return (ImageInput(*one) for one in in_shards)
    if path.is_dir():
        images = [
            image for image in find_images(path, recursive=recursive) if image.stem.rpartition(".")[2] not in marks
        ]
        if not images:
            hint = "" if recursive else "Use --recursive to look into its folders."
            raise DataError(f"{name}: holds no images.", hint)
        return [ImageInput(image, image.parent.relative_to(path)) for image in images]
    if path.exists():
        return [ImageInput(path)]
    if glob.has_magic(name):
        matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 -- a pattern can be absolute
        images = [Path(match) for match in matches if Path(match).suffix.lower() in SUFFIXES]
        if not images:
            raise DataError(f"{name}: matches no images.")
        return [ImageInput(image) for image in images]
    raise DataError(f"{name}: there is no such file or folder.")


def _in_shards(path: Path) -> Iterator[tuple[Path, Path]] | None:
    from gantool.data.sources.sharded import images_in_shards  # a tenth of a second, which a photo need not wait for

    return images_in_shards(path)


def _at_address(address: str, recursive: bool) -> Iterable[ImageInput]:
    """The images of a set of shards, or of a folder."""
    from gantool.data.sources.names import resolve_data
    from gantool.data.sources.webdataset import NoShardsError
    from gantool.shards.remote import files_at

    in_shards = None
    if Path(address).suffix.lower() not in SUFFIXES:
        with suppress(NoShardsError):
            in_shards = _in_shards(resolve_data(address))
    if in_shards is not None:
        return (ImageInput(*one) for one in in_shards)
    found = files_at(address, recursive=recursive, wanted=lambda name: Path(name).suffix.lower() in SUFFIXES)
    if not found:
        hint = "" if recursive else "Use --recursive to look into its folders."
        raise DataError(f"{address}: holds no images.", hint)
    return [ImageInput(path, Path(tree)) for path, tree in found]
