"""Options of clips, and what `translate` and `segment` say of clips while they work on them and at the end.

All but the options is imported when there is a clip: other commands do not pay for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.console import Screen
from gantool.cli.contract import completion
from gantool.cli.image_results import conclude, tell_outcome, tell_skipped
from gantool.errors import UsageError, counted
from gantool.report.words import clock_time

if TYPE_CHECKING:
    from gantool.workflows.image_files import ImageOutcome
    from gantool.workflows.image_jobs import FileOptions
    from gantool.workflows.video import ClipJob, ClipOptions, ClipOutcome, Progress

__all__ = [
    "EndOption",
    "EveryOption",
    "FpsOption",
    "QualityOption",
    "StartOption",
    "SteadyOption",
    "clip_options",
    "follow_clips",
]

_PANEL = "Clips"
_REFRESH = 0.2

StartOption = Annotated[
    str | None,
    typer.Option(
        "--start",
        metavar="TIME",
        help="Where in the clip to start, such as 12.5 (seconds) or 1:30.",
        rich_help_panel=_PANEL,
    ),
]
EndOption = Annotated[
    str | None, typer.Option("--end", metavar="TIME", help="Where in the clip to end.", rich_help_panel=_PANEL)
]
EveryOption = Annotated[
    int,
    typer.Option(
        "--every",
        metavar="N",
        help="Use every N-th frame of the clip only; its duration stays the same.",
        rich_help_panel=_PANEL,
    ),
]
FpsOption = Annotated[
    str | None,
    typer.Option(
        "--fps",
        metavar="RATE",
        help="Frame rate of numbered images (frames/%04d.png; 25 by default); makes a folder of images one clip.",
        rich_help_panel=_PANEL,
    ),
]
QualityOption = Annotated[
    int,
    typer.Option(
        "--quality",
        metavar="CRF",
        help="Video quality (CRF): 0 is the best, 51 the smallest file.",
        rich_help_panel=_PANEL,
    ),
]
SteadyOption = Annotated[
    str,
    typer.Option(
        "--steady",
        metavar="off|auto|on",
        help="Reduce the flicker of a clip along its motion: never, where frames can be followed, or always.",
        rich_help_panel=_PANEL,
        autocompletion=completion.of("off", "auto", "on"),
    ),
]


def clip_options(
    files: FileOptions,
    *,
    start: str | None,
    end: str | None,
    every: int,
    fps: str | None,
    quality: int,
    steady: str,
) -> ClipOptions | None:
    """What is asked for of clips; None where the inputs are pictures.

    Pictures pass with ``--quality`` and ``--steady``, which may be standing defaults of a user's.

    Raises:
        UsageError: a part or a rate for pictures, or an option of pictures for clips, or both together.
    """
    given = {"--start": start, "--end": end, "--every": every != 1, "--fps": fps}
    from gantool.video.names import is_clip, require_steady

    require_steady(steady)
    if not any(given.values()) and not any(map(is_clip, files.inputs)):
        return None
    from gantool.workflows.video import ClipOptions
    from gantool.workflows.video.options import parse_rate, parse_time
    from gantool.workflows.video.plan import clips_among

    asked = ClipOptions(
        parse_time("--start", start), parse_time("--end", end), every, parse_rate(fps), quality, steady
    )
    if not clips_among(files.inputs, folders=fps is not None):
        option = next(name for name, value in given.items() if value)
        named = files.inputs[0] if files.inputs else "the list"
        raise UsageError(f"{option}: is of clips, and {named} is none.", "Leave it out.")
    pictures = {"--files-from": files.files_from, "--format": files.format, "-o -": files.stream}
    for option, value in pictures.items():
        if value is not None:
            raise UsageError(f"{option}: is of pictures, and {files.inputs[0]} is a clip.", "Name files.")
    return asked


def follow_clips(
    screen: Screen,
    schema: str,
    head: Mapping[str, Any],
    jobs: Sequence[ClipJob],
    skipped: Sequence[Path],
    details: Callable[[ImageOutcome], Mapping[str, Any]],
    *,
    doing: str,
    work: Callable[[Callable[[Progress], None]], Iterable[ClipOutcome]],
) -> int:
    """Work through clips, telling how far they are and what became of them; returns the exit code.

    Args:
        details: what is said of a picture in the JSON; a clip says more.
    """
    from gantool.workflows.video import ClipOutcome

    tell_skipped(screen, skipped)
    done = []
    with _shown(screen, doing) as watch:
        for item in work(watch):
            done.append(item)
            _tell(screen, item, dry=bool(head.get("dry_run")))

    def of_clip(item: ImageOutcome) -> dict[str, Any]:
        assert isinstance(item, ClipOutcome)
        return {
            **details(item),
            "frames": item.frames,
            "duration": round(item.lasts, 6),
            "steadied": item.steadied,
            **({"scenes": item.scenes} if item.steadied else {}),
        }

    return conclude(screen, schema, head, done, skipped, of_clip)


def _tell(screen: Screen, item: ClipOutcome, *, dry: bool) -> None:
    tell_outcome(screen, item)
    if dry or item.error:
        return
    steadied = f", steadied over {counted(item.scenes, 'scene')}" if item.steadied else ""
    screen.note(
        f"{item.source}: {counted(item.frames, 'frame')} in {clock_time(item.seconds)}, "
        f"{item.frames / max(item.seconds, 1e-9):.1f} frames/s{steadied}"
    )


@contextmanager
def _shown(screen: Screen, doing: str) -> Iterator[Callable[[Progress], None]]:
    """Yield what shows how far a clip is: a bar on a terminal, else a line a minute."""
    if screen.interactive:
        with _bar(screen, doing) as watch:
            yield watch
        return
    pulse = screen.pulse()
    yield lambda progress: pulse.maybe(lambda: f"{progress.source}: {_how_far(progress)}")


@contextmanager
def _bar(screen: Screen, doing: str) -> Iterator[Callable[[Progress], None]]:
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[far]}"))
    with Progress(
        *columns, console=screen.err, transient=True, redirect_stdout=screen.shares_terminal, expand=True
    ) as bar:
        task = bar.add_task(doing, total=None, far="")
        shown = 0.0

        def show(progress: Any) -> None:
            nonlocal shown
            now = time.perf_counter()
            if now - shown >= _REFRESH or progress.done == 1:
                shown = now
                bar.update(task, completed=progress.done, total=progress.total, far=_how_far(progress))

        yield show


def _how_far(progress: Progress) -> str:
    """``120 of 3000 frames, 9.1/s, 5:20 left``."""
    rate = progress.done / max(progress.seconds, 1e-9)
    if progress.total is None:
        return f"{counted(progress.done, 'frame')}, {rate:.1f} frames/s"
    left = max(progress.total - progress.done, 0) / max(rate, 1e-9)
    total = max(progress.total, progress.done)
    return f"{progress.done} of {total} frames, {rate:.1f} frames/s, {clock_time(left)} left"
