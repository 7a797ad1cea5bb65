"""What several test modules share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GOLDEN = (HERE / "golden", HERE.parent.parent / "shared" / "golden")
REAL_DATA = Path(os.environ.get("GANTOOL_TEST_DATA", HERE.parent.parent / "shared" / "data"))

# A training that takes a second.
TINY = [
    "--set", "model.width=4", "--set", "model.discriminator=n_layers", "--set", "model.discriminator_layers=1",
    "--set", "model.discriminator_width=4", "--set", "data.scenes=4", "--set", "data.test_scenes=2",
    "--set", "data.load_size=32", "--crop", "32", "--precision", "fp32", "--device", "cpu",
]  # fmt: skip

# And one of a segmenter.
SEGMENTER_TINY = [
    "--set", "model.width=4", "--set", "model.depth=2", "--crop", "32", "--batch-size", "4",
    "--lr", "0.02",
    "--set", "data.scenes=16", "--set", "data.test_scenes=4", "--set", "loss.class_weights=null",
    "--precision", "fp32",
    "--device", "cpu",
]  # fmt: skip

# And one of pix2pix.
TINY_PIX2PIX = [
    "--set", "model.generator=unet_32", "--set", "model.width=4", "--set", "model.discriminator=n_layers",
    "--set", "model.discriminator_layers=1", "--set", "model.discriminator_width=4", "--crop", "32",
    "--set", "data.load_size=32", "--set", "data.scenes=4", "--set", "data.test_scenes=2", "--precision", "fp32",
    "--epochs", "1",
]  # fmt: skip


def golden(name: str) -> Path:
    """A file of golden numbers; the large ones are not in the repository."""
    for folder in GOLDEN:
        if (folder / name).is_file():
            return folder / name
    pytest.skip(f"golden file {name} is not here")


needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None, reason="ffmpeg is not installed here"
)


def draw_clip(path: Path, *words: str, source: str = "testsrc2=s=64x48:r=10:d=1") -> Path:
    """A clip that ffmpeg draws; ``words`` come before its name."""
    if not words:
        words = ("-c:v", "libx264", "-pix_fmt", "yuv420p")
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, *words, str(path)], check=True, timeout=60
    )
    return path


def ask_clip(path: Path, entries: str) -> list[str]:
    """What ffprobe says, a line for each stream, packet or format."""
    words = ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "csv=p=0", str(path)]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout.split()


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]
