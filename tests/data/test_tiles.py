from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from gantool.data.tiles import photograph_of
from gantool.workflows.prepare import prepare


def test_tiles_know_their_photograph(tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        (tmp_path / "set" / kind).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for n in range(3):
        pixels = rng.integers(0, 256, (40, 70, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"set/images/frame_00000_0000{n}.png")
        Image.fromarray((pixels[:, :, 0] > 127).astype(np.uint8)).save(
            tmp_path / f"set/masks/frame_00000_0000{n}.png"
        )
    for name, tile, count in (("tiles", 32, 6), ("whole", None, 1)):
        prepare(str(tmp_path / "set"), output=str(tmp_path / name), tile=tile, split=(1, 0, 0))
        found: dict[str, int] = {}
        for path in (tmp_path / name / "train/images").iterdir():
            source = photograph_of(str(path))
            found[source] = found.get(source, 0) + 1
        assert len(found) == 3, name
        assert set(found.values()) == {count}, name
    assert photograph_of("scene 7") == "scene 7"
