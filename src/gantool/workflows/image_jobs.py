"""Batches of image files: which inputs, which outputs, and nothing overwritten by accident."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TextIO

from gantool.data.images import SUFFIXES, ImageBytes, ImageSource, find_images
from gantool.errors import DataError, OutputError, UsageError
from gantool.fetch.remote.addresses import is_address
from gantool.files import LONGEST_NAME, ByteStream, Target, safe_name
from gantool.shards.members import is_member, may_be_shards
from gantool.workflows.lists import listed_paths, read_standard_input
from gantool.workflows.shares.share import ALONE, Share
from gantool.workflows.shares.tries import has_begun

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
        output: a folder, a file for a single input, ``-`` for ``stream``, or None for the current folder.
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

    @property
    def may_replace(self) -> bool:
        """Whether results that are there may be replaced: on demand, or if an earlier try of this share made them."""
        return self.overwrite or has_begun(self.share, output_folder(self))

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


@dataclass(frozen=True)
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


@dataclass(frozen=True)
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
) -> tuple[list[ImageJob], list[Path]]:
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
    inputs = _collect(files, {*_MARKS, *marks}, stdin)
    if files_only and any(item.data is not None for item in inputs):
        raise UsageError(f"{files_only} names the image's file, and standard input is none.", "Save the image first.")
    if files.output == "-":
        return [_into_stream(inputs, files, names)], []
    return _plan(inputs, files, names, beside, every)


def output_folder(files: FileOptions) -> Path:
    """The folder of the results.

    Raises:
        OutputError: it is a file.
    """
    return _output_place(files.output)[0]


def shared_folder(files: FileOptions) -> Path:
    """The folder of the results where they are to be made as shares.

    Raises:
        UsageError: it is none.
        OutputError: it is a file.
    """
    replace(files, share=Share(0, 2))  # which is refused for standard output
    folder, file = _output_place(files.output)
    if file is not None:
        raise _one_file(files)
    return folder


def _one_file(files: FileOptions) -> UsageError:
    return UsageError(f"-o {files.output}: names one file, which has no shares.", "Name a folder.")


def plan_file(files: FileOptions, name: str) -> tuple[Path, bool]:
    """Where a file of that name goes that is of all images together, and whether it exists and is skipped.

    Raises:
        OutputError: it exists.
        UsageError: the output is an image file.
    """
    if files.output == "-":
        raise UsageError(f"-o -: standard output takes a picture, {name} is none.", "Name a folder.")
    folder, file = _output_place(files.output)
    if file is not None:
        raise UsageError(f"-o {files.output}: names an image file, {name} is none.", "Name a folder.")
    path = folder / name
    if path.exists() and not (files.skip_existing or files.may_replace):
        raise _exists([path])
    return path, path.exists() and files.skip_existing


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
    if not isinstance(source, Path) or not isinstance(output, Path):
        return False
    given = (name_with_ending(source, "x").removesuffix(".x"), _short_stem(source))
    return any(stem != source.stem and output.name.startswith(f"{stem}.") for stem in given)


def _collect(files: FileOptions, marks: set[str], stdin: TextIO | None) -> list[ImageInput]:
    """The images of the share, each once, in order."""
    listed = [] if files.files_from is None else listed_paths(files.files_from, stdin, null=files.null)
    piped = read_standard_input(stdin) if "-" in files.inputs else []
    found: dict[ImageSource, ImageInput] = {}
    count = 0
    for name in (*files.inputs, *listed):
        for item in _piped(piped, files.recursive, marks) if name == "-" else _expand(name, files.recursive, marks):
            count += 1
            if files.share.takes(_share_key(item)):  # there may be millions of the others
                found.setdefault(item.source, replace(item, place=count))
    if not count:
        raise DataError("No images named.", "Name files, folders or globs, or - for an image on standard input.")
    return list(found.values())


def _share_key(item: ImageInput) -> str:
    """The same for images whose results could get the same name, so that one share sees that."""
    return (item.tree / name_with_ending(item.path, "x")).as_posix()


def _piped(content: ImageBytes | list[str], recursive: bool, marks: set[str]) -> list[ImageInput]:
    """What standard input holds: an image itself, or the images that its paths name."""
    if isinstance(content, ImageBytes):
        return [ImageInput(Path(f"stdin{content.suffix}"), data=content)]
    return [item for name in content for item in _expand(name, recursive, marks)]


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
    owner: dict[Path, ImageSource] = {}
    existing: list[Path] = []
    resolved = cache(Path.resolve)
    if file is not None and not files.share.is_alone:
        raise _one_file(files)
    for item in inputs:
        planned: dict[str, Target] = {}
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
                    f"{owner[same]} and {item.source} would both be written to {target}.",
                    "Give them to separate calls with different -o folders.",
                )
            if there and item.data is None and same == item.path.resolve():
                raise OutputError(f"{item.path}: its result would replace it.", "Choose another -o.")
            owner[same] = item.source
            there = there and target.exists()
            if there:
                existing.append(target)
            if not (files.skip_existing and there):
                planned[kind] = target
        if planned or every:
            jobs.append(ImageJob(item.source, planned, item.place))
    if existing and not (files.skip_existing or files.may_replace):
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
