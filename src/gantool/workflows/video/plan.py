"""Which clips are read, and what is written of each; found out before any of them is."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gantool.errors import DataError, OutputError, UsageError
from gantool.fetch.remote.addresses import require_disk
from gantool.files import safe_name
from gantool.video.names import ANIMATIONS, CONTAINERS, has_number, is_clip
from gantool.workflows.image_jobs import FileOptions

__all__ = ["ClipJob", "clip_stem", "clip_suffix", "clips_among", "plan_clips"]


@dataclass(frozen=True)
class ClipJob:
    """A clip and where its results go, by their kind; an output may be the pattern of numbered images."""

    source: str
    outputs: Mapping[str, str]


def clips_among(inputs: Sequence[str], *, folders: bool = False) -> bool:
    """Whether the inputs are clips.

    Args:
        folders: a folder is a clip, its images the frames.

    Raises:
        UsageError: some are, and some are not.
    """
    kinds = {name: (Path(name).is_dir() and folders) or is_clip(name) for name in inputs}
    if not any(kinds.values()):
        return False
    others = [name for name, clip in kinds.items() if not clip]
    if others:
        clip = next(name for name, is_one in kinds.items() if is_one)
        raise UsageError(f"{clip} is a clip, {others[0]} is not.", "Give clips and pictures to calls of their own.")
    return True


def clip_stem(source: str) -> str:
    """What results are named after: the file, or for numbered images their folder."""
    path = Path(source)
    if path.is_dir() or has_number(source):
        folder = path if path.is_dir() else path.parent
        return safe_name(folder.resolve().name or "frames")
    return safe_name(f"{path.stem}.x").removesuffix(".x")


def clip_suffix(source: str) -> str:
    """Of the results: that of the clip where H.264, or the animation, can be in such a file; else ``.mp4``."""
    suffix = Path(source).suffix.lower()
    if Path(source).is_dir() or has_number(source):
        return ".mp4"
    return suffix if suffix in ANIMATIONS | CONTAINERS - {".webm"} else ".mp4"


def plan_clips(files: FileOptions, names: Callable[[str], Mapping[str, str]]) -> tuple[list[ClipJob], list[Path]]:
    """Decide every output before anything is computed.

    Args:
        names: the outputs of a clip by their kind.

    Returns:
        The jobs to do, and the outputs that exist and are skipped.

    Raises:
        DataError: a clip that is not there.
        OutputError: two clips have one output, or an output exists.
        UsageError: a file as output for several, or an address.
    """
    require_disk(files.output, "clips are written")
    sources = list(dict.fromkeys(found for name in files.inputs for found in _expanded(name)))
    jobs: list[ClipJob] = []
    owner: dict[Path, str] = {}
    existing: list[Path] = []
    for source in sources:
        outputs = _placed(files, names(source), many=len(sources) > 1)
        kept = {}
        for kind, output in outputs.items():
            same = Path(output).resolve()
            if same in owner:
                raise OutputError(
                    f"{owner[same]} and {source} would both be written to {output}.",
                    "Give them to separate calls with different -o folders.",
                )
            if same == Path(source).resolve():
                raise OutputError(f"{source}: its result would replace it.", "Choose another -o.")
            owner[same] = source
            there = _first_of(output)
            if there is not None:
                existing.append(there)
            if there is None or not files.skip_existing:
                kept[kind] = output
        if kept:
            jobs.append(ClipJob(source, kept))
    if existing and not (files.overwrite or files.skip_existing):
        others = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise OutputError(
            f"{existing[0]}{others}: exists already.", "Use --overwrite to replace, or --skip-existing to leave it."
        )
    return jobs, existing if files.skip_existing else []


def _expanded(name: str) -> list[str]:
    if os.path.lexists(name) or has_number(name) or not glob.has_magic(name):
        if not Path(name).exists() and not has_number(name):
            raise DataError(f"{name}: there is no such file or folder.")
        return [name]
    found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 -- a pattern can be absolute
    if not found:
        raise DataError(f"{name}: matches no clips.")
    return found


def _placed(files: FileOptions, names: Mapping[str, str], *, many: bool) -> dict[str, str]:
    output = files.output
    if output is None:
        return dict(names)
    path = Path(output)
    is_file = has_number(output) or path.suffix.lower() in CONTAINERS | ANIMATIONS
    if path.is_dir() or output.endswith(("/", "\\")) or not is_file:
        if path.exists() and not path.is_dir():
            raise OutputError(f"-o {output}: is a file, expected a folder or a clip.")
        if not path.is_dir() and path.suffix and not output.endswith(("/", "\\")):
            raise UsageError(
                f"-o {output}: no clip has the suffix {path.suffix!r}.",
                f"Known: {', '.join(sorted(CONTAINERS | ANIMATIONS))}, numbered images such as frames/%04d.png, "
                "or a folder with / at its end.",
            )
        return {kind: str(path / name) for kind, name in names.items()}
    if many or len(names) > 1:
        what = "several clips" if many else f"{len(names)} outputs ({', '.join(names)})"
        raise UsageError(
            f"-o {output}: names one clip, but there are {what}.", "Name a folder, or ask for a single output."
        )
    return dict.fromkeys(names, output)


def _first_of(output: str) -> Path | None:
    """What is there of an output."""
    if not has_number(output):
        return Path(output) if Path(output).exists() else None
    from gantool.video.numbered import numbered

    try:
        return numbered(output)[0][1]
    except DataError:
        return None
