"""Batches of image files: which inputs, which outputs, and nothing overwritten by accident."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gantool.data.images import SUFFIXES, find_images
from gantool.errors import DataError, OutputError, UsageError
from gantool.files import safe_name

__all__ = ["ImageJob", "OutputJob", "collect_inputs", "plan_jobs", "plan_outputs"]

_MARKS = ("mask", "overlay", "color")
_LONGEST_NAME = 240  # file systems allow 255 bytes; a temporary name needs a few more


@dataclass(frozen=True)
class ImageInput:
    """An image to read; ``tree`` is its folder relative to the folder that was named."""

    path: Path
    tree: Path = Path()


@dataclass(frozen=True)
class ImageJob:
    """One image and where its result goes."""

    source: Path
    output: Path


@dataclass(frozen=True)
class OutputJob:
    """One image and where its results go, by their kind."""

    source: Path
    outputs: dict[str, Path]


def collect_inputs(
    inputs: Sequence[str], *, recursive: bool, marks: Iterable[str], stdin: Iterable[str] = ()
) -> list[ImageInput]:
    """Resolve files, folders, globs and ``-`` (paths from ``stdin``) to images, each once, in order.

    Args:
        marks: endings before the suffix (``winter`` for ``photo.winter.jpg``) of results of earlier calls, which a
            folder scan leaves out.

    Raises:
        DataError: an input that is not there, or a folder without images.
    """
    names = [name for entry in inputs for name in (_lines(stdin) if entry == "-" else [entry])]
    found: dict[Path, ImageInput] = {}
    for name in names:
        for item in _expand(name, recursive, {*_MARKS, *marks}):
            found.setdefault(item.path, item)
    if not found:
        raise DataError("No images named.", "Name files, folders or globs, or - for paths on standard input.")
    return list(found.values())


def _lines(stdin: Iterable[str]) -> list[str]:
    return [line.rstrip("\r\n") for line in stdin if line.strip()]


def _expand(name: str, recursive: bool, marks: set[str]) -> list[ImageInput]:
    path = Path(name)
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


def plan_jobs(
    inputs: Sequence[ImageInput],
    output: str | None,
    mark: str,
    *,
    overwrite: bool = False,
    skip_existing: bool = False,
) -> tuple[list[ImageJob], list[Path]]:
    """Decide every output before anything is computed.

    Args:
        output: ``-o``: a folder, a file for a single input, or None for the current folder.
        mark: goes between name and suffix, as in ``photo.winter.jpg``.

    Returns:
        The jobs to do, and the outputs that exist and are skipped.

    Raises:
        OutputError: two inputs have one output, or an output exists.
        UsageError: a file as output for several inputs.
    """
    jobs, existing = _plan(inputs, output, lambda path: {mark: _output_name(path, mark)}, overwrite, skip_existing)
    return [ImageJob(job.source, job.outputs[mark]) for job in jobs], existing


def plan_outputs(
    inputs: Sequence[ImageInput],
    output: str | None,
    endings: Mapping[str, str],
    *,
    overwrite: bool = False,
    skip_existing: bool = False,
) -> tuple[list[OutputJob], list[Path]]:
    """Decide every output of several kinds before anything is computed; see `plan_jobs`.

    Args:
        endings: what replaces the suffix, by kind, such as ``mask.png``.
    """

    def names(path: Path) -> dict[str, str]:
        return {kind: _with_ending(path, ending) for kind, ending in endings.items()}

    return _plan(inputs, output, names, overwrite, skip_existing)


def _plan(
    inputs: Sequence[ImageInput],
    output: str | None,
    names: Callable[[Path], Mapping[str, str]],
    overwrite: bool,
    skip_existing: bool,
) -> tuple[list[OutputJob], list[Path]]:
    folder, file = _output_place(output)
    jobs: list[OutputJob] = []
    owner: dict[Path, Path] = {}
    existing: list[Path] = []
    for item in inputs:
        planned: dict[str, Path] = {}
        wanted = names(item.path)
        if file is not None and (len(inputs) > 1 or len(wanted) > 1):
            many = f"{len(inputs)} inputs" if len(inputs) > 1 else f"{len(wanted)} outputs ({', '.join(wanted)})"
            raise UsageError(
                f"-o {output}: names one file, but there are {many}.", "Name a folder, or ask for a single output."
            )
        for kind, name in wanted.items():
            target = file if file is not None else folder / item.tree / name
            same = target.resolve()
            if same in owner:
                raise OutputError(
                    f"{owner[same]} and {item.path} would both be written to {target}.",
                    "Give them to separate calls with different -o folders.",
                )
            if same == item.path.resolve():
                raise OutputError(f"{item.path}: its result would replace it.", "Choose another -o.")
            owner[same] = item.path
            if target.exists():
                existing.append(target)
            if not (skip_existing and target.exists()):
                planned[kind] = target
        if planned:
            jobs.append(OutputJob(item.path, planned))
    if existing and not (overwrite or skip_existing):
        others = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise OutputError(
            f"{existing[0]}{others}: exists already.", "Use --overwrite to replace, or --skip-existing to leave it."
        )
    return jobs, existing if skip_existing else []


def _with_ending(source: Path, ending: str) -> str:
    stem = source.stem
    while len(f"{stem}.{ending}".encode()) > _LONGEST_NAME:
        stem = stem[:-1]
    return safe_name(f"{stem}.{ending}")


def _output_place(output: str | None) -> tuple[Path, Path | None]:
    if output is None:
        return Path(), None
    path = Path(output)
    if path.is_dir() or output.endswith(("/", "\\")) or path.suffix.lower() not in SUFFIXES:
        if path.exists() and not path.is_dir():
            raise OutputError(f"-o {output}: is a file, expected a folder or an image file.")
        return path, None
    return path.parent, path


def _output_name(source: Path, mark: str) -> str:
    # A GIF holds 256 colors; its result is a PNG.
    suffix = ".png" if source.suffix.lower() in (".gif", "") else source.suffix
    if suffix.lower() not in SUFFIXES:
        suffix = ".png"
    ending = f".{mark}{suffix}"
    stem = source.stem
    while len((stem + ending).encode()) > _LONGEST_NAME:
        stem = stem[:-1]
    return safe_name(stem + ending)
