"""Draw the picture of docs/video.md: a camera over a drawn scene, in winter, and what flickers.

python tools/video_pictures.py --model runs/light
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import video

from gantool.arrays import Pixels
from gantool.data.sample import draw_scene

_GAP, _LOUDER = 8, 6
_SHOWN = (4, 14, 24)


def flicker(frames: list[Pixels], clip: video.Filmed, number: int) -> Pixels:
    """What of a frame differs from the one before, carried along the motion, six times as strong."""
    moved, inside = video.carried(frames[number - 1], clip.places[number - 1], clip.places[number])
    apart = _LOUDER * np.abs(frames[number] - moved) * inside[:, :, None]
    return np.clip(apart, 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the picture of docs/video.md")
    parser.add_argument("--model", default="seasons")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "video.jpg")
    options = parser.parse_args()
    scene = draw_scene(5, size=(2 * video.SIZE[0], 2 * video.SIZE[1]))
    clip = video.film(scene.summer, _SHOWN[-1] + 1, 0, 2.0)
    with tempfile.TemporaryDirectory() as folder:
        made = {kind: video.translated(options.model, clip.frames, Path(folder), kind) for kind in ("off", "on")}
    rows = [
        [clip.frames[n] for n in _SHOWN],
        [made["on"][n] for n in _SHOWN],
        [flicker(made["off"], clip, n) for n in _SHOWN],
        [flicker(made["on"], clip, n) for n in _SHOWN],
    ]
    width, height = video.SIZE
    sheet = np.full((len(rows) * (height + _GAP) - _GAP, len(_SHOWN) * (width + _GAP) - _GAP, 3), 255, np.uint8)
    for down, row in enumerate(rows):
        for across, picture in enumerate(row):
            top, left = down * (height + _GAP), across * (width + _GAP)
            sheet[top : top + height, left : left + width] = picture
    small = Image.fromarray(sheet).resize(
        (sheet.shape[1] * 5 // 6, sheet.shape[0] * 5 // 6), Image.Resampling.LANCZOS
    )
    small.save(options.out, quality=85)


if __name__ == "__main__":
    main()
