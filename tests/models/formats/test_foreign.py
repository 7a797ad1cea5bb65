"""Checkpoints of other programs are recognized by what is in them, and run nothing."""

from __future__ import annotations

import os
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from support import golden

from gantool.errors import ModelError
from gantool.methods.registry import make_method
from gantool.models import pretrained
from gantool.models.files import load_net, load_segmenter, read_card
from gantool.models.formats import reference
from gantool.models.formats.reference import domains_of_name, read_generator
from gantool.models.pretrained import PRETRAINED, fetch_pretrained
from gantool.nets.registry import build_generator
from gantool.workflows.plan_training import TrainOptions, plan_training

GENERATORS = {
    "resnet_9blocks_instance_ngf4": ("resnet_9blocks", "instance", False),
    "resnet_6blocks_instance_dropout_ngf4": ("resnet_6blocks", "instance", True),
    "resnet_6blocks_batch_ngf4": ("resnet_6blocks", "batch", False),
    "unet_256_batch_trainmode_ngf4": ("unet_256", "instance_affine", False),
    "unet_256_instance_ngf4": ("unet_256", "instance", False),
    "unet_128_batch_ngf4": ("unet_128", "batch", False),
    "resnet_9blocks_antialias_instance_ngf4": ("resnet_9blocks_antialias", "instance", False),
}
# Made by the reference in eval mode, with the running statistics.
AVERAGED = {"unet_128_batch_ngf4", "resnet_6blocks_batch_ngf4"}


@pytest.mark.parametrize("name", GENERATORS)
def test_golden_generators_are_recognized(name: str) -> None:
    file = golden(f"{name}.weights.pth")
    example = torch.load(golden(f"{name}.io.pth"), weights_only=True)
    card = reference.read_card(file, running_statistics=True) if name in AVERAGED else read_card(file)
    (direction,) = card.directions
    architecture, norm, dropout = GENERATORS[name]
    assert (direction.architecture.name, card.norm) == (architecture, norm)
    assert direction.architecture.options.get("dropout", False) == dropout
    assert direction.architecture.options["width"] == 4
    with torch.no_grad():
        output = load_net(file, card, direction.target)(example["input"])
    assert (output - example["output"]).abs().max() <= 1e-5


def test_generators_of_cut_are_written_as_they_were_read(tmp_path: Path) -> None:
    file = golden("resnet_9blocks_antialias_instance_ngf4.weights.pth")
    card = read_card(file)
    assert card.task == "cut"
    net = load_net(file, card, card.directions[0].target)
    reference.write(tmp_path / "latest_net_G.pth", net, card, torch.zeros(1, 3, 32, 32))
    expected, written = (torch.load(path, weights_only=True) for path in (file, tmp_path / "latest_net_G.pth"))
    assert written.keys() == expected.keys()
    assert all(torch.allclose(written[key], value, atol=1e-6) for key, value in expected.items())


def test_other_files_of_cut_are_told_apart(tmp_path: Path) -> None:
    state = torch.load(golden("resnet_9blocks_antialias_instance_ngf4.weights.pth"), weights_only=True)
    half = {key: value for key, value in state.items() if key not in ("model.21.filt", "model.25.filt")}
    sharp = {key: value * 2 if key == "model.7.filt" else value for key, value in state.items()}
    few = {**state, "model.7.filt": torch.zeros(0, 1, 3, 3)}
    projection = torch.load(golden("train_cut.pth"), weights_only=True)["start"]["F"]
    critic = torch.load(golden("train_cut.pth"), weights_only=True)["start"]["D"]
    for content, message in (
        (half, "anti-aliased only where it halves"), (sharp, "model.7.filt is another filter"),
        (few, "another filter"), (projection, "compares patches"), (critic, "is a discriminator"),
    ):  # fmt: skip
        torch.save(content, tmp_path / "latest_net_X.pth")
        with pytest.raises(ModelError, match=message):
            read_card(tmp_path / "latest_net_X.pth")


@pytest.mark.parametrize("name", sorted(AVERAGED))
def test_batch_norm_has_the_statistics_of_the_one_image(name: str) -> None:
    """The reference tests in training mode unless it is told ``--eval``."""
    file = golden(f"{name}.weights.pth")
    picture = torch.load(golden(f"{name}.io.pth"), weights_only=True)["input"][:1]
    net = build_generator(GENERATORS[name][0], width=4, norm="batch")
    net.load_state_dict(torch.load(file, weights_only=True))
    # The U-Net of 128 has dropout, which gantool leaves out, and a single pixel in its middle.
    picture = picture.repeat(1, 1, 2, 2) if name.startswith("unet") else picture
    for module in net.modules():
        module.train(not isinstance(module, torch.nn.Dropout))
    card = read_card(file)
    with torch.no_grad():
        output, expected = load_net(file, card, card.directions[0].target)(picture), net(picture)
    assert card.norm == "instance_affine"
    assert (output - expected).abs().max() <= 1e-5


def test_batch_norm_from_elsewhere_starts_a_training(tmp_path: Path) -> None:
    file = tmp_path / "latest_net_G_A.pth"
    torch.save(weights(norm="batch"), file)
    settings = {"model.generator": "resnet_6blocks", "model.width": 4, "model.norm": "batch", "data.size": 64,
                "data.scenes": 2, "data.test_scenes": 1}  # fmt: skip
    plan = plan_training(TrainOptions("cyclegan", settings=settings))
    net = build_generator("resnet_6blocks", width=4, norm="batch")
    method = make_method(plan.settings, plan.kind)
    method.load_weights(file, {"to_winter": net})
    learned = torch.load(file, weights_only=True)
    assert all(torch.equal(value, learned[key]) for key, value in net.named_parameters())
    other = build_generator("resnet_9blocks", width=4, norm="batch")
    with pytest.raises(ModelError, match="the settings ask for another network"):
        method.load_weights(file, {"to_winter": other})


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("summer2winter_yosemite.pth", ("summer", "winter")),
        ("latest_net_G_A.pth", ("A", "B")),
        ("200_net_G_B.pth", ("B", "A")),
        ("facades_label2photo.pth", ("label", "photo")),
        ("style_monet.pth", ("photo", "monet")),
        ("latest_net_G.pth", ("input", "output")),
    ],
)
def test_domains_of_names(name: str, pair: tuple[str, str]) -> None:
    assert domains_of_name(Path(name)) == pair


def weights(name: str = "resnet_6blocks", **options: object) -> dict[str, torch.Tensor]:
    return build_generator(name, width=4, **options).state_dict()


def test_old_and_wrapped_checkpoints(tmp_path: Path) -> None:
    state = weights()
    expected = build_generator("resnet_6blocks", width=4)
    expected.load_state_dict(state)
    old = dict(state)
    for key in ("model.2", "model.5", "model.10.conv_block.2"):
        old[f"{key}.running_mean"] = torch.zeros(4)
        old[f"{key}.running_var"] = torch.ones(4)
        old[f"{key}.num_batches_tracked"] = torch.tensor(3)
    x = torch.randn(1, 3, 32, 32)
    for name, content in (
        ("old", old), ("module", {f"module.{key}": value for key, value in state.items()}),
        ("wrapped", {"state_dict": state, "epoch": 3}),
        ("compiled", {f"_orig_mod.module.{key}": value for key, value in state.items()}),
        ("twice", {f"module._orig_mod.{key}": value for key, value in state.items()}),
    ):  # fmt: skip
        path = tmp_path / f"{name}.pth"
        torch.save(content, path)
        net = load_net(path, read_card(path), "output")
        with torch.no_grad():
            assert torch.equal(net(x), expected.eval()(x))
    zeros = weights(padding="zeros")
    torch.save(zeros, tmp_path / "zeros.pth")
    assert read_generator(tmp_path / "zeros.pth").architecture.options["padding"] == "zeros"


def test_files_that_are_none(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'sprung'}",)

    with (tmp_path / "trap.pth").open("wb") as file:
        pickle.dump({"weights": Trap()}, file, protocol=2)
    with pytest.raises(ModelError, match="would run code"):
        read_card(tmp_path / "trap.pth")
    torch.save({"weights": Trap()}, tmp_path / "zipped.pth")
    with pytest.raises(ModelError, match="would run code"):
        read_card(tmp_path / "zipped.pth")
    assert not (tmp_path / "sprung").exists()

    torch.save(weights(), tmp_path / "whole.pth")
    data = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(data[: len(data) // 2])
    missing = weights()
    del missing["model.4.weight"]
    torch.save(missing, tmp_path / "missing.pth")
    torch.save({"fc.weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    for name, words in (
        ("cut", "cannot be read"), ("missing", "has no model.4.weight"), ("other", "an unknown network"),
        ("tensor", "not a set of weights"), ("nothing", "no such model file"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=words):
            read_card(tmp_path / f"{name}.pth")
    with pytest.raises(ModelError, match="is a discriminator"):
        read_card(golden("patchgan_basic_instance_ndf4.weights.pth"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.1.weight", torch.zeros(())),
        ("model.1.weight", torch.zeros(4, 0, 7, 7)),
        ("model.1.weight", torch.zeros(5000, 1, 7, 7)),
        ("model.17.weight", torch.zeros(3)),
        ("x", torch.zeros(3)),
        ("model.x.weight", torch.zeros(3)),
        ("model.99999.weight", torch.zeros(3)),
        ("x" * 5000, torch.zeros(3)),
    ],
)
def test_tensors_that_no_generator_has(key: str, value: torch.Tensor, tmp_path: Path) -> None:
    torch.save(weights() | {key: value}, tmp_path / "a.pth")
    with pytest.raises(ModelError) as caught:
        read_card(tmp_path / "a.pth")
    assert key[:40] in str(caught.value) or "unknown network" in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


def test_complex_weights_are_not_cut_to_real_ones(tmp_path: Path) -> None:
    state = weights()
    torch.save(state | {"model.1.weight": state["model.1.weight"].to(torch.complex64)}, tmp_path / "a.pth")
    with pytest.raises(ModelError, match=r"model\.1\.weight has complex numbers"):
        read_card(tmp_path / "a.pth")


@pytest.mark.parametrize("key", ["model.model.0.weight", "model.model.3.weight"])
def test_a_unet_without_a_convolution_at_its_ends(key: str, tmp_path: Path) -> None:
    state = weights("unet_32")
    torch.save(state | {key: torch.zeros(())}, tmp_path / "flat.pth")
    del state[key]
    torch.save(state, tmp_path / "missing.pth")
    for name in ("flat", "missing"):
        with pytest.raises(ModelError):
            read_card(tmp_path / f"{name}.pth")


@pytest.mark.parametrize(
    "text",
    [
        '{"_model_class": "Unet", "encoder_name": "resnet18", "classes": 1000000000}',
        '{"_model_class": "Unet", "encoder_name": "resnet18", "classes": 1e999}',
        '{"_model_class": "Unet", "encoder_name": "resnet18", "classes": 0}',
        '{"_model_class": "Unet", "encoder_name": "resnet18", "classes": 3, "in_channels": "%s"}' % ("x" * 5000),
        "[" * 5000,
    ],
)
def test_absurd_configurations_of_smp(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError) as caught:
        read_card(tmp_path)
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


def test_a_head_that_is_no_convolution_is_no_segmenters(tmp_path: Path) -> None:
    torch.save({"encoder.a": torch.zeros(1), "segmentation_head.0.weight": torch.zeros(())}, tmp_path / "a.pth")
    with pytest.raises(ModelError, match="unknown network"):
        read_card(tmp_path / "a.pth")


def test_segmenters_of_smp(tmp_path: Path) -> None:
    import segmentation_models_pytorch as smp

    torch.manual_seed(0)
    net = smp.Linknet("resnet18", encoder_weights=None, classes=4).eval()
    net.save_pretrained(str(tmp_path / "folder"))
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    x = torch.rand(1, 3, 64, 64)
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    for path in (tmp_path / "folder", tmp_path / "weights.pth"):
        card = read_card(path)
        assert card.architecture is not None
        assert (card.architecture.name, card.architecture.options["encoder"]) == ("linknet", "resnet18")
        assert [entry.name for entry in card.classes] == ["class_0", "class_1", "class_2", "class_3"]
        with torch.no_grad():
            made = load_segmenter(path, card)(x * 2 - 1)
            assert torch.allclose(made, net((x - mean) / deviation), atol=1e-4)


class _Weights(BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_pretrained_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANTOOL_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ModelError, match="there is no connection") as caught:
        fetch_pretrained("horse2zebra")
    assert "put it at" in caught.value.remedy
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Weights)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("GANTOOL_MIRROR", f"http://127.0.0.1:{server.server_port}")
    try:
        _Weights.body = b"<html>not found</html>"
        with pytest.raises(ModelError, match="is not what was expected"):
            fetch_pretrained("horse2zebra")
        torch.save(weights("resnet_9blocks"), tmp_path / "made.pth")
        _Weights.body = (tmp_path / "made.pth").read_bytes()
        path = fetch_pretrained("horse2zebra")
        assert read_card(path).directions[0].target == "zebra"
        assert pretrained.cached_pretrained() == ["horse2zebra"]
        server.shutdown()
        assert fetch_pretrained("horse2zebra") == path, "from the cache"
        path.write_bytes(_Weights.body + b"x")
        with pytest.raises(ModelError, match="has changed since"):
            fetch_pretrained("horse2zebra")
    finally:
        server.shutdown()
        server.server_close()
    assert len(PRETRAINED) == 18 + 5
