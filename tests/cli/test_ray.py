"""``--engine ray``: files and answers as from one process, whoever died; most of it with a cluster's double."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image
from support import Cli

import gantool.cli.translate as translate_module
import gantool.workflows.evaluate as evaluate_module
from gantool.errors import OutputError
from gantool.workflows.evaluate import EvaluateOptions, parts_of_evaluation, run_share
from gantool.workflows.shares import ray_cluster, ray_tasks
from gantool.workflows.shares.parts import FOLDER, Parts
from gantool.workflows.shares.ray_tasks import Launch
from gantool.workflows.shares.ray_worker import ShareEnd, ShareTask, do_share
from gantool.workflows.shares.share import Share
from gantool.workflows.shares.tries import launch_folder

TO_WINTER = ("--to", "winter", "--model", "seasons", "--device", "cpu")


@pytest.fixture
def photos(workplace: Path) -> Path:
    rng = np.random.default_rng(0)
    for n in range(7):
        path = workplace / "photos" / f"p{n}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 40, 3), dtype=np.uint8)).save(path)
    return workplace / "photos"


def _files(folder: str | Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


class _Died(BaseException):
    """A worker, in the middle of a share."""


class _Double:
    """What `shares` uses of Ray, in this process: tasks run when they are waited for, the last one first."""

    class _Error(Exception):
        pass

    class _TaskError(_Error):
        cause: Exception | None = None

    exceptions = SimpleNamespace(RayError=_Error, RayTaskError=_TaskError)

    def __init__(self) -> None:
        self.cancelled: list[Any] = []
        self.options: dict[str, Any] = {}
        self.tries: list[str] = []

    def init(self, **options: Any) -> None:
        self.options |= options

    def shutdown(self) -> None:
        self.options["is_down"] = True

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 1.0}

    def put(self, value: Any) -> Any:
        return value

    def remote(self, *, max_retries: int, **needs: float) -> Any:
        def decorated(function: Callable[..., Any]) -> Any:
            def named(name: str) -> Any:
                return SimpleNamespace(remote=lambda *words: self._task(name, max_retries, function, words))

            return SimpleNamespace(options=named)

        return decorated

    def _task(self, name: str, retries: int, function: Callable[..., Any], words: tuple[Any, ...]) -> Any:
        def get() -> Any:
            for _ in range(retries + 1):
                self.tries.append(name)
                try:
                    return function(*words)
                except _Died:
                    continue
            raise self._Error("worker died")

        return get

    def wait(self, references: list[Any], *, timeout: float, num_returns: int = 1) -> tuple[list[Any], list[Any]]:
        return references[-1:], references[:-1]

    def get(self, reference: Any) -> Any:
        return reference()

    def cancel(self, reference: Any, *, force: bool) -> None:
        self.cancelled.append(reference)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> _Double:
    double = _Double()
    monkeypatch.setattr(ray_cluster, "require_ray", lambda: None)
    monkeypatch.setattr(ray_cluster, "import_module", lambda name: double)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return double


def _told(document: str, output: str = "one/") -> Any:
    told = json.loads(document.replace("all/", output))
    for entry in told["files"]:
        entry["seconds"] = 0
    return told


def test_shares_by_tasks_are_one_answer(cli: Cli, photos: Path, cluster: _Double) -> None:
    alone = cli("translate", photos, *TO_WINTER, "-o", "one/", "--json")
    outcome = cli("translate", photos, *TO_WINTER, "-o", "all/", "--json", "--engine", "ray", "--devices", "3")
    assert outcome.code == 0
    assert _told(outcome.out) == _told(alone.out) | {"shares": 3}
    assert _files("all") == _files("one")
    assert outcome.err.count("on cpu") == 1  # the first speaks for all
    assert "3 of 3 shares have ended." in outcome.err
    assert [path.name for path in Path("all").iterdir() if path.name[0] == "."] == []
    assert cluster.options["is_down"]
    assert cluster.options["address"] == "local"
    assert not cluster.options["include_dashboard"]
    assert cluster.cancelled == []


def test_a_dead_workers_share_is_done_again_and_nothing_else_replaced(
    cli: Cli, photos: Path, cluster: _Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--model", "landscape", "--outputs", "mask,coco", "--device", "cpu")
    cli("segment", photos, *options, "-o", "one/")
    hand_in, deaths = Parts.hand_in, []

    def dies_once(parts: Parts, tree: Any, stage: str = "part") -> None:
        if parts.share.place == 1 and not deaths:  # with all its files written
            deaths.append({path.name for path in Path("all").glob("*.png")})
            raise _Died
        hand_in(parts, tree, stage)

    monkeypatch.setattr(Parts, "hand_in", dies_once)
    outcome = cli("segment", photos, *options, "-o", "all/", "--engine", "ray", "--devices", "2")
    assert outcome.code == 0, outcome.err
    assert deaths[0]
    assert cluster.tries == ["gantool 2/2", "gantool 2/2", "gantool 1/2"]
    assert _files("all") == _files("one")
    # What was there before the command is nobody's, in whatever try.
    Path("all/p3.mask.png").write_bytes(b"dear")
    deaths.clear()
    refused = cli("segment", photos, *options, "-o", "all/", "--engine", "ray", "--devices", "2", "--json")
    assert refused.code == 2
    assert "exists already" in json.loads(refused.out)["error"]["message"]
    assert Path("all/p3.mask.png").read_bytes() == b"dear"


def test_one_share_alone_is_done_again_too(
    cli: Cli, photos: Path, cluster: _Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("translate", photos, *TO_WINTER, "-o", "one/")
    conclude = translate_module.conclude

    def dies_once(*words: Any) -> int:
        if len(cluster.tries) == 1:
            raise _Died
        return conclude(*words)

    monkeypatch.setattr(translate_module, "conclude", dies_once)
    outcome = cli("translate", photos, *TO_WINTER, "-o", "all/", "--engine", "ray", "--devices", "1")
    assert outcome.code == 0, outcome.err
    assert cluster.tries == ["gantool 1/1"] * 2
    assert _files("all") == _files("one")


def test_a_share_that_dies_every_time_is_given_up(
    cli: Cli, photos: Path, cluster: _Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(parts: Parts, tree: Any, stage: str = "part") -> None:
        raise _Died

    monkeypatch.setattr(Parts, "hand_in", dies)
    command = ("translate", photos, *TO_WINTER, "-o", "all/", "--engine", "ray", "--devices", "2", "--json")
    outcome = cli(*command)
    assert outcome.code == 1
    assert "error: share 2/2 was given up after 4 tries, as its worker died in each; what the others" in outcome.err
    assert json.loads(outcome.out)["error"]["message"].startswith("share 2/2 was given up")
    assert len(cluster.tries) == 8


def test_what_cannot_be_read_fails_as_without_a_cluster(cli: Cli, photos: Path, cluster: _Double) -> None:
    (photos / "p4.png").write_bytes(b"no picture")
    alone = cli("translate", photos, *TO_WINTER, "-o", "one/", "--json")
    outcome = cli("translate", photos, *TO_WINTER, "-o", "all/", "--json", "--engine", "ray")  # 4 for a core
    assert outcome.code == alone.code == 1
    assert _told(outcome.out) == _told(alone.out) | {"shares": 4}
    assert outcome.err.count("p4.png: is not an image") == 1


def test_what_all_find_out_is_told_once(cli: Cli, photos: Path, cluster: _Double) -> None:
    outcome = cli("translate", photos, *TO_WINTER, "--tile", "x", "-o", "all/", "--json", "--engine", "ray")
    assert outcome.code == 2
    assert len(cluster.tries) == 4
    assert outcome.err.count("--tile x: ") == 1
    assert json.loads(outcome.out)["error"]["kind"] == "UsageError"
    assert not Path("all").exists()


def test_models_are_found_before_a_cluster_and_seen_by_its_workers(
    cli: Cli, with_run: Path, photos: Path, cluster: _Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (
        ("translate", photos, "--to", "nowhere", "-o", "all/"),
        ("segment", photos, "--model", "nowhere", "-o", "all/"),
        ("evaluate", "seasons", "--segmenter", "nowhere", "-o", "all/"),
    ):
        outcome = cli(*words, "--engine", "ray", "--json")
        assert json.loads(outcome.out)["error"]["kind"] == "ModelError"
    assert not cluster.options and not Path("all").exists()
    seen: list[tuple[str, ...]] = []

    def note(run: Callable[[list[str]], int], task: ShareTask, stdin: bytes | None) -> ShareEnd:
        seen.append(task.seen[1:])  # after the folder of the launch
        return ShareEnd(0, 0)

    monkeypatch.setattr(ray_tasks, "do_share", note)
    run = str(Path("runs/cyclegan-1/model.safetensors").absolute())
    for words, files in (
        (("translate", photos, "--to", "winter", "-o", "all/"), (run, str(photos))),
        (("translate", photos, "--to", "winter", "-o", "all/", "--model", "seasons"), (str(photos),)),
        (("evaluate", "cyclegan", "--segmenter", "landscape"), (run,)),
    ):
        cli(*words, "--engine", "ray", "--devices", "1")
        assert seen.pop() == files


def test_paths_on_standard_input_reach_every_task(
    cli: Cli, photos: Path, cluster: _Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Path("list.txt")
    listed.write_text("".join(f"{path}\n" for path in sorted(photos.iterdir())))
    with listed.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        outcome = cli("translate", "--files-from", "-", *TO_WINTER, "-o", "all/", "--engine", "ray", "-q")
    assert outcome.code == 0
    assert sorted(outcome.out.split()) == sorted(f"all/p{n}.winter.png" for n in range(7))


def test_measured_by_tasks(cli: Cli, photos: Path, cluster: _Double) -> None:
    rng = np.random.default_rng(1)
    for n in range(5):
        for name in ("predicted", "truth"):
            Path(name).mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 3, (16, 16), dtype=np.uint8)).save(f"{name}/{n}.png")
    folders = ("evaluate", "--predicted", "predicted", "--truth", "truth")
    assert cli(*folders, "-o", "one").code == 0
    assert cli(*folders, "-o", "all", "--engine", "ray", "--devices", "3").code == 0
    assert _files("all") == _files("one")
    assert cli(*folders, "-o", "all", "--engine", "ray").code == 2  # exists already


@pytest.mark.parametrize("shares", ["1", "2"])
@pytest.mark.parametrize("leave", [(), ("--skip-existing",)])
def test_who_dies_while_the_evaluation_is_written_is_followed(
    cli: Cli, photos: Path, cluster: _Double, shares: str, leave: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = ("evaluate", "--generated", photos, "--real", photos)
    cli(*folders, "-o", "one")
    write, deaths = evaluate_module.write_evaluation, []

    def dies_once(evaluation: Any, folder: Path) -> Any:
        if not deaths:  # with its first file written
            deaths.append(folder)
            (folder / "evaluation.json").write_text("{}")
            raise _Died
        return write(evaluation, folder)

    monkeypatch.setattr(evaluate_module, "write_evaluation", dies_once)
    outcome = cli(*folders, "-o", "all", "--engine", "ray", "--devices", shares, *leave)
    assert outcome.code == 0, outcome.err
    assert deaths
    assert len(cluster.tries) == int(shares) + 1
    assert _files("all") == _files("one")


def test_who_is_tried_again_when_all_is_done_finds_that(photos: Path) -> None:
    first, second = (
        EvaluateOptions(
            (), predicted=photos, truth=photos, output=Path("all"), overwrite=False, share=Share(n, 2, "ray", "job")
        )
        for n in range(2)
    )

    def done(options: EvaluateOptions) -> bool:
        return run_share(parts_of_evaluation(options), options, lambda what, done, total: None) is not None

    for path in photos.iterdir():
        Image.new("L", (16, 16), 1).save(path)
    with launch_folder(Path("all"), "job"):
        assert [done(second), done(first)] == [False, True]
        before = _files("all")
        assert not done(second)
        assert _files("all") == before
    with pytest.raises(OutputError, match="exists already"):
        done(second)


def test_ctrl_c_cancels_what_waits(cli: Cli, photos: Path, cluster: _Double, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(reference: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster, "get", interrupted)
    monkeypatch.setattr(ray_tasks, "_PATIENCE", 0.0)
    outcome = cli("translate", photos, *TO_WINTER, "-o", "all/", "--engine", "ray", "--devices", "3", "--json")
    assert outcome.code == 130
    assert json.loads(outcome.out)["error"]["kind"] == "Interrupted"
    assert len(set(cluster.cancelled)) == 2  # the third one had ended
    assert cluster.options["is_down"]
    assert not Path("all").exists()


def test_without_ray_its_extra_is_named(cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "ray" else find(name, *more))
    outcome = cli("translate", photos, *TO_WINTER, "-o", "all/", "--engine", "ray")
    assert outcome.code == 2
    assert 'needs Ray, which is not installed. Install it: pip install "gantool[ray]".' in outcome.err
    assert not Path("all").exists()
    dry = cli("translate", photos, *TO_WINTER, "-o", "all/", "--engine", "ray", "--dry-run")
    assert dry.code == 0  # which needs none
    assert len(dry.out.split()) == 7


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("translate photos --engine rai", '--engine rai: there is no such engine. Did you mean "ray"?'),
        ("translate photos --engine ray --shard 1/2", "--engine and --shard both divide the work."),
        ("translate photos --engine ray -o x.png", "-o x.png: names one file, which has no shares. Name a folder."),
        ("translate photos --engine ray -o -", "-o -: standard output takes one picture, which has no shares."),
        (
            "translate photos --engine ray -o memory://all",
            "-o memory://all: shares that may be tried again need a folder",
        ),
        ("translate photos --engine ray --devices 20000", "with --engine there can be 1 to 10000 shares."),
        ("translate clip.gif --engine ray", "clips have no shares. Leave --engine out."),
        ("segment photos --engine ray --rank uncertainty", "rankings have no shares. Leave --engine out."),
    ],
)
def test_what_tasks_cannot_do(
    cli: Cli, photos: Path, cluster: _Double, command: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "blue")]
    frames[0].save("clip.gif", save_all=True, append_images=frames[1:])
    to = ("--to", "winter") if command.startswith("translate") else ()
    outcome = cli(*command.split(), *to)
    assert outcome.code == 2
    assert sentence in outcome.err
    assert not cluster.options


def test_torchrun_divides_already(cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    outcome = cli("translate", photos, *TO_WINTER, "-o", "all/", "--engine", "ray")
    assert outcome.code == 2
    assert "--engine ray: torchrun divides the work already." in outcome.err


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_an_address_where_nothing_is(
    cli: Cli, photos: Path, cluster: _Double, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    outcome = cli("translate", photos, *TO_WINTER, "-o", "all/", "--engine", "ray")
    assert outcome.code == 2
    assert f"--engine ray: no Ray cluster answers at {address} (" in outcome.err
    assert not Path("all").exists()


def test_a_worker_tells_what_it_does_not_see(tmp_path: Path) -> None:
    def never(arguments: list[str]) -> int:
        raise AssertionError

    far = ShareTask(("translate",), "2/4:job:ray", ray_tasks.__version__, "/", (str(tmp_path / "photos"),))
    end = do_share(never, far, None)
    assert (end.place, end.code) == (1, 2)
    assert f"{tmp_path}/photos: Ray's worker on " in end.err
    assert "Inputs, models and -o have to be on a disk that all machines of the cluster share." in end.err
    old = ShareTask(("translate",), "1/4:job:ray", "0.0.1", "/", ())
    assert "this is 0.0.1. Install one version on all." in do_share(never, old, None).err


def test_results_that_cannot_be_written_start_nothing(workplace: Path, cluster: _Double) -> None:
    Path("file").write_text("")
    with (
        pytest.raises(OutputError, match=r"file/out: cannot be written"),
        ray_tasks.tasks_on_ray(lambda arguments: 0, Launch((), Path("file/out"))),
    ):
        pass
    assert not cluster.options


def _until(find: Callable[[], list[Any]], process: subprocess.Popen[str]) -> list[Any]:
    deadline = time.monotonic() + 120
    while not (found := find()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    return found


def _workers(process: subprocess.Popen[str], share: str) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            found += [child] if child.cmdline()[:1] == [f"ray::gantool {share}"] else []
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["death", "ctrl-c"])
def test_a_real_cluster(workplace: Path, photos: Path, ending: str) -> None:
    """Two workers, or one a core; the one that is killed has written a part of its share."""
    pytest.importorskip("ray")
    big = np.random.default_rng(1).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    for n in range(12):
        Image.fromarray(np.roll(big, n, axis=1)).save(photos / f"q{n}.png")
    command = [sys.executable, "-m", "gantool", "translate", str(photos), *TO_WINTER, "--json", "-o"]
    one = subprocess.run([*command, "one/"], capture_output=True, text=True, check=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    process = subprocess.Popen(
        [*command, "all/", "--engine", "ray", "--devices", "3"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    mine = [f"q{n}.winter.png" for n in range(12) if Share(1, 3).takes(f"q{n}.x")]
    assert len(mine) > 2
    _until(lambda: [name for name in mine if Path("all", name).exists()], process)
    if ending == "death":
        (worker,) = _workers(process, "2/3")
        assert not all(Path("all", name).exists() for name in mine)
        worker.kill()
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert _told(out) == _told(one.stdout) | {"shares": 3}
        assert _files("all") == _files("one")
    else:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert json.loads(out)["error"]["kind"] == "Interrupted"
        assert not list(Path("all", FOLDER).glob("launch-*"))
        there = _files("all")
        assert {name: data for name, data in _files("one").items() if name in there}.items() <= there.items()
    assert not any(word in err for word in ("raylet", "Traceback", "GCS", "WARNING", "usage"))
