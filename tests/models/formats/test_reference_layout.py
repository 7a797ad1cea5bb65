"""What is written for the reference implementation is held against its layout, built here from its description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gantool.cards import Architecture, Card, Direction, Domain
from gantool.errors import ModelError
from gantool.models.formats import reference
from gantool.nets.registry import build_generator

NORMS = {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d, "none": lambda _: nn.Identity()}


class Block(nn.Module):
    def __init__(self, channels: int, norm: str, padding: str, dropout: bool) -> None:
        super().__init__()
        edge = {"reflect": [nn.ReflectionPad2d(1)], "replicate": [nn.ReplicationPad2d(1)], "zero": []}[padding]

        def half() -> list[nn.Module]:
            conv = nn.Conv2d(channels, channels, 3, padding=int(padding == "zero"), bias=norm == "instance")
            return [*edge, conv, NORMS[norm](channels)]

        self.conv_block = nn.Sequential(*half(), nn.ReLU(), *([nn.Dropout(0.5)] if dropout else []), *half())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class Resnet(nn.Module):
    """The picture is always continued by reflection, only the blocks differ in their padding."""

    def __init__(self, norm: str = "instance", *, padding: str = "reflect", dropout: bool = False, blocks: int = 6):
        super().__init__()
        bias, layers = norm == "instance", [nn.ReflectionPad2d(3)]
        for inside, outside, kernel, stride, border in ((3, 4, 7, 1, 0), (4, 8, 3, 2, 1), (8, 16, 3, 2, 1)):
            layers += [nn.Conv2d(inside, outside, kernel, stride, border, bias=bias), NORMS[norm](outside), nn.ReLU()]
        layers += [Block(16, norm, padding, dropout) for _ in range(blocks)]
        for inside in (16, 8):
            up = nn.ConvTranspose2d(inside, inside // 2, 3, 2, 1, output_padding=1, bias=bias)
            layers += [up, NORMS[norm](inside // 2), nn.ReLU()]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(4, 3, 7), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Level(nn.Module):
    """One level of the U-Net: down, what lies below, and up; the outermost has no norms, the innermost one."""

    def __init__(self, outside: int, inside: int, norm: str, below: Level | None, *, outermost: bool = False) -> None:
        super().__init__()
        bias = norm == "instance"
        down = nn.Conv2d(3 if outermost else outside, inside, 4, 2, 1, bias=bias)
        up = nn.ConvTranspose2d(
            inside * (2 if below else 1), 3 if outermost else outside, 4, 2, 1, bias=bias or outermost
        )
        if outermost:
            layers: list[Any] = [down, below, nn.ReLU(), up, nn.Tanh()]
        elif below is None:
            layers = [nn.LeakyReLU(0.2), down, nn.ReLU(), up, NORMS[norm](outside)]
        else:
            layers = [nn.LeakyReLU(0.2), down, NORMS[norm](inside), below, nn.ReLU(), up, NORMS[norm](outside)]
        self.model, self.outermost = nn.Sequential(*layers), outermost

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class Unet(nn.Module):
    def __init__(self, levels: int, norm: str) -> None:
        super().__init__()
        level = Level(32, 32, norm, None)
        for _ in range(levels - 5):
            level = Level(32, 32, norm, level)
        for outside in (16, 8, 4):
            level = Level(outside, outside * 2, norm, level)
        self.model = Level(3, 4, norm, level, outermost=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def written(path: Path, name: str, **options: Any) -> nn.Module:
    """A network of ours, written for the reference."""
    torch.manual_seed(0)
    net = build_generator(name, width=4, **options)
    with torch.no_grad():
        for value in net.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.rand_like(value) * 0.1)
    architecture = Architecture(name=name, options={"width": 4, **options})
    direction = Direction(source="a", target="b", net="to_b", architecture=architecture)
    card = Card(task="cyclegan", domains=(Domain(name="a"), Domain(name="b")), directions=(direction,))
    reference.write(path, net.eval(), card, torch.zeros(1, 3, 32, 32))
    return net


@pytest.mark.parametrize(
    ("theirs", "name", "options"),
    [
        (Resnet(), "resnet_6blocks", {}),
        (Resnet("batch"), "resnet_6blocks", {"norm": "batch"}),
        (Resnet(dropout=True, blocks=9), "resnet_9blocks", {"dropout": True}),
        (Unet(7, "instance"), "unet_128", {"norm": "instance"}),
        (Unet(8, "batch"), "unet_256", {"norm": "batch"}),
        (Unet(7, "batch"), "unet_128", {"norm": "instance_affine"}),
    ],
)
def test_the_reference_does_the_same(theirs: nn.Module, name: str, options: dict[str, Any], tmp_path: Path) -> None:
    ours = written(tmp_path / "net.pth", name, **options)
    theirs.load_state_dict(torch.load(tmp_path / "net.pth", weights_only=True))
    theirs.eval()
    if options.get("norm") == "instance_affine":  # as the reference tests pix2pix: with the image's statistics
        for module in theirs.modules():
            module.training = isinstance(module, nn.BatchNorm2d)
    side = int(name[5:]) if name.startswith("unet") else 32
    x = torch.rand(1, 3, side, 2 * side) * 2 - 1
    with torch.no_grad():
        assert (theirs(x) - ours(x)).abs().max() <= 1e-5


@pytest.mark.parametrize(
    "option", [{"padding": "zeros"}, {"padding": "replicate"}, {"norm": "none"}, {"activation": "leaky_relu"}]
)
def test_what_the_reference_does_not_have_is_not_written(option: dict[str, str], tmp_path: Path) -> None:
    ((key, value),) = option.items()
    with pytest.raises(ModelError, match=f"no such network with {key}={value}"):
        written(tmp_path / "net.pth", "resnet_6blocks", **option)
    assert not (tmp_path / "net.pth").exists()


def test_zero_padding_in_blocks_alone_is_not_ours(tmp_path: Path) -> None:
    torch.save(Resnet(padding="zero").state_dict(), tmp_path / "zero.pth")
    with pytest.raises(ModelError, match="pads its blocks with zeros and the picture by reflection"):
        reference.read_generator(tmp_path / "zero.pth")


@pytest.mark.parametrize(
    ("theirs", "side"), [(Resnet("none"), 32), (Resnet("none", dropout=True, blocks=9), 32), (Unet(7, "none"), 128)]
)
def test_networks_without_norm_are_read(theirs: nn.Module, side: int, tmp_path: Path) -> None:
    torch.save(theirs.state_dict(), tmp_path / "latest_net_G.pth")
    card = reference.read_card(tmp_path / "latest_net_G.pth")
    assert card.norm == "none"
    x = torch.rand(1, 3, side, 2 * side) * 2 - 1
    with torch.no_grad():
        ours = reference.load(tmp_path / "latest_net_G.pth", card, None).eval()(x)
        assert (theirs.eval()(x) - ours).abs().max() <= 1e-5
        assert ours.flatten(2).std(2).min() > 1e-4
