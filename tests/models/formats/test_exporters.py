"""Exported files run at the sizes that they promise."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from exported_files import card_for

from gantool.models.formats.torch_archive import torch_runner, write_pt2
from gantool.nets.registry import build_generator


@pytest.mark.parametrize("name", ["unet_32", "unet_64"])
def test_a_pt2_of_a_unet_takes_pictures_of_one_multiple(name: str, tmp_path: Path) -> None:
    """There its innermost layer has one pixel, which the exporter likes to take for a case of its own."""
    side = int(name[5:])
    net = build_generator(name, width=4).eval()
    card = card_for("pt2").model_copy(update={"multiple_of": side})
    write_pt2(tmp_path / "net.pt2", net, card, torch.rand(2, 3, 2 * side, 3 * side))
    run = torch_runner(tmp_path / "net.pt2", "pt2", torch.device("cpu"), trust=True)
    for count, height, width in ((1, side, 10 * side), (2, 2 * side, side), (1, side, side), (1, 3 * side, 2 * side)):
        batch = torch.rand(count, 3, height, width)
        with torch.no_grad():
            expected = net(batch)
        assert (torch.from_numpy(run(batch.numpy())) - expected).abs().max() <= 1e-5
