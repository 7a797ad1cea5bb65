"""Batches of image files: which inputs, which outputs, and nothing overwritten by accident."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from gantool.data.images import SUFFIXES, ImageSource
from gantool.errors import OutputError, UsageError
from gantool.files import LONGEST_NAME, ByteStream, Target, safe_name
from gantool.shards.members import is_member, said
from gantool.workflows.image_inputs import ImageInput, find_inputs
from gantool.workflows.lists import listed_paths
from gantool.workflows.result_places import AtAddress, OnDisk, place_of
from gantool.workflows.shares.share import ALONE, Share
from gantool.workflows.shares.tries import has_begun

if TYPE_CHECKING:
    from gantool.fetch.remote.outbox import Outbox

__all__ = [
    "FORMATS",
    "FileOptions",
    "ImageJob",
    "is_renamed",
    "marked_name",
    "name_with_ending",
    "output_folder",
    "plan_file",
    "plan_jobs",
    "shared_folder",
]

FORMATS = ("png", "jpg", "webp", "tif", "bmp", "ppm")
"""What results can be written as, whatever the image is."""

_MARKS = ("mask", "overlay", "color")
_A_FOLDER = "Name a folder, such as -o out/"
_SHORT_STEM = 140  # bytes that a long name keeps; the rest is for the ending


@dataclass(frozen=True)
class FileOptions:
    """Which images, and where their results go.

    Attributes:
        inputs: files, folders, globs, shards, or ``-`` for an image, or paths, on standard input.
        output: a folder, a file for a single input, an address of one, ``-`` for ``stream``, or None for the current
            folder.
        recursive: look into folders within folders.
        overwrite: replace outputs that exist.
        skip_existing: leave those, and do the rest.
        files_from: a list of further inputs, or ``-`` for one on standard input.
        null: its paths end in zero bytes, not in lines.
        format: of the results, of `FORMATS`; None for the images' own.
        stream: takes the bytes of the one result where ``output`` is ``-``.
        share: which of the images are this process's.

    Raises:
        UsageError: options that contradict each other, or a format that there is not.
    """

    inputs: tuple[str, ...] = ()
    output: str | None = None
    recursive: bool = False
    overwrite: bool = False
    skip_existing: bool = False
    files_from: str | None = None
    null: bool = False
    format: str | None = None
    stream: Callable[[bytes], None] | None = None
    share: Share = ALONE

    def __post_init__(self) -> None:
        self._check_format()
        self._check_share()
        if self.null and self.files_from is None:
            raise UsageError("-0: there is no list of paths.", "Add --files-from FILE, or --files-from - for stdin.")
        if self.files_from == "-" and "-" in self.inputs:
            raise UsageError("- and --files-from - both read standard input.", "Leave one of them out.")
        if self.output == "-" and self.stream is None:
            raise UsageError("-o -: nothing takes the bytes here.", "Name a file, or ./- for a folder of that name.")
        if self.overwrite and self.skip_existing:
            raise UsageError("--overwrite and --skip-existing do not go together.", "Leave one of them out.")

    @cached_property
    def place(self) -> OnDisk | AtAddress:
        """Where the results go.

        Raises:
            OutputError, UsageError, DataError: see `place_of`.
        """
        return place_of(self.output, replace=self.overwrite, keep=self.skip_existing)

    @property
    def may_replace(self) -> bool:
        """Whether results that are there may be replaced: on demand, or if an earlier try of this share made them."""
        folder = self.place.folder
        return self.overwrite or (isinstance(folder, Path) and has_begun(self.share, folder))

    def _check_share(self) -> None:
        if self.share.is_alone:
            return
        if self.output == "-":
            raise UsageError("-o -: standard output takes one picture, which has no shares.", _A_FOLDER)
        if self.share.launcher == "torchrun" and "-" in (*self.inputs, self.files_from):
            raise UsageError(
                "-: the processes that torchrun starts cannot all read standard input.", "Use --files-from FILE."
            )

    def _check_format(self) -> None:
        if self.format is None:
            return
        if self.format not in FORMATS:
            raise UsageError(f"--format {self.format}: expected one of {', '.join(FORMATS)}.")
        suffix = Path(self.output or "").suffix.lower()
        same = {".jpeg": ".jpg", ".tiff": ".tif"}.get(suffix, suffix)
        if suffix in SUFFIXES and same != f".{self.format}" and not Path(self.output or "").is_dir():
            raise UsageError(f"--format {self.format}: -o {self.output} names another format.", "Leave one out.")


@dataclass(frozen=True, slots=True)  # there can be millions
class ImageJob:
    """One image and where its results go, by their kind.

    Attributes:
        place: of the image among all, those of other shares included.
    """

    source: ImageSource
    outputs: Mapping[str, Target]
    place: int = 0

    @property
    def file(self) -> Path:
        """The source where it has to be a file, which `plan_jobs` saw to."""
        assert isinstance(self.source, Path)
        return self.source


def plan_jobs(
    files: FileOptions,
    names: Callable[[Path], Mapping[str, str]],
    *,
    beside: Collection[str] = (),
    marks: Iterable[str] = (),
    stdin: TextIO | None = None,
    every: bool = False,
    files_only: str = "",
) -> tuple[list[ImageJob], list[Target]]:
    """Find every image and decide every output before anything is computed.

    Args:
        names: the outputs of an image by their kind; see `marked_name` and `name_with_ending`.
        beside: the kinds that lie beside their image where no folder is named.
        marks: endings before the suffix (``winter`` for ``photo.winter.jpg``) of results of earlier calls, which a
            folder scan leaves out.
        stdin: where ``-`` is read; None where it is closed.
        every: keep the images that have no output left to be written, for one that is of all of them.
        files_only: what needs every image to be a file; empty if nothing does.

    Returns:
        The jobs of this share, and its outputs that exist and are skipped.

    Raises:
        DataError: an input that is not there, or a folder without images.
        OutputError: two inputs have one output, or an output exists.
        UsageError: a file as output for several inputs, or no names on standard input where they are announced.
    """
    listed = [] if files.files_from is None else listed_paths(files.files_from, stdin, null=files.null)
    inputs = find_inputs(
        files.inputs, listed, recursive=files.recursive, marks={*_MARKS, *marks}, stdin=stdin,
        takes=lambda item: files.share.takes(_share_key(item)),
    )  # fmt: skip
    if files_only and any(item.data is not None for item in inputs):
        raise UsageError(f"{files_only} names the image's file, and standard input is none.", "Save the image first.")
    if files.output == "-":
        return [_into_stream(inputs, files, names)], []
    return _plan(inputs, files, names, beside, every)


def output_folder(files: FileOptions) -> Path | Outbox:
    """The folder of the results, or what sends them to an address.

    Raises:
        OutputError, UsageError, DataError: see `place_of`.
    """
    return files.place.folder


def shared_folder(files: FileOptions) -> Path:
    """The folder of the results where they are to be made as shares that may be tried again.

    Raises:
        UsageError: it is none.
        OutputError: it is a file.
    """
    place = replace(files, share=Share(0, 2)).place  # which is refused for standard output
    if isinstance(place, AtAddress):
        raise UsageError(
            f"-o {files.output}: shares that may be tried again need a folder on a disk.", "Divide with --shard I/N."
        )
    if place.file is not None:
        raise _one_file(files)
    return place.folder


def _one_file(files: FileOptions) -> UsageError:
    return UsageError(f"-o {files.output}: names one file, which has no shares.", "Name a folder.")


def plan_file(files: FileOptions, name: str) -> tuple[Target, bool]:
    """Where a file of that name goes that is of all images together, and whether it exists and is skipped.

    Raises:
        OutputError: it exists.
        UsageError: the output is an image file.
    """
    if files.output == "-":
        raise UsageError(f"-o -: standard output takes a picture, {name} is none.", "Name a folder.")
    if files.place.file is not None:
        raise UsageError(f"-o {files.output}: names an image file, {name} is none.", "Name a folder.")
    spot = files.place.spot(name)
    if spot.there and not (files.skip_existing or files.may_replace):
        raise _exists([spot.target])
    return spot.target, spot.there and files.skip_existing


def marked_name(source: Path, mark: str, format: str | None = None) -> str:
    """``photo.winter.jpg`` for ``photo.jpg``, with the suffix of ``format`` if that is asked for."""
    # A GIF holds 256 colors; its result is a PNG.
    suffix = source.suffix if source.suffix.lower() in SUFFIXES - {".gif"} else ".png"
    suffix = suffix if format is None or _same_format(suffix, format) else f".{format}"
    return name_with_ending(source, f"{mark}{suffix}")


def name_with_ending(source: Path, ending: str) -> str:
    """``photo.mask.png`` for ``photo.jpg``; where that would be too long, the photo's part is cut and gets a mark."""
    name = f"{source.stem}.{ending}"
    if len(name.encode(errors="replace")) <= LONGEST_NAME:
        return safe_name(name)
    return f"{_short_stem(source)}.{safe_name(ending)}"


def _short_stem(source: Path) -> str:
    """The first bytes of a long name, and eight digits of its hash that keep two such names apart."""
    stem = source.stem.encode(errors="surrogateescape")
    kept = stem[:_SHORT_STEM].decode(errors="ignore")
    return safe_name(f"{kept}-{hashlib.sha256(stem).hexdigest()[:8]}")


def _same_format(suffix: str, format: str) -> bool:
    return suffix.lower() in (f".{format}", *{"jpg": (".jpeg",), "tif": (".tiff",)}.get(format, ()))


def is_renamed(source: ImageSource, output: Target) -> bool:
    """Whether a result lacks the name of its image because not every system accepts that."""
    if not isinstance(source, Path):
        return False
    name = output.name.rpartition("/")[2]  # that of an address is all of it
    given = (name_with_ending(source, "x").removesuffix(".x"), _short_stem(source))
    return any(stem != source.stem and name.startswith(f"{stem}.") for stem in given)


def _into_stream(
    inputs: Sequence[ImageInput], files: FileOptions, names: Callable[[Path], Mapping[str, str]]
) -> ImageJob:
    """The one job whose one result goes to standard output."""
    if len(inputs) > 1:
        raise UsageError(f"-o -: standard output takes one picture, but there are {len(inputs)} inputs.", _A_FOLDER)
    (item,) = inputs
    wanted = names(item.path)
    if len(wanted) != 1:
        listed = f"{len(wanted)} outputs ({', '.join(wanted)})" if wanted else "none is asked for"
        raise UsageError(
            f"-o -: standard output takes one result, but there are {listed}.", "Ask for one: --outputs mask"
        )
    assert files.stream is not None
    ((kind, name),) = wanted.items()
    return ImageJob(item.source, {kind: ByteStream("standard output", Path(name).suffix.lower(), files.stream)})


def _plan(
    inputs: Sequence[ImageInput],
    files: FileOptions,
    names: Callable[[Path], Mapping[str, str]],
    beside: Collection[str],
    every: bool,
) -> tuple[list[ImageJob], list[Target]]:
    place = files.place
    jobs: list[ImageJob] = []
    owner: dict[str, ImageSource] = {}
    existing: list[Target] = []
    if place.file is not None and not files.share.is_alone:
        raise _one_file(files)
    for item in inputs:
        planned: dict[str, Target] = {}
        wanted = names(item.path)
        if place.file is not None and (len(inputs) > 1 or len(wanted) > 1):
            many = f"{len(inputs)} inputs" if len(inputs) > 1 else f"{len(wanted)} outputs ({', '.join(wanted)})"
            raise UsageError(
                f"-o {files.output}: names one file, but there are {many}.",
                "Name a folder, or ask for a single output.",
            )
        for kind, name in wanted.items():
            is_beside = kind in beside and files.output is None and not is_member(item.path)
            spot = place.spot(name, item.tree, item.path.parent if is_beside else None)
            # As text, which takes a fifth of a path's memory.
            same = spot.same if isinstance(spot.same, str) else os.path.normcase(spot.same)
            if same in owner:
                raise OutputError(
                    f"{owner[same]} and {item.source} would both be written to {spot.target}.",
                    "Give them to separate calls with different -o folders.",
                )
            if item.data is None and place.is_input(spot, item.path):
                raise OutputError(f"{said(item.path)}: its result would replace it.", "Choose another -o.")
            owner[same] = item.source
            if spot.there:
                existing.append(spot.target)
            if not (files.skip_existing and spot.there):
                planned[kind] = spot.target
        if planned or every:
            jobs.append(ImageJob(item.source, planned, item.place))
    if existing and not (files.skip_existing or files.may_replace):
        raise _exists(existing)
    return jobs, existing if files.skip_existing else []


def _share_key(item: ImageInput) -> str:
    """The same for images whose results could get the same name, so that one share sees that."""
    return (item.tree / name_with_ending(item.path, "x")).as_posix()


def _exists(paths: Sequence[Target]) -> OutputError:
    others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return OutputError(
        f"{paths[0]}{others}: exists already.", "Use --overwrite to replace, or --skip-existing to leave it."
    )
