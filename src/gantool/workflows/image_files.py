"""From image files to image files: what `translate` and `segment` share in working through many of them.

Images of which three per core can run at the same time are run and encoded by threads, each on a core of its own:
more of these than cores would only disturb each other. Larger ones run one after the other on all cores, in the
caller's thread, where Ctrl-C ends them. Other threads read the next images, and wait for the disk to have the last
ones. Either way outcomes come in the order of the images, and how many are under way is bounded by their pixels, so
that memory does not grow with their number.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, TypeVar

from gantool.cores import on_one_core
from gantool.data.images import ImageSource, Picture, upright_size
from gantool.errors import GantoolError
from gantool.fetch.remote.outbox import NothingArrivesError, RemoteFile
from gantool.files import Finisher, Target, finishing_later
from gantool.hardware import threads_to_compute
from gantool.shards.members import said
from gantool.workflows.image_jobs import ImageJob
from gantool.workflows.kept_memory import keep_freed_memory

__all__ = ["ImageOutcome", "Sight", "Work", "Written", "look_at", "work_through"]

Made = TypeVar("Made")

_PIXELS_PER_CORE = 24 * 10**6  # of the images under way, which memory has to hold; ...
_FEWEST = 3  # ... but one may always be read and one written while one is computed
_MOST_SENDING = 64  # images whose results are on their way
_THREADS_PER_CORE = 3  # one computes, one reads, and one waits for what is written


@dataclass(frozen=True)
class Sight:
    """What is known of an image before it is read.

    Attributes:
        size: (width, height) as it is run.
        pixels: what its memory is reckoned by.
    """

    size: tuple[int, int]
    pixels: int


@dataclass(frozen=True, slots=True)
class Written:
    """What was written for one image: ``size`` as (width, height), and class shares of label maps.

    Attributes:
        last: what is left to do for it, in the order of the images; may raise as the writing may.
    """

    size: tuple[int, int]
    notes: tuple[str, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    last: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class ImageOutcome:
    """What became of one image: written to ``outputs``, or failed with ``error``."""

    source: ImageSource
    outputs: Mapping[str, Target]
    seconds: float = 0.0
    written: Written = Written((0, 0))
    error: str = ""


@dataclass(frozen=True)
class Work(Generic[Made]):
    """What is done with an image; all but ``look`` is called by several threads at once.

    Attributes:
        look: at an image, without reading it. As the others it may raise a `GantoolError`, which concerns that image
            alone.
        run: images of one size, with their jobs, to what is made of each.
        at_once: how many images of a height and width can run at the same time, each on one core; see
            `Pieces.at_once`.
        batch_size: how many images run together.
        behind: how many batches may wait to be written while the next one is computed on all cores.
    """

    look: Callable[[ImageJob], Sight]
    read: Callable[[ImageJob], Picture]
    run: Callable[[Sequence[tuple[ImageJob, Picture]]], Sequence[Made]]
    write: Callable[[ImageJob, Picture, Made], Written]
    at_once: Callable[[int, int], int]
    batch_size: int = 1
    behind: int = 1


def look_at(job: ImageJob, size: tuple[int, int] | None = None, copies: float = 1.0) -> Sight:
    """See `Work.look`.

    Args:
        size: (width, height) that the image is scaled to; None for its own.
        copies: how much more memory it takes than images of its size usually do.

    Raises:
        DataError: no image.
    """
    own = upright_size(job.source)
    size = size or own
    return Sight(size, int(copies * max(own[0] * own[1], size[0] * size[1])))


def work_through(jobs: Sequence[ImageJob], work: Work[Any]) -> Iterator[ImageOutcome]:
    """Yield what became of each image, in order; one that fails does not stop the others.

    Raises:
        OutputError: a server refuses the first results, as it will all others.
    """
    cores = threads_to_compute()
    line = _Line(work, cores)
    if len(jobs) > cores:
        keep_freed_memory()
    try:
        # Fewer images than cores are sooner done if each has all of them.
        for group in _groups(jobs, work, cores if len(jobs) >= max(cores, 2) else 0):
            while line.is_full(group):
                yield from line.next()
            line.add(group)
        while line.is_busy:
            yield from line.next()
    except BaseException:
        _give_up(jobs)
        raise
    finally:
        line.close()


@dataclass(frozen=True)
class _Group:
    """Neighbors of one size. Those ``apart`` run on one core while others do."""

    jobs: Sequence[ImageJob]
    pixels: int
    apart: bool


def _groups(jobs: Sequence[ImageJob], work: Work[Any], cores: int) -> Iterator[_Group]:
    """Group images as far as their sizes are known without reading them; one that cannot be looked at comes alone.

    Args:
        cores: that groups run on at the same time, if memory suffices for that; 0 for one after the other.
    """

    def group(jobs: Sequence[ImageJob], sight: Sight | None) -> _Group:
        if sight is None:
            return _Group(jobs, 0, apart=False)
        width, height = sight.size
        apart = cores > 0 and work.at_once(height, width) >= _THREADS_PER_CORE * cores * len(jobs)
        return _Group(jobs, sight.pixels * len(jobs), apart)

    waiting: list[ImageJob] = []
    last: Sight | None = None
    for job in jobs:
        sight = _look(job, work)
        if waiting and (sight is None or last is None or sight.size != last.size or len(waiting) == work.batch_size):
            yield group(waiting, last)
            waiting = []
        waiting.append(job)
        last = sight
    if waiting:
        yield group(waiting, last)


def _look(job: ImageJob, work: Work[Any]) -> Sight | None:
    try:
        return work.look(job)
    except GantoolError:
        return None  # whoever reads it will say what is wrong


@dataclass
class _Item:
    """An image under way, with what is known of it by now."""

    job: ImageJob
    picture: Picture | None = None
    made: Any = None
    seconds: float = 0.0
    error: str = ""


class _Line:
    """The images under way, in their order."""

    def __init__(self, work: Work[Any], cores: int) -> None:
        self._work, self._cores = work, cores
        self._computing = ThreadPoolExecutor(cores)
        self._files = ThreadPoolExecutor(cores)
        self._finishing = Finisher[ImageOutcome](cores)
        self._begun: deque[tuple[_Group, Future[Any]]] = deque()
        self._written: deque[tuple[int, Future[ImageOutcome]]] = deque()
        self._sending: deque[ImageOutcome] = deque()

    def is_full(self, group: _Group) -> bool:
        """Whether something has to be finished before this group can be begun."""
        if len(self._begun) >= 2 * _THREADS_PER_CORE * self._cores:
            return True
        pixels = sum(one.pixels for one, _ in self._begun) + sum(pixels for pixels, _ in self._written)
        under_way = len(self._begun) + len(self._written)
        return under_way >= _FEWEST and pixels + group.pixels > _PIXELS_PER_CORE * self._cores

    @property
    def is_busy(self) -> bool:
        return bool(self._begun or self._written or self._sending)

    def add(self, group: _Group) -> None:
        reading = self._files.submit(self._read, group)
        self._begun.append((group, self._computing.submit(self._on_one_core, reading) if group.apart else reading))

    def next(self) -> Iterator[ImageOutcome]:
        """Go on with the first group, and yield what is finished by then."""
        if self._begun:
            group, future = self._begun.popleft()
            results = future.result() if group.apart else self._on_all_cores(future.result())
            self._written += [(group.pixels // len(group.jobs), result) for result in results]
        behind = self._work.behind * self._work.batch_size if self._begun else 0
        while self._written and (len(self._written) > behind or self._written[0][1].done()):
            self._sending.append(self._written.popleft()[1].result())
        ahead = _MOST_SENDING if self._begun or self._written else 0
        while self._sending and (len(self._sending) > ahead or not _is_on_its_way(self._sending[0])):
            yield _concluded(self._sending.popleft())

    def close(self) -> None:
        """Wait for what threads are doing; what they have not begun is left, but what is written is finished."""
        self._computing.shutdown(cancel_futures=True)
        self._files.shutdown(cancel_futures=True)
        self._finishing.close()

    def _on_one_core(self, reading: Future[list[_Item]]) -> list[Future[ImageOutcome]]:
        items = reading.result()
        with on_one_core():
            self._run(items)
        results = []
        for item in items:
            with finishing_later() as written:
                outcome = self._write(item)
            results.append(self._finishing.finish(written, partial(_finished, outcome)))
        return results

    def _on_all_cores(self, items: Sequence[_Item]) -> list[Future[ImageOutcome]]:
        self._run(items)
        return [self._files.submit(self._write, item) for item in items]

    def _read(self, group: _Group) -> list[_Item]:
        items = [_Item(job) for job in group.jobs]
        for item in items:
            try:
                item.picture = self._work.read(item.job)
            except GantoolError as error:
                item.error = _about(item.job, error)
        return items

    def _run(self, items: Sequence[_Item]) -> None:
        pairs = [(item, item.picture) for item in items if item.picture is not None]
        for shape in dict.fromkeys(picture.pixels.shape for _, picture in pairs):  # one, unless a header lies
            self._run_together([item for item, picture in pairs if picture.pixels.shape == shape])

    def _run_together(self, items: Sequence[_Item]) -> None:
        started = time.perf_counter()
        try:
            results = self._work.run([(item.job, item.picture) for item in items if item.picture is not None])
        except (GantoolError, RuntimeError, MemoryError) as error:
            for item in items:
                item.error = _about(item.job, error)
            return
        for item, made in zip(items, results, strict=True):
            item.made, item.seconds = made, (time.perf_counter() - started) / len(items)

    def _write(self, item: _Item) -> ImageOutcome:
        if item.error or item.picture is None:
            return ImageOutcome(item.job.source, {}, error=item.error)
        try:
            written = self._work.write(item.job, item.picture, item.made)
        except GantoolError as error:
            return ImageOutcome(item.job.source, {}, error=_about(item.job, error))
        return ImageOutcome(item.job.source, item.job.outputs, item.seconds, written)


def _finished(outcome: ImageOutcome, problem: GantoolError | None) -> ImageOutcome:
    """What became of an image whose files have their names, or cannot have them."""
    if problem is None:
        return outcome
    return ImageOutcome(outcome.source, {}, error=outcome.error or _about(outcome, problem))


def _give_up(jobs: Sequence[ImageJob]) -> None:
    """Send nothing more; all results at an address have one outbox."""
    sent = (target for job in jobs for target in job.outputs.values() if isinstance(target, RemoteFile))
    if (first := next(sent, None)) is not None:
        first.outbox.give_up()


def _is_on_its_way(outcome: ImageOutcome) -> bool:
    return any(isinstance(target, RemoteFile) and target.is_on_its_way for target in outcome.outputs.values())


def _concluded(outcome: ImageOutcome) -> ImageOutcome:
    """Wait until its results have arrived, and do what is left to do for an image in its turn."""
    try:
        for target in outcome.outputs.values():
            if isinstance(target, RemoteFile):
                target.arrive()
        if outcome.written.last is not None:
            outcome.written.last()
    except NothingArrivesError:
        raise
    except GantoolError as error:
        return ImageOutcome(outcome.source, {}, error=_about(outcome, error))
    return replace(outcome, written=replace(outcome.written, last=None))


def _about(job: ImageJob | ImageOutcome, error: Exception) -> str:
    image = said(job.source)
    if isinstance(error, GantoolError):
        named = any(str(path) in str(error) for path in (image, *job.outputs.values()))
        return str(error) if named else f"{image}: {error}"
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return f"{image}: {line} (a smaller --tile may help)"
