"""Work that helper processes do."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantool.data.inspect import inspect_image, inspect_images
from gantool.data.parallel import helpers
from gantool.data.parallel.helpers import in_order_by_helpers
from gantool.files import atomic


def tells_its_process(number: int) -> tuple[int, int]:
    return number, os.getpid()


def refuses_twenty(number: int) -> int:
    if number == 20:
        raise ValueError("twenty")
    return number


def dies_elsewhere(number: int) -> int:
    if number == 9 and os.getppid() == int(os.environ["GANTOOL_TEST_PARENT"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def warns_of_nine(number: int) -> int:
    if number == 9:
        logging.getLogger("gantool").warning("%s is nine", number)
    print("not an answer")
    return number


def takes_long(number: int) -> int:
    if number > 16:
        time.sleep(60)
    return number


def writes(path: Path) -> Path:
    with atomic(path) as temporary:
        temporary.write_text(path.name)
    return path


def calls(function: Callable[[], int]) -> int:
    return function()


@pytest.fixture(autouse=True)
def two_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helpers, "LEAST", 10)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("GANTOOL_TEST_PARENT", str(os.getpid()))


def test_two_processes_work_and_results_are_in_order() -> None:
    found = list(in_order_by_helpers(tells_its_process, range(100), ()))
    assert [number for number, _ in found] == list(range(100))
    assert len({process for _, process in found}) == 2
    assert os.getpid() not in {process for _, process in found}


@pytest.mark.parametrize(("items", "threads"), [(9, "2"), (100, "1")])
def test_few_items_and_one_core_need_none(items: int, threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert {process for _, process in in_order_by_helpers(tells_its_process, range(items), ())} == {os.getpid()}


def test_an_error_is_raised_here_and_what_was_before_it_comes() -> None:
    found = []
    with pytest.raises(ValueError, match="twenty"):
        for number in in_order_by_helpers(refuses_twenty, range(100), ()):
            found.append(number)
    assert found == list(range(16)), "those that were asked for together with it are not"


def test_what_cannot_be_sent_is_worked_on_here() -> None:
    functions = [partial(int, n) if n < 50 else lambda n=n: -n for n in range(70)]
    assert list(in_order_by_helpers(calls, functions, ())) == [*range(50), *range(-50, -70, -1)]


def test_files_that_helpers_write_are_there(tmp_path: Path) -> None:
    found = in_order_by_helpers(writes, [tmp_path / f"{n}" for n in range(40)], ())
    for path in found:
        assert path.read_text() == path.name


@pytest.mark.skipif(os.name == "nt", reason="kills by a signal")
def test_a_helper_that_dies_costs_nothing() -> None:
    assert list(in_order_by_helpers(dies_elsewhere, range(100), ())) == list(range(100))


def test_without_a_python_to_run_threads_do_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for program in (str(tmp_path / "none"), ""):
        monkeypatch.setattr("sys.executable", program)
        assert {process for _, process in in_order_by_helpers(tells_its_process, range(20), ())} == {os.getpid()}


def test_what_is_logged_there_is_logged_here_and_what_is_printed_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    assert list(in_order_by_helpers(warns_of_nine, range(20), ())) == list(range(20))
    assert [record.getMessage() for record in caplog.records] == ["9 is nine"]


def test_whoever_stops_waits_for_nothing() -> None:
    begun = time.monotonic()
    for number in in_order_by_helpers(takes_long, range(100), ()):
        if number == 7:
            break
    assert time.monotonic() - begun < 30


def test_images_are_inspected_alike(tmp_path: Path) -> None:
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:02d}.png")
    (tmp_path / "07.png").write_bytes(b"no image")
    paths = sorted(tmp_path.iterdir())
    found = list(inspect_images(paths))
    assert found == [inspect_image(path) for path in paths]
    assert [bool(one.problem) for one in found].index(True) == 7


def test_files_in_shards_are_left_to_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helpers, "is_member", lambda path: path.name == "b.jpg")
    for name, here in (("a.jpg", False), ("b.jpg", True)):
        found = in_order_by_helpers(tells_its_process, range(20), [tmp_path / "a.jpg", tmp_path / name])
        assert ({process for _, process in found} == {os.getpid()}) is here
