"""pix2pix on the command line: pairs of every kind, label maps in both directions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support import Cli

from gantool.data.masks import read_index_mask
from gantool.data.sample import CLASS_COLORS, CLASSES, draw_scene
from gantool.models.files import load_net, read_card
from gantool.nets.deterministic import with_instance_norm
from gantool.nets.registry import build_generator

TINY = [
    "--set", "model.generator=unet_32", "--set", "model.width=4", "--set", "model.discriminator=n_layers",
    "--set", "model.discriminator_layers=1", "--set", "model.discriminator_width=4", "--size", "32",
    "--set", "data.load_size=32", "--batch-size", "2", "--precision", "fp32", "--device", "cpu", "--epochs", "2",
]  # fmt: skip
SAMPLE = ["--set", "data.scenes=8", "--set", "data.test_scenes=3"]


def test_labels_to_pictures_and_back(cli: Cli, workplace: Path) -> None:
    result = cli("train", "pix2pix", *TINY, *SAMPLE, "--name", "painter")
    assert result.code == 0, result.err
    assert "labels to summer" in result.err
    assert "mean training image" in result.err
    scene = draw_scene(9, size=(40, 36))
    Image.fromarray(scene.mask).save("index.png")
    Image.fromarray(np.array(CLASS_COLORS, np.uint8)[scene.mask]).save("color.png")
    assert cli("translate", "index.png", "color.png", "--to", "summer").code == 0
    pictures = [np.asarray(Image.open(f"{name}.summer.png").convert("RGB")) for name in ("index", "color")]
    assert pictures[0].shape == (36, 40, 3)
    assert np.array_equal(*pictures), "index and color masks are the same label map"
    refused = cli("segment", "color.png", "--model", "painter")
    assert (refused.code, "without label maps" in refused.err) == (2, True)

    result = cli("train", "pix2pix", "--to", "labels", *TINY, *SAMPLE, "--json")
    assert result.code == 0, result.err
    assert {"mean_iou", "accuracy", "l1"} <= set(json.loads(result.out)["metrics"])
    Image.fromarray(scene.summer).save("photo.png")
    assert cli("translate", "photo.png", "--to", "labels").code == 0
    made = np.asarray(Image.open("photo.labels.png").convert("RGB"))
    assert {tuple(color) for color in made.reshape(-1, 3)} <= set(CLASS_COLORS), "snapped to the classes' colors"
    answer = json.loads(cli("segment", "photo.png", "--model", "pix2pix-1", "--json").out)
    assert answer["classes"] == list(CLASSES)
    mask = read_index_mask(Path("photo.mask.png"))
    assert np.array_equal(np.array(CLASS_COLORS, np.uint8)[mask], made)
    for options in (["--tta"], ["--size", "64"]):
        assert cli("segment", "photo.png", "--model", "pix2pix-1", "--overwrite", *options).code == 2
    assert (
        "no probabilities"
        in cli("segment", "photo.png", "--model", "pix2pix-1", "-o", "p", "--outputs", "probabilities").err
    )


def test_batch_size_one_is_delivered_with_instance_norm(cli: Cli, workplace: Path) -> None:
    for size, norm in (("1", "instance_affine"), ("2", "batch")):
        result = cli("train", "pix2pix", *TINY, *SAMPLE, "--batch-size", size, "--name", f"batch-{size}")
        assert result.code == 0, result.err
        card = read_card(Path(f"runs/batch-{size}/model.safetensors"))
        assert card.norm == card.directions[0].architecture.options["norm"] == norm
        load_net(Path(f"runs/batch-{size}/model.safetensors"), card, "summer")
    again = cli("train", "pix2pix", *TINY, *SAMPLE, "--init-from", "batch-1", "--name", "third")
    assert again.code == 0, again.err
    resumed = cli("train", "--resume", "batch-1", "--epochs", "3")
    assert resumed.code == 0, resumed.err


def test_instance_norm_gives_what_batch_norm_gave_in_training() -> None:
    """One image at a time, dropout off: the reference's way of testing pix2pix, but deterministic."""
    torch.manual_seed(1)
    net = build_generator("unet_32", width=4, norm="batch")
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight, 1, 0.3)
            torch.nn.init.normal_(module.bias, 0, 0.3)
    image = torch.randn(1, 3, 32, 64)
    with torch.no_grad():
        expected = net.train()(image)
        changed = with_instance_norm(net).eval()
        assert torch.allclose(changed(image), expected, atol=1e-5)
        two = changed(torch.cat([image, torch.randn(1, 3, 32, 64)]))
        assert torch.allclose(two[:1], expected, atol=1e-5), "whatever else is in the batch"
    other = build_generator("unet_32", width=4, norm="instance_affine")
    other.load_state_dict(changed.state_dict())


def pairs(folder: str, count: int) -> None:
    Path(folder).mkdir(parents=True)
    for n in range(count):
        scene = draw_scene(n, size=(40, 40))
        Image.fromarray(np.hstack([scene.summer, scene.winter])).save(f"{folder}/{n}.png")


def test_pairs_from_folders(cli: Cli, workplace: Path) -> None:
    pairs("facades/train", 10)
    result = cli("train", "pix2pix", "--data", "facades", "--to", "photo", *TINY)
    assert result.code == 0, result.err
    assert "9 pairs, 1 for validation, 1 for testing (held out), label to photo" in result.err
    made = cli("prepare", "facades", "--domains", "summer,winter", "--split", "0.6,0.2,0.2")
    assert made.code == 0
    assert "Next: gantool train pix2pix --data data/facades" in made.err.replace("\\", "/")
    result = cli("train", "pix2pix", "--data", "data/facades", *TINY)
    assert result.code == 0, result.err
    assert "6 pairs, 2 for validation, 2 for testing, summer to winter" in result.err
    for kind in ("images", "masks"):
        Path("set", kind).mkdir(parents=True)
    for n in range(10):
        scene = draw_scene(n, size=(40, 36))
        Image.fromarray(scene.summer).save(f"set/images/{n}.png")
        Image.fromarray(scene.mask).save(f"set/masks/{n}.png")
    result = cli("train", "pix2pix", "--data", "set", *TINY)
    assert result.code == 0, result.err
    assert "labels to photo" in result.err
    result = cli("train", "pix2pix", "--domain", "a=set/images", "--domain", "b=set/images", *TINY)
    assert result.code == 0, result.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--to", "photos"], 'the pairs have no domain "photos"'),
        (["--size", "50"], "must be a multiple of 32 for unet_32"),
        (["--set", "loss.cycle_a=1"], "there is no such setting"),
    ],
)
def test_mistakes_cost_one_sentence(options: list[str], words: str, cli: Cli, workplace: Path) -> None:
    pairs("facades/train", 4)
    result = cli("train", "pix2pix", "--data", "facades", *TINY, *options)
    assert result.code == 2
    assert words in result.err
    assert not Path("runs").exists()


def test_pairs_that_are_none(cli: Cli, workplace: Path) -> None:
    for folder, names in (("two/a", ("1", "2")), ("two/b", ("1", "3")), ("plain/x", ("1",)), ("plain/y", ("2",))):
        Path(folder).mkdir(parents=True)
        for name in names:
            Image.fromarray(draw_scene(1, size=40).summer).save(f"{folder}/{name}.png")
    Path("sizes/a").mkdir(parents=True)
    Path("sizes/b").mkdir(parents=True)
    for n in (1, 2):
        Image.fromarray(draw_scene(n, size=40).summer).save(f"sizes/a/{n}.png")
        Image.fromarray(draw_scene(n, size=36).summer).save(f"sizes/b/{n}.png")
    Path("empty").mkdir()
    for data, words in (
        ("two", "has no partner"), ("plain", "no image has a partner"), ("sizes", "40x40 pixels, its partner"),
        ("empty", "no pairs found"),
    ):  # fmt: skip
        result = cli("train", "pix2pix", "--data", data, *TINY)
        assert (result.code, words in result.err) == (2, True), result.err
    assert "learns both directions" in cli("train", "cyclegan", "--to", "winter").err
    assert "it does not translate" in cli("train", "unet", "--to", "winter").err
