"""Working through files: in order, in batches of one size, on one core each or on all of them, and past failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gantool.cores import is_on_one_core
from gantool.data.images import Picture
from gantool.errors import DataError, OutputError
from gantool.fetch.remote.addresses import Server
from gantool.fetch.remote.outbox import Outbox, RemoteFile
from gantool.files import put
from gantool.workflows.image_files import Sight, Work, Written, work_through
from gantool.workflows.image_jobs import ImageJob

WIDTHS = {"a": 4, "b": 4, "c": 4, "bad": 0, "d": 4, "wide": 9, "full": 4, "odd": 4}
JOBS = [ImageJob(Path(name), {"winter": Path(f"{name}.winter")}) for name in WIDTHS]


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


def look(job: ImageJob) -> Sight:
    width = WIDTHS[str(job.source)]
    if not width:
        raise DataError("no image.")
    return Sight((width, 3), 3 * width)


def read(job: ImageJob) -> Picture:
    if not WIDTHS[str(job.source)]:
        raise DataError(f"{job.source}: is not an image that can be read.")
    return Picture(np.zeros((3, WIDTHS[str(job.source)], 3), np.uint8), notes=("read",))


def write(job: ImageJob, picture: Picture, made: str) -> Written:
    if str(job.source) == "full":
        raise OutputError("no space left.")
    return Written((picture.pixels.shape[1], 3), (*picture.notes, made))


def simple(run: Callable[[str], object] = str, *, at_once: int = 99, size: int = 1) -> Work[Any]:
    """Work on images that are there, of ``size`` pixels."""
    return Work(
        lambda job: Sight((size, 1), size),
        lambda job: Picture(np.zeros((1, 1, 3), np.uint8)),
        lambda pairs: [run(str(job.source)) for job, _ in pairs],
        lambda job, picture, made: Written((1, 1), (str(made),)),
        lambda height, width: at_once,
    )


def jobs(count: int) -> list[ImageJob]:
    return [ImageJob(Path(f"{n:03d}"), {}) for n in range(count)]


@pytest.mark.parametrize("at_once", [1, 99])
@pytest.mark.parametrize("behind", [0, 1])
def test_order_batches_and_failures(behind: int, at_once: int) -> None:
    batches: list[list[str]] = []

    def run(pairs: Sequence[tuple[ImageJob, Picture]]) -> list[str]:
        batches.append([str(job.source) for job, _ in pairs])
        if "wide" in batches[-1]:
            raise RuntimeError("out of memory\nand more")
        return [f"made {job.source}" for job, _ in pairs]

    work = Work(look, read, run, write, lambda height, width: at_once, batch_size=2, behind=behind)
    done = list(work_through(JOBS, work))
    assert sorted(batches) == [["a", "b"], ["c"], ["d"], ["full", "odd"], ["wide"]]
    assert [str(item.source) for item in done] == list(WIDTHS)
    assert {str(item.source): item.error for item in done if item.error} == {
        "bad": "bad: is not an image that can be read.",
        "wide": "wide: out of memory (a smaller --tile may help)",
        "full": "full: no space left.",
    }
    assert done[0].written == Written((4, 3), ("read", "made a"))
    assert done[0].outputs == JOBS[0].outputs
    assert all(not item.outputs for item in done if item.error)


@pytest.mark.parametrize(("at_once", "images", "apart"), [(6, 9, True), (5, 9, False), (6, 1, False)])
def test_several_run_on_a_core_each_where_memory_suffices(at_once: int, images: int, apart: bool) -> None:
    here = threading.current_thread()
    together = threading.Barrier(2)

    def run(name: str) -> bool:
        if apart and int(name) < 8:
            together.wait(timeout=60)  # breaks unless two run at the same time
        assert (threading.current_thread() is not here) == apart
        return is_on_one_core()

    done = list(work_through(jobs(images), simple(run, at_once=at_once)))
    assert [(str(item.source), item.written.notes) for item in done] == [
        (f"{n:03d}", (str(apart),)) for n in range(images)
    ]
    assert not is_on_one_core()


def writes_files(run: Callable[[str], object] = str) -> Work[Any]:
    def write(job: ImageJob, picture: Picture, made: object) -> Written:
        for target in job.outputs.values():
            put(target, b"made")
        return Written((1, 1))

    return replace(simple(run), write=write)


def jobs_with_files(folder: Path, count: int) -> list[ImageJob]:
    return [ImageJob(Path(f"{n:03d}"), {kind: folder / f"{n:03d}.{kind}" for kind in "ab"}) for n in range(count)]


@pytest.mark.parametrize("together", [True, False])
def test_files_are_there_when_their_image_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    """However long the disk takes, for one file or for all that wait for it."""
    flushed: list[str] = []

    def flush(file: int) -> None:
        flushed.append(threading.current_thread().name)
        time.sleep(0.005)

    def flush_all(folder: int) -> int:
        flush(folder)
        return 0

    monkeypatch.setattr("os.fsync", flush)
    monkeypatch.setattr("gantool.files.flushing._system_call", lambda: flush_all if together else None)
    monkeypatch.setattr("gantool.files.flushing._is_known", lambda disk: True)
    computed: list[str] = []
    work = writes_files(lambda name: computed.append(threading.current_thread().name))
    for item in work_through(jobs_with_files(tmp_path, 30), work):
        assert not item.error
        assert all(path.read_bytes() == b"made" for path in item.outputs.values())
    assert (0 < len(flushed) <= 30) if together else len(flushed) == 60
    assert {*computed}.isdisjoint(flushed)
    assert len({*computed}) <= 2
    assert len([*tmp_path.iterdir()]) == 60


def test_one_file_that_cannot_be_written_is_its_images_error(tmp_path: Path) -> None:
    (tmp_path / "007.a").mkdir()
    done = list(work_through(jobs_with_files(tmp_path, 12), writes_files()))
    assert [str(item.source) for item in done if item.error] == ["007"]
    assert done[7].error.startswith(f"{tmp_path / '007.a'}: cannot be written (")
    assert not done[7].outputs
    assert len([*tmp_path.iterdir()]) == 23, "nothing of an image that was not written whole"


def test_whoever_stops_leaves_whole_files_only(tmp_path: Path) -> None:
    outcomes = work_through(jobs_with_files(tmp_path, 60), writes_files(lambda name: time.sleep(0.002)))
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    left = [*tmp_path.iterdir()]
    assert 2 <= len(left) < 120
    assert all(path.read_bytes() == b"made" and not path.name.startswith(".") for path in left)


def test_a_slow_image_keeps_the_others_waiting_and_no_more_than_a_few() -> None:
    begun: list[str] = []
    first = threading.Event()

    def run(name: str) -> str:
        begun.append(name)
        if name == "000":
            assert first.wait(timeout=60)
        return name

    results = work_through(jobs(100), simple(run))
    threading.Timer(0.3, first.set).start()
    assert str(next(results).source) == "000"
    assert 6 <= len(begun) <= 13, "six for each core, and one while the first is on its way to the disk"
    assert [str(item.source) for item in results] == [f"{n:03d}" for n in range(1, 100)]


@pytest.mark.parametrize(("size", "most"), [(1, 12), (10**7, 4), (10**8, 3)])
def test_the_pixels_under_way_are_bounded(size: int, most: int) -> None:
    under_way, seen = 0, []
    lock = threading.Lock()

    def begin(job: ImageJob) -> Picture:
        nonlocal under_way
        with lock:
            under_way += 1
            seen.append(under_way)
        return Picture(np.zeros((1, 1, 3), np.uint8))

    for _ in work_through(jobs(30), replace(simple(size=size), read=begin)):
        with lock:
            under_way -= 1
    assert max(seen) <= most + 1, "one more may have begun before the finished one is handed on"


def test_what_is_left_is_done_in_order_and_may_fail() -> None:
    order: list[str] = []

    def last(name: str) -> None:
        order.append(name)
        if name == "003":
            raise OutputError("no space left.")

    def slow_first(job: ImageJob, picture: Picture, made: str) -> Written:
        time.sleep(0.02 if made in ("000", "003") else 0)
        return Written((1, 1), last=lambda: last(made))

    done = list(work_through(jobs(9), replace(simple(), write=slow_first)))
    assert order == [f"{n:03d}" for n in range(9)]
    assert [item.error for item in done if item.error] == ["003: no space left."]
    assert all(item.written.last is None for item in done), "nothing of an image is kept"


@pytest.mark.parametrize("at_once", [1, 99])
@pytest.mark.parametrize("error", [KeyboardInterrupt, KeyError])
def test_nothing_is_begun_after_an_interruption(error: type[BaseException], at_once: int) -> None:
    begun: list[str] = []

    def read_and_note(job: ImageJob) -> Picture:
        begun.append(str(job.source))
        return Picture(np.zeros((1, 1, 3), np.uint8))

    def run(name: str) -> str:
        if name == "005":
            raise error
        return name

    with pytest.raises(error):
        list(work_through(jobs(200), replace(simple(run, at_once=at_once), read=read_and_note)))
    count = len(begun)
    assert count < 40
    time.sleep(0.05)
    assert len(begun) == count
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPool")]


def test_a_header_that_lies_about_the_size_changes_nothing() -> None:
    shapes: list[set[tuple[int, ...]]] = []

    def run(pairs: Sequence[tuple[ImageJob, Picture]]) -> list[str]:
        shapes.append({picture.pixels.shape for _, picture in pairs})
        return [str(job.source) for job, _ in pairs]

    odd = replace(
        simple(),
        run=run,
        batch_size=3,
        read=lambda job: Picture(np.zeros((1, int(job.source.name) % 2 + 1, 3), np.uint8)),
    )
    done = list(work_through(jobs(6), odd))
    assert [item.written.notes for item in done] == [(f"{n:03d}",) for n in range(6)]
    assert all(len(one) == 1 for one in shapes)


def sent(box: Outbox) -> tuple[list[ImageJob], Callable[[ImageJob, Picture, str], Written]]:
    """Images whose results go to an address."""

    def write(job: ImageJob, picture: Picture, made: str) -> Written:
        for target in job.outputs.values():
            assert isinstance(target, RemoteFile)
            target.write(made.encode())
        return Written((1, 1))

    return [ImageJob(Path(f"{n:03d}"), {"winter": box.file(f"{n:03d}.png")}) for n in range(100)], write


@pytest.mark.parametrize("at_once", [1, 99])
def test_results_are_sent_while_others_are_computed(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    going, run, arrived = threading.Event(), list[str](), list[str]()

    def slowly(_: Server, name: str, content: bytes, **__: Any) -> bool:
        assert going.wait(60)
        if name == "007.png":
            raise OutputError("memory://out/007.png: cannot be written.")
        arrived.append(name)
        return True

    def note(name: str) -> str:
        run.append(name)
        if len(run) == 60:
            going.set()  # so this ends only if sixty are computed before the first has arrived
        return name

    monkeypatch.setattr(Server, "write", slowly)
    some, write = sent(Outbox("memory://out"))
    done = []
    for item in work_through(some, replace(simple(note, at_once=at_once), write=write)):
        assert item.error or f"{item.source}.png" in arrived
        done.append(item)
    assert [str(item.source) for item in done] == [f"{n:03d}" for n in range(100)]
    assert [item.error for item in done if item.error] == ["memory://out/007.png: cannot be written."]


def test_nothing_is_sent_after_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def slowly(_: Server, name: str, content: bytes, **__: Any) -> bool:
        begun.append(name)
        time.sleep(0.02)
        return True

    monkeypatch.setattr(Server, "write", slowly)
    some, write = sent(Outbox("memory://out"))
    some[0] = replace(some[0], outputs={})  # as where --skip-existing has left all that there is of it
    results = work_through(some, replace(simple(), write=write))
    next(results)
    results.close()  # type: ignore[attr-defined]
    count = len(begun)
    time.sleep(0.1)
    assert len(begun) == count < 100
