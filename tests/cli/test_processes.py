"""What only real processes can show: several ranks, signals, kills, start-up."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file
from support import TINY

GANTOOL = [sys.executable, "-m", "gantool"]


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*GANTOOL, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    out, err = process.communicate(timeout=240)
    assert process.returncode == code, err
    assert "Traceback" not in err, err
    return out, err


def losses_of(run: Path) -> list[dict[str, float]]:
    return [json.loads(line)["losses"] for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "optimizer"), [("cyclegan", "sgd"), ("cyclegan", "adam"), ("cut", "sgd")])
def test_two_ranks_equal_one(method: str, optimizer: str, tmp_path: Path) -> None:
    """Ten steps with the same global batch.

    Training itself is chaotic: a change of the first weights by 1e-8 grows a hundredfold per step under ReLU and an
    absolute loss, in one process as well. Leaky ReLU, a squared loss and small steps keep that below the effect of
    a wrong average. Under Adam the losses are compared instead of the weights: biases in front of a norm have no
    gradient but rounding, and Adam turns that into whole steps.
    """
    own = {
        "cyclegan": ["--set", "train.pool_size=0", "--set", "loss.cycle_distance=mse"],
        "cut": ["--set", "model.projection_width=8", "--set", "loss.flip=true"],
    }[method]
    options = [
        "train", method, *TINY, "--set", "data.scenes=10", "--batch-size", "2", "--epochs", "2", *own,
        "--set", f"optimizer.name={optimizer}", "--set", "metrics.every=0", "--set", "train.samples_every=0",
        "--set", "train.ema=0", "--lr", "2e-5", "--set", "model.activation=leaky_relu",
    ]  # fmt: skip
    finish(start(tmp_path, *options, "--name", "one"))
    out, _ = finish(start(tmp_path, *options, "--name", "two", "--devices", "2"))
    assert out == "runs/two/model.safetensors\n", "only one of the processes speaks"
    for left, right in zip(losses_of(tmp_path / "runs/one"), losses_of(tmp_path / "runs/two"), strict=True):
        for name, value in left.items():
            assert right[name] == pytest.approx(value, rel=1e-3), name
    if optimizer == "sgd":
        one, two = (load_file(tmp_path / f"runs/{name}/model.safetensors") for name in ("one", "two"))
        # One image and two are rounded differently, which ten more steps would make ten thousand times as much.
        assert max(float((one[key] - two[key]).abs().max()) for key in one) <= 1e-5
        first = load_file(train_one_step(tmp_path, options))
        assert max(float((one[key] - first[key]).abs().max()) for key in one) > 2e-4, "they went somewhere"


def train_one_step(folder: Path, options: list[str]) -> Path:
    finish(start(folder, *options, "--set", "data.scenes=2", "--epochs", "1", "--lr", "1e-9", "--name", "first"))
    return folder / "runs/first/model.safetensors"


@pytest.mark.slow
def test_two_ranks_go_on_within_an_epoch(tmp_path: Path) -> None:
    """The losses of such an epoch are those of both ranks, too."""
    options = [
        "train", "cyclegan", *TINY, "--set", "data.scenes=8", "--batch-size", "2", "--epochs", "1", "--devices", "2",
        "--set", "train.save_steps=2", "--set", "metrics.every=0", "--set", "train.samples_every=0",
    ]  # fmt: skip
    (tmp_path / "cut.py").write_text(
        "import sys\n"
        "from gantool.cli.app import run\n"
        "from gantool.engine.loop import Trainer\n"
        "save = Trainer._save\n"
        "def cut(self, *args, **options):\n"
        "    self._stopping = True\n"
        "    return save(self, *args, **options)\n"
        "Trainer._save = cut\n"
        "if __name__ == '__main__':\n"
        "    sys.exit(run(sys.argv[1:]))\n"
    )
    finish(start(tmp_path, *options, "--name", "whole"))
    subprocess.run([sys.executable, "cut.py", *options, "--name", "cut"], cwd=tmp_path, check=True, timeout=240)
    assert not (tmp_path / "runs/cut/metrics.jsonl").exists()
    finish(start(tmp_path, "train", "--resume", "cut"))
    (whole,), (cut,) = losses_of(tmp_path / "runs/whole"), losses_of(tmp_path / "runs/cut")
    assert cut == pytest.approx(whole, rel=1e-9)


@pytest.mark.slow
def test_torchrun_and_another_number_of_devices(tmp_path: Path) -> None:
    options = ["train", "cyclegan", *TINY, "--batch-size", "2", "--epochs", "1"]
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "gantool",
    ]
    done = subprocess.run([*torchrun, *options], cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "runs/cyclegan-1/model.safetensors\n"
    _, err = finish(start(tmp_path, "train", "--resume", "latest", "--epochs", "2"))
    assert "another number of devices" in err


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_signals_save_first(number: signal.Signals, code: int, tmp_path: Path) -> None:
    process = start(tmp_path, "train", "cyclegan", *TINY, "--epochs", "2000", "--set", "train.samples_every=0")
    wait_for(tmp_path / "runs/cyclegan-1/metrics.jsonl")
    process.send_signal(number)
    _, err = finish(process, code)
    assert "gantool train --resume cyclegan-1" in err
    assert (tmp_path / "runs/cyclegan-1/checkpoints/last.pt").is_file()
    assert not list(tmp_path.rglob(".*.pt"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_job_saves_first(number: signal.Signals, tmp_path: Path) -> None:
    """As SLURM, systemd and a terminal send it, also to the processes that read images."""
    training = [*GANTOOL, "train", "cyclegan", *TINY, "--epochs", "2000", "--workers", "2"]
    process = subprocess.Popen(training, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(tmp_path / "runs/cyclegan-1/metrics.jsonl")
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 128 + number, err
    assert "gantool train --resume cyclegan-1" in err


def wait_for(path: Path, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not (path.exists() and path.stat().st_size):
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)


@pytest.mark.slow
def test_killed_at_a_random_moment_and_resumed(tmp_path: Path) -> None:
    options = [
        "train", "cyclegan", *TINY, "--epochs", "40", "--set", "train.save_steps=3", "--set", "train.pool_size=5",
        "--set", "metrics.every=0", "--set", "train.samples_every=0",
    ]  # fmt: skip
    finish(start(tmp_path, *options, "--name", "whole"))
    process = start(tmp_path, *options, "--name", "cut")
    wait_for(tmp_path / "runs/cut/checkpoints/last.pt")
    time.sleep(random.SystemRandom().uniform(0, 1))
    process.kill()
    process.communicate()
    finish(start(tmp_path, "train", "--resume", "cut"))
    whole, cut = ((tmp_path / f"runs/{name}/model.safetensors") for name in ("whole", "cut"))
    first, second = load_file(whole), load_file(cut)
    assert all(first[key].numpy().tobytes() == second[key].numpy().tobytes() for key in first)
    assert losses_of(whole.parent) == losses_of(cut.parent)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_log_on_a_full_disk_does_not_hide_the_run(tmp_path: Path) -> None:
    finish(start(tmp_path, "train", "cyclegan", *TINY, "--epochs", "1", "--name", "a"))
    (tmp_path / "runs/a/log.txt").unlink()
    (tmp_path / "runs/a/log.txt").symlink_to("/dev/full")
    finish(start(tmp_path, "train", "--resume", "a", "--epochs", "2"))


def test_help_does_not_import_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from gantool.cli.app import run; code = run(['train', '--help']); "
        "print(code, [m for m in ('torch', 'numpy', 'PIL', 'ruamel.yaml') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stderr.strip() == "0 []"
