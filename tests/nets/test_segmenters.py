from __future__ import annotations

import itertools
import json
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gantool.errors import ModelError
from gantool.models import encoder_weights
from gantool.models.encoder_weights import find_imagenet_weights, hub_is_reachable, load_encoder_weights
from gantool.nets.segmenter_table import SEGMENTERS, split_name
from gantool.nets.segmenters import Segmenter, build_segmenter, encoder_names, parse_groups
from gantool.nets.unet_classic import ClassicUnet

LIGHT = "mobilenet_v2"
ENCODERS = {"segformer": "mit_b0", "dpt": "tu-vit_tiny_patch16_224.augreg_in21k"}


@pytest.mark.parametrize("architecture", [name for name in SEGMENTERS if name != "dpt"])
def test_every_architecture_labels_every_pixel(architecture: str) -> None:
    net = build_segmenter(architecture, classes=4, encoder=ENCODERS.get(architecture, LIGHT)).eval()
    assert net.multiple_of == SEGMENTERS[architecture].multiple_of
    with torch.no_grad():
        for size in ((net.smallest, 160), (192, net.smallest)):
            assert net(torch.zeros(1, 3, *size)).shape == (1, 4, *size)
    loss = net.train()(torch.randn(2, 3, net.smallest + 32, net.smallest + 32)).square().mean()
    loss.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_outputs_that_are_one_class() -> None:
    """The probability of a group is the sum over its outputs."""
    torch.manual_seed(0)
    plain = build_segmenter("unet", classes=5, width=4, depth=2).eval()
    merged = build_segmenter("unet", classes=5, width=4, depth=2, groups="3;0,4;1,2").eval()
    merged.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 16, 20)
    with torch.no_grad():
        each, sums = plain(x).softmax(1), merged(x).softmax(1)
    expected = torch.stack([each[:, 3], each[:, 0] + each[:, 4], each[:, 1] + each[:, 2]], 1)
    assert torch.allclose(sums, expected, atol=1e-6)


@pytest.mark.parametrize("text", ["0,1;2", "0;1;2;3;4;4", "0;1;2;3;5", "0;1;2;x;4", "0;;1;2;3;4", ";"])
def test_groups_that_do_not_fit(text: str) -> None:
    with pytest.raises(ValueError, match=r"groups|invalid literal"):
        parse_groups(text, 5)


def test_the_classic_unet() -> None:
    """Layer sizes of figure 1 of the paper, but for padding and norms: 31.04 million weights with two classes."""
    net = ClassicUnet(2, in_channels=1)
    convolutions = sum(p.numel() for name, p in net.named_parameters() if p.ndim == 4)
    # Worked out: 3x3 pairs on the way down and up, 2x2 transposed ones, and the 1x1 at the end.
    widths = [64, 128, 256, 512, 1024]
    down = 9 * (1 * 64 + 64 * 64) + sum(9 * (a * b + b * b) for a, b in itertools.pairwise(widths))
    up = sum(9 * (2 * a * a + a * a) + 4 * 2 * a * a for a in widths[:-1])
    assert convolutions == down + up + 64 * 2
    assert net.eval()(torch.zeros(1, 1, 32, 48)).shape == (1, 2, 32, 48)
    small = build_segmenter("unet", classes=3, width=4, depth=2)
    assert (small.multiple_of, small.encoder) == (4, None)


def test_the_input_is_brought_to_what_imagenet_encoders_expect() -> None:
    class Keep(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    net = Segmenter(Keep(), 1, 1)
    value = net(torch.full((1, 3, 1, 1), -1.0)).flatten().tolist()
    assert value == pytest.approx([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225], rel=1e-6)
    value = net(torch.ones(1, 3, 1, 1)).flatten().tolist()
    assert value == pytest.approx([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225], rel=1e-6)
    assert list(net.state_dict()) == []


def test_options_and_mistakes() -> None:
    wide = build_segmenter("deeplabv3plus", classes=2, encoder=LIGHT, decoder_width=32, output_stride=8)
    narrow = build_segmenter("unet", classes=2, encoder=LIGHT, decoder_width=32)
    assert sum(p.numel() for p in narrow.parameters()) < sum(
        p.numel() for p in build_segmenter("unet", classes=2, encoder=LIGHT).parameters()
    )
    assert wide.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 2, 64, 64)
    for options, words in (
        ({"architecture": "unett"}, 'Did you mean "unet"'),
        ({"architecture": "fpn"}, "needs an encoder"),
        ({"architecture": "unet", "encoder": "resnet5"}, 'There is no encoder "resnet5". Did you mean "resnet50"'),
        ({"architecture": "unet", "encoder": LIGHT, "output_stride": 8}, "has no such option"),
        ({"architecture": "deeplabv3", "encoder": LIGHT, "output_stride": 32}, "it takes 8 or 16"),
        ({"architecture": "linknet", "encoder": LIGHT, "decoder_width": 8}, "has no such option"),
        ({"architecture": "unet", "encoder": "tu-nothing"}, "cannot be built"),
        ({"architecture": "fpn", "encoder": LIGHT, "encoder_depth": 4}, "has no such option"),
    ):
        with pytest.raises(ModelError, match=words):
            build_segmenter(classes=2, **options)  # type: ignore[arg-type]
    assert "resnet50" in encoder_names()


@pytest.mark.parametrize("encoder", [LIGHT, "resnet18", "tu-tf_efficientnet_lite0"])
def test_an_encoder_of_fewer_halvings_has_nothing_that_is_not_used(encoder: str) -> None:
    whole = build_segmenter("unet", classes=2, encoder=encoder, decoder_width=32)
    net = build_segmenter("unet", classes=2, encoder=encoder, decoder_width=32, encoder_depth=3)
    assert (net.multiple_of, net.smallest) == (8, 8)
    assert 0 < len(list(net.parameters())) < len(list(whole.parameters()))
    shapes = {key: value.shape for key, value in whole.state_dict().items()}
    encoder_keys = [key for key in net.state_dict() if key.startswith("net.encoder")]
    assert all(shapes[key] == net.state_dict()[key].shape for key in encoder_keys), "weights of the whole fit"
    assert all(parameter.grad is None for parameter in net.parameters())
    assert net.net.training
    output = net(torch.rand(2, 3, 24, 40))
    assert output.shape == (2, 2, 24, 40)
    output.sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_names() -> None:
    assert split_name("unet") == ("unet", None)
    assert split_name("deeplabv3plus-timm-efficientnet-b0") == ("deeplabv3plus", "timm-efficientnet-b0")
    assert split_name("unet-") is None
    assert split_name("fpn") is None
    assert split_name("cyclegan") is None


def test_first_weights_from_files(tmp_path: Path) -> None:
    source = build_segmenter("unet", classes=2, encoder="resnet18").encoder
    assert source is not None
    state = {key: value.clone() for key, value in source.state_dict().items()}
    files = {
        "plain.safetensors": state,
        "torchvision.pth": {**state, "fc.weight": torch.zeros(2, 512), "fc.bias": torch.zeros(2)},
        "wrapped.pth": {"state_dict": {f"module.{key}": value for key, value in state.items()}},
        "segmenter.pth": {**{f"encoder.{key}": value for key, value in state.items()}, "decoder.x": torch.zeros(1)},
    }
    for name, content in files.items():
        if name.endswith("safetensors"):
            save_file(content, tmp_path / name)
        else:
            torch.save(content, tmp_path / name)
        target = build_segmenter("unet", classes=2, encoder="resnet18").encoder
        assert target is not None
        assert not torch.equal(target.state_dict()["conv1.weight"], state["conv1.weight"])
        load_encoder_weights(target, tmp_path / name)
        assert all(torch.equal(value, state[key]) for key, value in target.state_dict().items())
    other = build_segmenter("unet", classes=2, encoder="resnet34").encoder
    assert other is not None
    with pytest.raises(ModelError, match="does not fit the encoder"):
        load_encoder_weights(other, tmp_path / "plain.safetensors")

    class Evil:
        def __reduce__(self) -> object:
            return (Path(tmp_path / "ran").touch, ())

    torch.save(Evil(), tmp_path / "evil.pth")
    (tmp_path / "text.pth").write_text("hello")
    for name, words in (("evil.pth", "would run code|cannot be read"), ("text.pth", "cannot be read|refused"),
                        ("none.pth", "no such file")):  # fmt: skip
        with pytest.raises(ModelError, match=words):
            load_encoder_weights(other, tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_without_a_network_it_takes_seconds_and_says_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(encoder_weights, "_PATIENCE", 0.2)
    with (
        socket.socket() as silent
    ):  # listens, but nothing ever takes the connection: connects; a closed port does not
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.perf_counter()
        assert not hub_is_reachable()
        with pytest.raises(ModelError, match="--encoder-weights none. Or get https://.* --encoder-weights FILE"):
            find_imagenet_weights("unet-resnet50", "resnet50")
        assert time.perf_counter() - started < 60, "the system's own patience takes minutes"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert not hub_is_reachable()
    with pytest.raises(ModelError, match="resnet18d has no ImageNet weights|cannot be downloaded"):
        find_imagenet_weights("unet-tu-resnet18d", "tu-resnet18d")


def test_cached_weights_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import segmentation_models_pytorch as smp

    settings = smp.encoders.encoders["resnet18"]["pretrained_settings"]["imagenet"]
    folder = tmp_path / f"models--{settings['repo_id'].replace('/', '--')}" / "snapshots" / settings["revision"]
    folder.mkdir(parents=True)
    encoder = build_segmenter("unet", classes=2, encoder="resnet18").encoder
    assert encoder is not None
    save_file({key: value.contiguous() for key, value in encoder.state_dict().items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(encoder_weights, "hub_is_reachable", lambda: pytest.fail("asked the network"))
    path = find_imagenet_weights("unet-resnet18", "resnet18")
    assert np.array_equal(path.parts[-1:], ["model.safetensors"])
    load_encoder_weights(encoder, path)
