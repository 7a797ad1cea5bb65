"""Exported files run at the sizes that they promise."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from exported_files import card_for, export_small
from timm.layers import Conv2dSame
from torch import nn

import gantool
from gantool.models.formats.exporters import with_fixed_padding
from gantool.models.formats.torch_archive import torch_runner, write_pt2
from gantool.nets.registry import build_generator


@pytest.mark.parametrize("form", ["onnx", "torchscript", "pt2"])
def test_files_tell_nothing_of_the_machine_they_come_from(form: str, tmp_path: Path) -> None:
    path = export_small(tmp_path / f"net.{form}", form)
    assert zipfile.is_zipfile(path) == (form != "onnx")
    if form == "onnx":
        parts = [path.read_bytes()]
    else:
        with zipfile.ZipFile(path) as archive:
            parts = [archive.read(info) for info in archive.infolist()]
    assert any(b"winter" in part for part in parts), "the card stays"
    folders = {str(Path(one.__file__ or "").parent) for one in (gantool, torch)} | {str(tmp_path)}
    for part in parts:
        assert not [folder for folder in folders if folder.encode() in part]
        assert b".py" not in part


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


def test_padding_that_sizes_do_not_change_is_a_number() -> None:
    net = nn.Sequential(
        Conv2dSame(3, 4, 3, stride=2), nn.ReLU(), nn.Sequential(Conv2dSame(4, 6, 5, stride=2, groups=2, bias=False)),
        Conv2dSame(6, 2, 2, stride=3),
    ).eval()  # fmt: skip
    assert with_fixed_padding(net, 4) is net, "sides that are multiples of 4 are none of 12"
    assert with_fixed_padding(nn.Conv2d(3, 3, 3), 4).kernel_size == (3, 3)
    fixed = with_fixed_padding(net, 24)
    assert not any(isinstance(module, Conv2dSame) for module in fixed.modules())
    assert sum(isinstance(module, Conv2dSame) for module in net.modules()) == 3, "the network itself stays"
    for height, width in ((24, 48), (120, 24)):
        image = torch.randn(2, 3, height, width)
        assert torch.equal(fixed(image), net(image))
