"""Networks and sizes drawn at random: strips give what one piece gives, tiles cover every pixel."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

from gantool.data.sample import draw_scene
from gantool.nets.layers import initialize
from gantool.nets.registry import GENERATORS, build_generator
from gantool.predict.live import LiveRunner
from gantool.predict.pictures import PicturePredictor, as_pictures
from gantool.predict.strips import rows, run_in_strips, walk
from gantool.predict.tiling import Tiling, run_in_tiles, tile_starts


def draw_network(rng: random.Random) -> tuple[str, dict[str, Any]]:
    name = rng.choice(("resnet_6blocks", "resnet_6blocks_resize", "resnet_light", "resnet_light_skip", "unet_32"))
    options: dict[str, Any] = {
        "width": rng.choice((3, 5, 8)),
        "norm": rng.choice(("instance", "instance_affine", "batch")),
        "in_channels": rng.choice((1, 3)),
        "out_channels": rng.choice((1, 3)),
    }
    if name != "unet_32":
        options["padding"] = rng.choice(("reflect", "replicate", "zeros"))
        options["activation"] = rng.choice(("relu", "leaky_relu"))
    return name, options


@pytest.mark.parametrize("seed", range(24))
def test_strips_equal_one_piece(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In single precision, where nothing is rounded between layers: the same to one level."""
    rng = random.Random(seed)
    name, options = draw_network(rng)
    monkeypatch.setattr(rows, "_HALF_LIMIT", 0.0)
    monkeypatch.setattr(walk, "STRIP_BYTES", rng.choice((1, 20_000, 200_000)))
    monkeypatch.setattr(rows, "_MEMORY_BYTES", rng.choice((0, 20_000, 2**30)))
    torch.manual_seed(seed)
    net = build_generator(name, **options)
    # Steep networks that paint in black and white alone multiply the rounding of float32 by thousands.
    initialize(net, gain=0.3 if options["norm"].startswith("instance") else 0.15)
    side = GENERATORS[name].multiple_of
    width, height = (side * rng.randint(-(-32 // side), 128 // side) for _ in range(2))
    if options["norm"] == "batch":
        with torch.no_grad():  # statistics of their own
            net.train()(torch.rand(2, options["in_channels"], 64, 64) * 2 - 1)
    net.eval()
    pixels = np.ascontiguousarray(draw_scene(seed, size=(width, height)).summer[:, :, : options["in_channels"]])
    whole = PicturePredictor(LiveRunner(net, multiple_of=1), tiling=Tiling("off"))(pixels)
    made = list(run_in_strips(net, pixels))
    assert len(made) > 1
    assert whole.std() > 0.5, "an example that is flat proves nothing"
    difference = np.abs(whole.astype(int) - as_pictures(np.concatenate(made, axis=1)[None])[0].astype(int))
    assert difference.max() <= 1, f"{name} {options} {width}x{height}"


def test_tiles_cover_an_axis_and_overlap() -> None:
    rng = random.Random(0)
    for _ in range(2000):
        tile = rng.randint(2, 300)
        overlap, length = rng.randint(0, (tile - 1) // 2), rng.randint(1, 1500)
        starts = tile_starts(length, tile, overlap)
        case = f"tile_starts({length}, {tile}, {overlap})"
        assert starts[0] == 0, case
        if length <= tile:
            assert starts == [0], case
            continue
        assert starts[-1] + tile == length, case
        steps = np.diff(starts)
        assert steps.max() <= tile - overlap, case
        assert steps.max() - steps.min() <= 1, f"{case}: not evenly spread"
        assert (len(starts) - 1) * (tile - overlap) + overlap < length, f"{case}: one tile too many"


def test_tiles_of_a_picture_give_it_back() -> None:
    rng = random.Random(1)
    for seed in range(40):
        height, width, tile = rng.randint(1, 90), rng.randint(1, 90), rng.randint(3, 40)
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        out = run_in_tiles(lambda part: 255 - part, pixels, tile=tile, overlap=rng.randint(0, (tile - 1) // 2))
        assert np.array_equal(out, 255 - pixels), f"{width}x{height} in tiles of {tile}"
