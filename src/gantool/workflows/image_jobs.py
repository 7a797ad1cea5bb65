"""Batches of image files: which inputs, which outputs, and nothing overwritten by accident."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gantool.data.images import SUFFIXES, find_images
from gantool.errors import DataError, OutputError, UsageError
from gantool.fetch.remote.addresses import is_address
from gantool.files import safe_name
from gantool.shards.members import is_member, may_be_shards

__all__ = ["FileOptions", "ImageJob", "is_renamed", "marked_name", "name_with_ending", "plan_file", "plan_jobs"]

_MARKS = ("mask", "overlay", "color")
_LONGEST_NAME = 240  # file systems allow 255 bytes; a temporary name needs a few more


@dataclass(frozen=True)
class FileOptions:
    """Which images, and where their results go.

    Attributes:
        inputs: files, folders, globs, shards, or ``-`` for paths on standard input.
        output: a folder, a file for a single input, or None for the current folder.
        recursive: look into folders within folders.
        overwrite: replace outputs that exist.
        skip_existing: leave those, and do the rest.

    Raises:
        UsageError: both of the last two.
    """

    inputs: tuple[str, ...] = ()
    output: str | None = None
    recursive: bool = False
    overwrite: bool = False
    skip_existing: bool = False

    def __post_init__(self) -> None:
        if self.overwrite and self.skip_existing:
            raise UsageError("--overwrite and --skip-existing do not go together.", "Leave one of them out.")


@dataclass(frozen=True)
class ImageInput:
    """An image to read; ``tree`` is its folder relative to the folder that was named."""

    path: Path
    tree: Path = Path()


@dataclass(frozen=True)
class ImageJob:
    """One image and where its results go, by their kind."""

    source: Path
    outputs: Mapping[str, Path]


def plan_jobs(
    files: FileOptions,
    names: Callable[[Path], Mapping[str, str]],
    *,
    beside: Collection[str] = (),
    marks: Iterable[str] = (),
    stdin: Iterable[str] | None = (),
    every: bool = False,
) -> tuple[list[ImageJob], list[Path]]:
    """Find every image and decide every output before anything is computed.

    Args:
        names: the outputs of an image by their kind; see `marked_name` and `name_with_ending`.
        beside: the kinds that lie beside their image where no folder is named.
        marks: endings before the suffix (``winter`` for ``photo.winter.jpg``) of results of earlier calls, which a
            folder scan leaves out.
        stdin: its lines; None where it is closed.
        every: keep the images that have no output left to be written, for one that is of all of them.

    Returns:
        The jobs to do, and the outputs that exist and are skipped.

    Raises:
        DataError: an input that is not there, or a folder without images.
        OutputError: two inputs have one output, or an output exists.
        UsageError: a file as output for several inputs, or no names on standard input where they are announced.
    """
    return _plan(_collect(files, {*_MARKS, *marks}, stdin), files, names, beside, every)


def plan_file(files: FileOptions, name: str) -> tuple[Path, bool]:
    """Where a file of that name goes that is of all images together, and whether it exists and is skipped.

    Raises:
        OutputError: it exists.
        UsageError: the output is an image file.
    """
    folder, file = _output_place(files.output)
    if file is not None:
        raise UsageError(f"-o {files.output}: names an image file, {name} is none.", "Name a folder.")
    path = folder / name
    if path.exists() and not (files.overwrite or files.skip_existing):
        raise _exists([path])
    return path, path.exists() and files.skip_existing


def marked_name(source: Path, mark: str) -> str:
    """``photo.winter.jpg`` for ``photo.jpg``."""
    # A GIF holds 256 colors; its result is a PNG.
    suffix = source.suffix if source.suffix.lower() in SUFFIXES - {".gif"} else ".png"
    return name_with_ending(source, f"{mark}{suffix}")


def name_with_ending(source: Path, ending: str) -> str:
    """``photo.mask.png`` for ``photo.jpg``; a name that would be too long is cut."""
    stem = source.stem
    while len(f"{stem}.{ending}".encode(errors="replace")) > _LONGEST_NAME:
        stem = stem[:-1]
    return safe_name(f"{stem}.{ending}")


def is_renamed(source: Path, output: Path) -> bool:
    """Whether a result lacks the name of its image because not every system accepts that."""
    stem = name_with_ending(source, "x").removesuffix(".x")
    return stem != source.stem and output.name.startswith(f"{stem}.")


def _collect(files: FileOptions, marks: set[str], stdin: Iterable[str] | None) -> list[ImageInput]:
    """Images, each once, in order."""
    names = [name for entry in files.inputs for name in (_lines(stdin) if entry == "-" else [entry])]
    found: dict[Path, ImageInput] = {}
    for name in names:
        for item in _expand(name, files.recursive, marks):
            found.setdefault(item.path, item)
    if not found:
        raise DataError("No images named.", "Name files, folders or globs, or - for paths on standard input.")
    return list(found.values())


def _lines(stdin: Iterable[str] | None) -> list[str]:
    if stdin is None:
        raise UsageError("-: standard input is closed.", "Name files, folders or globs.")
    names = [line.rstrip("\r\n") for line in stdin if line.strip()]
    if any("\0" in name for name in names):
        raise UsageError("-: expected one path per line on standard input, found zero bytes.", "Leave -print0 out.")
    return names


def _expand(name: str, recursive: bool, marks: set[str]) -> list[ImageInput]:
    if is_address(name):
        return [item for item in _at_address(name, recursive) if item.path.stem.rpartition(".")[2] not in marks]
    path = Path(name)
    in_shards = _in_shards(path) if may_be_shards(path) else None
    if in_shards is not None:
        return [ImageInput(*one) for one in in_shards]
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


def _at_address(address: str, recursive: bool) -> list[ImageInput]:
    """The images of a set of shards, or of a folder."""
    from gantool.data.sources.names import resolve_data
    from gantool.data.sources.webdataset import NoShardsError
    from gantool.shards.remote import files_at

    in_shards = None
    if Path(address).suffix.lower() not in SUFFIXES:
        with suppress(NoShardsError):
            in_shards = _in_shards(resolve_data(address))
    if in_shards is not None:
        return [ImageInput(*one) for one in in_shards]
    found = files_at(address, recursive=recursive, wanted=lambda name: Path(name).suffix.lower() in SUFFIXES)
    if not found:
        hint = "" if recursive else "Use --recursive to look into its folders."
        raise DataError(f"{address}: holds no images.", hint)
    return [ImageInput(path, Path(tree)) for path, tree in found]


def _plan(
    inputs: Sequence[ImageInput],
    files: FileOptions,
    names: Callable[[Path], Mapping[str, str]],
    beside: Collection[str],
    every: bool,
) -> tuple[list[ImageJob], list[Path]]:
    folder, file = _output_place(files.output)
    jobs: list[ImageJob] = []
    owner: dict[Path, Path] = {}
    existing: list[Path] = []
    resolved = cache(Path.resolve)
    for item in inputs:
        planned: dict[str, Path] = {}
        wanted = names(item.path)
        if file is not None and (len(inputs) > 1 or len(wanted) > 1):
            many = f"{len(inputs)} inputs" if len(inputs) > 1 else f"{len(wanted)} outputs ({', '.join(wanted)})"
            raise UsageError(
                f"-o {files.output}: names one file, but there are {many}.",
                "Name a folder, or ask for a single output.",
            )
        for kind, name in wanted.items():
            is_beside = kind in beside and files.output is None and not is_member(item.path)
            place = item.path.parent if is_beside else folder / item.tree
            target = file if file is not None else place / name
            there = os.path.lexists(target)
            # Thousands of results go into few folders, each of which is looked up once.
            same = target.resolve() if there else resolved(target.parent) / target.name
            if same in owner:
                raise OutputError(
                    f"{owner[same]} and {item.path} would both be written to {target}.",
                    "Give them to separate calls with different -o folders.",
                )
            if there and same == item.path.resolve():
                raise OutputError(f"{item.path}: its result would replace it.", "Choose another -o.")
            owner[same] = item.path
            there = there and target.exists()
            if there:
                existing.append(target)
            if not (files.skip_existing and there):
                planned[kind] = target
        if planned or every:
            jobs.append(ImageJob(item.path, planned))
    if existing and not (files.overwrite or files.skip_existing):
        raise _exists(existing)
    return jobs, existing if files.skip_existing else []


def _exists(paths: Sequence[Path]) -> OutputError:
    others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return OutputError(
        f"{paths[0]}{others}: exists already.", "Use --overwrite to replace, or --skip-existing to leave it."
    )


def _output_place(output: str | None) -> tuple[Path, Path | None]:
    if output is None:
        return Path(), None
    path = Path(output)
    if path.is_dir() or output.endswith(("/", "\\")) or path.suffix.lower() not in SUFFIXES:
        if path.exists() and not path.is_dir():
            raise OutputError(f"-o {output}: is a file, expected a folder or an image file.")
        return path, None
    return path.parent, path
