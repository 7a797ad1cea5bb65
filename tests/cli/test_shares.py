"""One command as several processes: the same files and numbers as from one, whoever started them, whoever died."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image
from support import Cli

from gantool.data.sample import draw_scene
from gantool.workflows.prepare import looking
from gantool.workflows.shares import parts as parts_module
from gantool.workflows.shares.parts import FOLDER, Parts
from gantool.workflows.shares.share import OWN_SHARE, Share

TO_WINTER = ("--to", "winter", "--model", "seasons", "--device", "cpu")


@pytest.fixture
def photos(workplace: Path) -> Path:
    rng = np.random.default_rng(0)
    for n in range(9):
        path = workplace / "photos" / ("more" if n % 3 == 0 else "") / f"p{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 40, 3), dtype=np.uint8)).save(path)
    return workplace / "photos"


def _files(folder: str | Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()
    }


def _without_times(document: dict[str, Any], shares: int, renamed: tuple[str, str]) -> dict[str, Any]:
    """What one process would have said."""
    document = json.loads(json.dumps(document).replace(*renamed))
    assert document.pop("shares") == shares
    for entry in document["files"]:
        entry["seconds"] = 0
    return document


def _alone(cli: Cli, *arguments: str | Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(cli(*arguments, "--json").out)
    for entry in document["files"]:
        entry["seconds"] = 0
    return document


@pytest.mark.parametrize("count", [2, 4])
def test_translated_in_shares(cli: Cli, photos: Path, count: int) -> None:
    alone = _alone(cli, "translate", photos, "-r", *TO_WINTER, "-o", "one/")
    written: list[str] = []
    for number in reversed(range(1, count + 1)):
        outcome = cli("translate", photos, "-r", *TO_WINTER, "-o", "all/", "--json", "--shard", f"{number}/{count}")
        assert outcome.code == 0
        document = json.loads(outcome.out)
        if number > 1:
            assert document["share"] == f"{number}/{count}"
            assert f"Share {number}/{count} is done; still to come: 1" in outcome.err
            written += [entry["input"] for entry in document["files"]]
    assert _files("all") == _files("one")
    assert _without_times(document, count, ("all/", "one/")) == alone
    assert len(set(written)) == len(written)  # none twice


@pytest.mark.parametrize("launcher", ["torchrun", "srun"])
def test_under_a_launcher_one_speaks_for_all(
    cli: Cli, photos: Path, launcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = _alone(cli, "translate", photos, "-r", *TO_WINTER, "-o", "one/")
    names = {
        "torchrun": ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
        "srun": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
    }
    monkeypatch.setenv("SLURM_STEP_ID", "0")
    outcomes = []
    for place in (1, 0, 2):
        for name, value in zip(names[launcher], (place, 3, place), strict=True):
            monkeypatch.setenv(name, str(value))
        outcomes.append(cli("translate", photos, "-r", *TO_WINTER, "-o", "all/", "--json"))
        assert outcomes[-1].code == 0
    assert [bool(outcome.out) for outcome in outcomes] == [False, False, True]
    assert outcomes[0].err == ""
    assert f"share 1/3 ({launcher})" in outcomes[1].err
    assert _without_times(json.loads(outcomes[2].out), 3, ("all/", "one/")) == alone
    assert _files("all") == _files("one")


def test_an_array_of_jobs_does_not_make_a_plain_command_a_part(
    cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in (("ID", "2"), ("MIN", "1"), ("MAX", "3"), ("COUNT", "3")):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{key}", value)
    assert len(cli("translate", photos, "-r", *TO_WINTER, "-o", "all/").out.splitlines()) == 9
    own = cli("translate", photos, "-r", *TO_WINTER, "-o", "part/", "--shard", "auto")
    assert 0 < len(own.out.splitlines()) < 9
    assert "share 2/3" in own.err


def test_devices_starts_processes_that_need_no_torch(
    cli: Cli, photos: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = _alone(cli, "translate", photos, "-r", *TO_WINTER, "-o", "one/")
    blocked = workplace / "blocked" / "torch"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ImportError('torch is not wanted here')")
    monkeypatch.setenv("PYTHONPATH", f"{blocked.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    listed = "\n".join(str(path) for path in sorted(photos.rglob("*.png")))
    command = ["translate", "--files-from", "-", *TO_WINTER, "-o", "all/", "--json", "--devices", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "gantool", *command],
        input=listed, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert sorted(path.read_bytes() for path in Path("all").iterdir()) == sorted(_files("one").values())
    assert len(json.loads(done.stdout)["files"]) == len(alone["files"])
    assert done.stderr.count("on cpu") == 1  # one speaks for both


@pytest.mark.slow
def test_a_killed_process_and_a_second_run_end_alike(cli: Cli, photos: Path) -> None:
    cli("translate", photos, "-r", *TO_WINTER, "-o", "one/")
    big = np.random.default_rng(1).integers(0, 256, (1200, 1600, 3), dtype=np.uint8)
    for n in range(6):  # time to be killed in
        Image.fromarray(np.roll(big, n, axis=1)).save(photos / f"q{n}.png")
    process = subprocess.Popen(
        [sys.executable, "-m", "gantool", "translate", photos, "-r", *TO_WINTER, "-o", "all/", "--shard", "2/2"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()  # the first result is there
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    for n in range(6):
        (photos / f"q{n}.png").unlink()
    for path in Path("all").glob("q*.png"):
        path.unlink()
    again = [
        cli("translate", photos, "-r", *TO_WINTER, "-o", "all/", "--shard", f"{n}/2", "--skip-existing")
        for n in (1, 2)
    ]
    assert [outcome.code for outcome in again] == [0, 0]
    assert _files("all") == _files("one")


def test_a_share_is_one_writers(cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "_PATIENCE", 0.0)
    cli("translate", photos, "-r", *TO_WINTER, "-o", "all/", "--shard", "1/2")
    (folder,) = (Path("all") / FOLDER).iterdir()
    parts = Parts(Share(0, 2), Path("all"), "?")
    parts.folder = folder
    with parts.working():
        outcome = cli("translate", photos, "-r", *TO_WINTER, "-o", "all/", "--shard", "1/2", "--overwrite")
        assert outcome.code == 2
        assert outcome.err.count("error: all: share 1/2 is being done by process") == 1
        assert cli("translate", photos, "-r", *TO_WINTER, "-o", "all/", "--shard", "2/2").code == 0


def test_two_images_of_one_result_are_seen_by_a_share(cli: Cli, photos: Path) -> None:
    Image.open(photos / "p1.png").save(photos / "p1.jpg")
    codes = [
        cli("segment", photos, "--model", "landscape", "-o", "all/", "--outputs", "mask", "--shard", f"{n}/3").code
        for n in (1, 2, 3)
    ]
    assert sorted(codes) == [0, 0, 2]


def test_a_bad_image_fails_its_share_only(cli: Cli, photos: Path) -> None:
    (photos / "p4.png").write_bytes(b"no picture")
    outcomes = [
        cli("translate", photos, "-r", *TO_WINTER, "-o", "all/", "--json", "--shard", f"{n}/2") for n in (1, 2)
    ]
    assert sorted(outcome.code for outcome in outcomes) == [0, 1]
    whole = json.loads(outcomes[-1].out)
    assert len(whole["files"]) == 8
    assert [entry["input"] for entry in whole["failed"]] == [str(photos / "p4.png")]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--shard", "5/4"), "--shard 5/4: there are 4 shares, 1/4 to 4/4."),
        (("--shard", "1/2", "--devices", "2"), "--devices and --shard both divide the work. Leave one of them out."),
        (("--devices", "5000"), "--devices 5000: there can be 1 to 1024 processes."),
        (("--shard", "1/2", "-o", "-"), "-o -: standard output takes one picture, which has no shares."),
        (("--shard", "1/2", "-o", "x.png"), "-o x.png: names one file, which has no shares. Name a folder."),
    ],
)
def test_no_such_share(
    cli: Cli, photos: Path, arguments: tuple[str, ...], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    outcome = cli("translate", photos, "-r", *TO_WINTER, *arguments)
    assert outcome.code == 2
    assert sentence in outcome.err
    assert outcome.err.count("error:") == 1


def test_segmented_in_shares(cli: Cli, photos: Path) -> None:
    options = ("--model", "landscape", "--outputs", "mask,coco", "--device", "cpu")
    alone = _alone(cli, "segment", photos, "-r", *options, "-o", "one/")
    for number in (3, 1, 2):
        outcome = cli("segment", photos, "-r", *options, "-o", "all/", "--shard", f"{number}/3", "--json")
    assert _files("all") == _files("one")
    assert "mean over 9 images" in outcome.err
    assert _without_times(json.loads(outcome.out), 3, ("all/", "one/")) == alone
    refused = cli("segment", photos, "-r", *options, "--rank", "uncertainty", "--shard", "1/2")
    assert refused.code == 2
    assert "--rank puts all images in one order, which has no shares." in refused.err


def _pairs(folder: Path, count: int) -> None:
    for n in range(count):
        scene = draw_scene(n, size=32)
        for split in ("train", "test"):
            for name, pixels in (("summer", scene.summer), ("winter", scene.winter)):
                path = folder / split / name / f"{n:03d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)


def test_evaluated_in_shares(cli: Cli, workplace: Path) -> None:
    _pairs(workplace / "pairs", 7)
    (workplace / "pairs/test/summer/003.png").write_bytes(b"no picture")
    options = ("evaluate", "seasons", "--data", "pairs", "--device", "cpu", "--to", "winter")
    assert cli(*options, "-o", "one").code == 1  # one cannot be read
    codes = [cli(*options, "-o", "all", "--shard", f"{n}/3").code for n in (2, 3)]
    assert codes == [0, 0]
    again = cli(*options, "-o", "all", "--shard", "3/3", "-v")  # as after a restart
    assert "still to come: 1" in again.err
    last = cli(*options, "-o", "all", "--shard", "1/3", "--json")
    assert last.code == 1
    assert _files("all") == _files("one")
    assert json.loads(last.out) == json.loads(Path("one/evaluation.json").read_text())


def test_a_measured_share_is_measured_again_if_anything_has_changed(cli: Cli, workplace: Path) -> None:
    for name in ("made", "real"):
        _pairs(workplace / name, 3)
    folders = ("evaluate", "--generated", "made/test/winter", "--real", "real/test/summer", "-o", "all", "--paired")
    assert cli(*folders, "--shard", "2/2").code == 0
    (part,) = Path("all", FOLDER).rglob("part-2.npz")
    before = part.stat().st_mtime_ns
    cli(*folders, "--shard", "2/2")
    assert part.stat().st_mtime_ns == before
    draw = Image.fromarray(draw_scene(99, size=32).winter)
    draw.save("made/test/winter/000.png")
    cli(*folders, "--shard", "2/2")
    assert part.stat().st_mtime_ns > before
    draw.resize((64, 64)).save("made/test/winter/001.png")
    draw.resize((64, 64)).save("real/test/summer/001.png")
    late = cli(*folders, "--shard", "1/2")
    assert late.code == 2
    assert "Share 2 has measured other files than there are now. Run the shares again, all of them." in late.err
    assert cli(*folders, "--shard", "2/2").code == 0
    assert cli(*folders[:6], "one", *folders[7:]).code == 0
    assert _files("all") == _files("one")


@pytest.mark.parametrize("kind", ["pictures", "masks"])
def test_folders_compared_in_shares(cli: Cli, workplace: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    for n in range(6):
        for name in ("one side", "other"):
            path = workplace / name / f"{n}.png"
            path.parent.mkdir(exist_ok=True)
            if kind == "pictures":
                Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
            else:
                Image.fromarray(rng.integers(0, 5 if n == 4 else 3, (16, 16), dtype=np.uint8)).save(path)
    options = {
        "pictures": ("--generated", "one side", "--real", "other", "--paired"),
        "masks": ("--predicted", "one side", "--truth", "other"),
    }
    assert cli("evaluate", *options[kind], "-o", "one").code == 0
    for number in (1, 4, 2, 3):
        assert cli("evaluate", *options[kind], "-o", "all", "--shard", f"{number}/4").code == 0
    assert _files("all") == _files("one")


def test_evaluate_names_the_launcher_and_tells_of_missing_locks(
    cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pairs(workplace / "pairs", 2)
    folders = ("evaluate", "--generated", "pairs/test/winter", "--real", "pairs/test/summer", "-o", "all", "--paired")
    monkeypatch.setattr(parts_module, "locked", lambda path, what, busy: contextlib.nullcontext(False))
    Path("all", FOLDER).mkdir(parents=True)  # which taking a lock makes
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    said = cli(*folders)
    assert said.code == 0 and "share 1/2 (torchrun)" in said.err, said.err
    assert "no locks; make sure that nothing else writes to share 1/2 of all meanwhile" in said.err


def test_a_dry_run_of_a_share_of_prepare_writes_nothing(cli: Cli, workplace: Path) -> None:
    _pairs(workplace / "pairs", 2)
    before = _files(workplace)
    options = ("prepare", "pairs", "--as", "paired", "--dry-run")
    whole = cli(*options, "--json")
    part = cli(*options, "--json", "--shard", "1/2")
    assert (part.code, part.out) == (0, whole.out), part.err
    assert _files(workplace) == before and not Path("data").exists()
    refused = cli(*options, "--shards", "--shard", "1/2")
    assert refused.code == 2 and "--shards are written by one process" in refused.err


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_PATIENCE", {True: 0.0, False: 0.0})


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("count", [2, 4])
def test_prepared_in_shares(cli: Cli, workplace: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for n in range(10):
        for domain in ("summer", "winter"):
            path = workplace / "photos" / domain / f"{domain}{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    (workplace / "photos/summer/bad.png").write_bytes(b"no picture")
    options = ("prepare", "photos", "--drop-duplicates", "--json")
    alone = cli(*options, "-o", "one/set")
    for number in range(count, 0, -1):
        outcome = cli(*options, "-o", "all/set", "--shard", f"{number}/{count}")
    assert outcome.code == alone.code
    assert json.loads(outcome.out) == json.loads(alone.out.replace("one/", "all/"))
    assert _files("all") == _files("one")


@pytest.mark.usefixtures("_impatient")
def test_labels_prepared_in_shares(cli: Cli, workplace: Path) -> None:
    rng = np.random.default_rng(0)
    for n in range(5):
        for kind in ("images", "masks"):
            path = workplace / "set" / kind / f"{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            if kind == "masks":
                pixels = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)[rng.integers(0, 2, (40, 40))]
                pixels[0, n] = (250, 2, 3)  # moved to the nearest class, of which there is a remark
            Image.fromarray(pixels).save(path)
    Path("classes.txt").write_text("red,255,0,0\ngreen,0,255,0\n")
    options = ("prepare", "set", "--classes", "classes.txt", "--tile", "16", "--json")
    alone = cli(*options, "-o", "one/set")
    assert alone.code == 0
    for number in (1, 2, 3):
        outcome = cli(*options, "-o", "all/set", "--shard", f"{number}/3")
    assert json.loads(outcome.out) == json.loads(alone.out.replace("one/", "all/"))
    assert "moved to the nearest class" in outcome.out
    assert _files("all") == _files("one")
    looked = [cli(*options, "--check", "--shard", f"{number}/2") for number in (1, 2)]
    assert json.loads(looked[0].out)["share"] == "1/2"
    assert json.loads(looked[1].out)["tiles"] == {}
    assert not Path(FOLDER).exists() and not Path("data").exists()
    refused = cli("prepare", "classes.txt", "--shard", "1/2")
    assert refused.code == 2
    assert "shares are of the images in a folder" in refused.err


@pytest.mark.slow
def test_prepare_with_devices_and_a_killed_process(workplace: Path) -> None:
    """Nobody waits for the dead one, whose lock is not held any more; another try completes the set."""
    rng = np.random.default_rng(0)
    for n in range(60):
        for domain in ("summer", "winter"):
            path = workplace / "photos" / domain / f"{domain}{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)

    def prepare(output: str, *more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "gantool", "prepare", "photos", "-q", "-o", output, *more])

    first = prepare("all/set", "--shard", "1/2")
    while not list(Path("all").rglob("1.lock")) if Path("all").exists() else True:
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    both = [prepare("all/set", "--shard", f"{n}/2") for n in (1, 2)]
    assert [process.wait() for process in both] == [0, 0]
    assert prepare("one/set").wait() == 0
    assert prepare("more/set", "--devices", "2").wait() == 0
    assert _files("all") == _files("one") == _files("more")
    assert [path.name for path in Path("all").iterdir()] == ["set"]


@pytest.mark.slow
def test_torchrun(workplace: Path, photos: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "gantool"]
    command = ["translate", str(photos), "-r", *TO_WINTER, "--json", "-o"]
    one = subprocess.run(
        [sys.executable, "-m", "gantool", *command, "one/"], capture_output=True, text=True, check=True
    )
    both = subprocess.run([*torchrun, *command, "all/"], capture_output=True, text=True, check=True, timeout=300)
    assert _files("all") == _files("one")
    assert len(json.loads(both.stdout)["files"]) == len(json.loads(one.stdout)["files"])
    _pairs(workplace / "pairs", 5)
    measure = ["evaluate", "seasons", "--data", "pairs", "--device", "cpu", "--to", "winter", "-o"]
    subprocess.run([sys.executable, "-m", "gantool", *measure, "alone"], capture_output=True, check=True)
    subprocess.run([*torchrun, *measure, "together"], capture_output=True, check=True, timeout=300)
    assert _files("together") == _files("alone")


@pytest.mark.slow
def test_a_killed_process_of_devices_takes_nothing_with_it(workplace: Path, photos: Path) -> None:
    big = np.random.default_rng(1).integers(0, 256, (1200, 1600, 3), dtype=np.uint8)
    for n in range(8):
        Image.fromarray(np.roll(big, n, axis=1)).save(photos / f"q{n}.png")
    command = [sys.executable, "-m", "gantool", "translate", photos, "-r", *TO_WINTER, "-o"]
    subprocess.run([*command, "one/"], check=True, capture_output=True)
    process = subprocess.Popen(
        [*command, "all/", "--devices", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    (second,) = _until(
        lambda: [child for child in psutil.Process(process.pid).children() if _share_of(child) == "2/2"]
    )
    second.kill()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "share 2/2 was ended by signal 9; what the others do stays." in said
    assert set(_files("all")) > {
        path for path in _files("one") if Share(0, 2).takes(path.replace(".winter.png", ".x"))
    }
    subprocess.run([*command, "all/", "--devices", "2", "--skip-existing"], check=True, capture_output=True)
    assert _files("all") == _files("one")


def _share_of(process: psutil.Process) -> str:
    try:
        return process.environ().get(OWN_SHARE, "").partition(":")[0]
    except psutil.Error:
        return ""


def _until(find: Callable[[], list[Any]]) -> list[Any]:
    deadline = time.monotonic() + 60
    while not (found := find()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found
