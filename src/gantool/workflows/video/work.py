"""From clips to clips: decoding, computing and encoding overlap, and few frames are in memory at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

from gantool.arrays import Floats
from gantool.cores import on_one_core
from gantool.data.parallel.threads import in_order
from gantool.errors import GantoolError
from gantool.hardware import threads_to_compute
from gantool.video.frames import Clip, Cut, Frame, Sink, Source
from gantool.video.open import can_be_clear, open_source
from gantool.video.steady.average import Average, PictureAverage
from gantool.video.steady.cuts import is_cut, thumbnail
from gantool.video.steady.motion import Motion, motion_between, require_flow
from gantool.video.threads import Behind, ahead
from gantool.workflows.image_files import ImageOutcome, Written
from gantool.workflows.kept_memory import keep_freed_memory
from gantool.workflows.video.options import ClipOptions
from gantool.workflows.video.plan import ClipJob

__all__ = ["ClipOutcome", "Made", "Progress", "Way", "work_through_clips"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_PIXELS_PER_WORKER = 12 * 10**6  # of frames; of larger ones fewer are under way


@dataclass(frozen=True)
class Made:
    """What is written of one frame: by kind of output, and class shares of label maps."""

    frames: Mapping[str, Frame]
    shares: Mapping[str, float] = field(default_factory=dict)


class Way(Protocol):
    """What a verb does with frames; several threads call it at once.

    Attributes:
        on_pictures: whether values are changes of the frames, which are averaged with them then.
    """

    on_pictures: bool

    def at_once(self, height: int, width: int) -> int:
        """How many frames may run at the same time, each on one core."""
        ...

    def steadies(self) -> str:
        """Why what it makes cannot be averaged; empty where it can."""
        ...

    def open(self, kind: str, output: str, clip: Clip, source: Path, cut: Cut) -> Sink:
        """What writes one kind of output."""
        ...

    def whole(self, frame: Frame) -> Made:
        """All that is to be done to a frame that is not steadied."""
        ...

    def values(self, frame: Frame) -> Floats:
        """``(h, w, C)``: what is averaged along the motion."""
        ...

    def shown(self, frame: Frame, values: Floats) -> Made:
        """What a frame becomes by these values."""
        ...


@dataclass(frozen=True)
class Progress:
    """How far a clip is: ``total`` frames are expected, if that is known."""

    source: str
    done: int
    total: int | None
    seconds: float


@dataclass(frozen=True)
class ClipOutcome(ImageOutcome):
    """What became of a clip.

    Attributes:
        frames: that were written.
        lasts: seconds that the result lasts.
        steadied: whether it was steadied.
        scenes: that were told apart for that; 0 where it was not.
    """

    frames: int = 0
    lasts: float = 0.0
    steadied: bool = False
    scenes: int = 0


def work_through_clips(
    jobs: Sequence[ClipJob],
    way: Way,
    options: ClipOptions,
    size: tuple[int, int] | None = None,
    watch: Callable[[Progress], None] = lambda _: None,
    *,
    dry_run: bool = False,
) -> Iterator[ClipOutcome]:
    """Yield what became of each clip; one that fails does not stop the others.

    Args:
        size: ``(width, height)`` that frames are scaled to first.
        watch: is told after every frame.
        dry_run: only look at the clips.

    Raises:
        UsageError: there is no ffmpeg, or what steadies is not installed.
    """
    if options.steady != "off" and (options.steady == "on" or not way.steadies()):
        require_flow()
    keep_freed_memory()
    for job in jobs:
        started = time.perf_counter()
        try:
            outcome = (
                _looked_at(job, options, options.cut(size))
                if dry_run
                else _one(job, way, options, options.cut(size), watch)
            )
        except GantoolError as error:
            named = job.source in str(error) or any(output in str(error) for output in job.outputs.values())
            outcome = ClipOutcome(Path(job.source), {}, error=str(error) if named else f"{job.source}: {error}")
        yield replace(outcome, seconds=time.perf_counter() - started)


def _looked_at(job: ClipJob, options: ClipOptions, cut: Cut) -> ClipOutcome:
    """What would become of a clip, as far as that is known before a frame is read."""
    clip = open_source(job.source, cut, rate=options.rate).clip
    outputs = {kind: Path(output) for kind, output in job.outputs.items()}
    written = Written((clip.width, clip.height), clip.notes)
    lasts = float(clip.seconds or 0)
    return ClipOutcome(Path(job.source), outputs, written=written, frames=clip.count or 0, lasts=lasts)


def _one(job: ClipJob, way: Way, options: ClipOptions, cut: Cut, watch: Callable[[Progress], None]) -> ClipOutcome:
    source = open_source(job.source, cut, rate=options.rate, alpha=any(map(can_be_clear, job.outputs.values())))
    clip, notes = source.clip, list(source.clip.notes)
    steady = options.steadies(clip.rate)
    if steady and (reason := way.steadies()):
        steady = False
        notes.append(f"not steadied: {reason}")
    elif options.steady == "auto" and not steady:
        notes.append(
            f"not steadied: nothing can be followed at {float(clip.rate):.3g} frames/s (--steady on does it)"
        )
    if clip.alpha and not all(map(can_be_clear, job.outputs.values())):
        notes.append("what is transparent in it becomes opaque (.mov, .webm, .webp, .gif and numbered .png keep it)")
    path = Path(job.source)
    sinks = _Sinks({kind: way.open(kind, output, clip, path, cut) for kind, output in job.outputs.items()})
    scenes = _Scenes()
    line = _steadied(source, way, scenes, _workers(way, clip)) if steady else _apart(source, way, _workers(way, clip))
    count, lasts, shares, started = 0, 0, dict[str, float](), time.perf_counter()
    size = (clip.width, clip.height)
    try:
        with closing(source), closing(line):
            for made in line:
                sinks.write(made.frames)
                count += 1
                first = next(iter(made.frames.values()))
                lasts += first.duration
                size = (first.pixels.shape[1], first.pixels.shape[0])
                shares = {name: shares.get(name, 0.0) + share for name, share in made.shares.items()}
                watch(Progress(job.source, count, clip.count, time.perf_counter() - started))
        sinks.finish()
    finally:
        sinks.abandon()
    notes += [*source.damage.notes(), *sinks.notes]
    written = Written(size, tuple(dict.fromkeys(notes)), {name: share / count for name, share in shares.items()})
    outputs = {kind: Path(output) for kind, output in job.outputs.items()}
    return ClipOutcome(
        path, outputs, written=written, frames=count, lasts=float(lasts * clip.time_base),
        steadied=steady, scenes=scenes.count,
    )  # fmt: skip


class _Sinks:
    """All outputs of a clip, written in a thread of their own; none of them is left unless all of them are whole."""

    def __init__(self, sinks: Mapping[str, Sink]) -> None:
        self._sinks = sinks
        self._behind = Behind(self._write)
        self._done = False

    @property
    def notes(self) -> list[str]:
        return [note for sink in self._sinks.values() for note in sink.notes]

    def _write(self, frames: Mapping[str, Frame]) -> None:
        for kind, sink in self._sinks.items():
            sink.write(frames[kind])

    def write(self, frames: Mapping[str, Frame]) -> None:
        self._behind.put(frames)

    def finish(self) -> None:
        self._behind.finish()
        for sink in self._sinks.values():
            sink.finish()
        self._done = True

    def abandon(self) -> None:
        if self._done:
            return
        for sink in self._sinks.values():
            sink.abandon()
        self._behind.abandon()


class _Scenes:
    """Counts scenes while frames go by."""

    def __init__(self) -> None:
        self.count = 0


def _workers(way: Way, clip: Clip) -> int:
    """How many frames are computed side by side; 1 where each of them needs all cores, or much memory."""
    cores = threads_to_compute()
    if way.at_once(clip.height, clip.width) < cores:
        return 1
    return max(min(cores, cores * _PIXELS_PER_WORKER // (clip.width * clip.height)), 1)


def _apart(source: Source, way: Way, workers: int) -> Generator[Made]:
    """Frames that have nothing to do with each other."""
    with closing(ahead(source.frames())) as frames:
        yield from in_order(_on_cores(way.whole, workers), frames, workers)


def _steadied(source: Source, way: Way, scenes: _Scenes, workers: int) -> Generator[Made]:
    """Frames that are averaged along the motion: what can be is done side by side, the averaging one by one."""

    def look(pair: tuple[Frame | None, Frame]) -> tuple[Frame, Floats, Motion | None]:
        before, frame = pair
        return frame, way.values(frame), None if before is None else _motion(before, frame)

    def averaged() -> Generator[tuple[Frame, Floats]]:
        average, pictures = Average(), PictureAverage()
        for frame, values, motion in in_order(_on_cores(look, workers), _with_the_one_before(frames), workers):
            scenes.count += motion is None
            if way.on_pictures:
                frame = replace(frame, pixels=pictures(frame.pixels, motion))
            yield frame, average(values, motion)

    def show(pair: tuple[Frame, Floats]) -> Made:
        return way.shown(*pair)

    with closing(ahead(source.frames())) as frames, closing(averaged()) as pairs:
        yield from in_order(show, pairs, workers)


def _motion(before: Frame, frame: Frame) -> Motion | None:
    """None where a scene begins."""
    if is_cut(thumbnail(before.pixels), thumbnail(frame.pixels)):
        return None
    motion = motion_between(before.pixels, frame.pixels)
    return None if motion.is_lost else motion


def _with_the_one_before(frames: Iterable[Frame]) -> Iterator[tuple[Frame | None, Frame]]:
    before: Frame | None = None
    for frame in frames:
        yield before, frame
        before = frame


def _on_cores(work: Callable[[Item], Result], workers: int) -> Callable[[Item], Result]:
    """Each on one core where several are under way."""
    if workers < 2:
        return work

    def alone(item: Item) -> Result:
        with on_one_core():
            return work(item)

    return alone
