"""CycleGAN between photos and label maps, and label maps that are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Cli

import gantool
from gantool.data.label_pictures import far_share
from gantool.data.sample import CLASS_COLORS, CLASSES, draw_scene
from gantool.errors import DataError
from gantool.models.files import read_card

TINY = [
    "--set", "model.width=4", "--set", "model.discriminator=n_layers", "--set", "model.discriminator_layers=1",
    "--set", "model.discriminator_width=4", "--set", "model.generator=resnet_light", "--size", "32",
    "--precision", "fp32", "--device", "cpu", "--epochs", "1",
]  # fmt: skip


def labelled_set(folder: str, count: int = 10) -> None:
    for kind in ("images", "masks"):
        Path(folder, kind).mkdir(parents=True)
    for n in range(count):
        scene = draw_scene(n, size=(48, 40))
        Image.fromarray(scene.summer).save(f"{folder}/images/{n}.png")
        Image.fromarray(scene.mask).save(f"{folder}/masks/{n}.png")
    Path(folder, "classes.csv").write_text(
        "name,r,g,b\n" + "".join(f"{n},{r},{g},{b}\n" for n, (r, g, b) in zip(CLASSES, CLASS_COLORS, strict=True))
    )


def test_photos_and_label_maps(cli: Cli, workplace: Path) -> None:
    labelled_set("set")
    assert cli("prepare", "set", "--classes", "set/classes.csv", "-o", "data/scenes").code == 0
    free = cli("train", "cyclegan", "--data", "scenes", "--name", "free", *TINY, "--json")
    assert free.code == 0, free.err
    assert "used without pairs" in free.err
    assert set(json.loads(free.out)["metrics"]) == {"mean_iou", "accuracy", "l1"}
    card = read_card(Path("runs/free/model.safetensors"))
    assert [(domain.name, len(domain.classes)) for domain in card.domains] == [("labels", len(CLASSES)), ("photo", 0)]
    aligned = cli("train", "cyclegan", "--data", "scenes", *TINY, "--set", "data.align=true", "--name", "aligned")
    assert aligned.code == 0, aligned.err
    assert "aligned" in aligned.err

    scene = draw_scene(20, size=(40, 36))
    Image.fromarray(scene.summer).save("photo.png")
    Image.fromarray(scene.mask).save("mask.png")
    assert cli("translate", "photo.png", "--to", "labels").code == 0
    made = np.asarray(Image.open("photo.labels.png").convert("RGB"))
    assert {tuple(color) for color in made.reshape(-1, 3)} <= set(CLASS_COLORS), "snapped to the classes' colors"
    assert cli("translate", "mask.png", "--to", "photo").code == 0
    assert cli("segment", "photo.png", "--model", "free").code == 0
    table = cli("evaluate", "free", "aligned", "--data", "scenes", "--json")
    assert table.code == 0, table.err
    assert len(json.loads(table.out)["models"]) == 2


def test_a_photo_is_no_label_map(cli: Cli, workplace: Path) -> None:
    labelled_set("set")
    assert cli("train", "pix2pix", "--data", "set", "--to", "photo", *TINY, "--name", "painter").code == 0
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save("photo.png")
    card = read_card(Path("runs/painter/model.safetensors"))
    colors = np.array([entry.color for entry in card.domain("labels").classes], np.uint8)
    assert f"{CLASSES[0]} #{bytes(colors[0]).hex()}" in cli("info", "pix2pix").out, "to draw a label map with"
    mask = colors[draw_scene(3, size=40).mask]
    Image.fromarray(mask).save("mask.png")
    Image.fromarray(mask).save("noisy.jpg", quality=60)
    result = cli("translate", "photo.png", "mask.png", "noisy.jpg", "--to", "photo", "--model", "painter")
    assert result.code == 1
    assert "photo.png" in result.err
    assert "far from the color of every class of labels" in result.err
    assert "Expected a label map" in result.err
    assert Path("mask.photo.png").is_file()
    assert Path("noisy.photo.jpg").is_file()
    with pytest.raises(DataError, match="far from the color"):
        gantool.translate("photo.png", to="photo", model="painter")


def test_far_share() -> None:
    colors = [(0, 0, 0), (255, 0, 0)]
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 0] = (255, 0, 60)
    pixels[0, 1] = (255, 0, 70)
    assert far_share(pixels, colors) == 0.25
    assert far_share(np.full((4, 4, 3), 1, np.uint8), colors) == 0.0, "class indices"


def test_names_of_halves(cli: Cli, workplace: Path) -> None:
    Path("pairs").mkdir()
    for n in range(8):
        scene = draw_scene(n, size=(40, 40))
        Image.fromarray(np.hstack([scene.summer, scene.winter])).save(f"pairs/{n}.png")
    result = cli("train", "cyclegan", "--data", "pairs", "--domains", "green,white", *TINY)
    assert result.code == 0, result.err
    assert "7 green and 7 white" in result.err
    assert cli("translate", "pairs/1.png", "--to", "white").code == 0
    result = cli("train", "pix2pix", "--data", "pairs", "--domains", "green,white", "--to", "green", *TINY)
    assert "white to green" in result.err
    assert "two names" in cli("train", "pix2pix", "--data", "pairs", "--domains", "green", *TINY).err
    assert "a segmenter has classes" in cli("train", "unet", "--data", "pairs", "--domains", "a,b").err

    # One image of odd width is named, and does not hide what the others are.
    Image.fromarray(draw_scene(9, size=(81, 40)).summer).save("pairs/odd.png")
    result = cli("train", "pix2pix", "--data", "pairs", *TINY)
    assert (result.code, "odd.png: is 81 pixels wide" in result.err) == (2, True), result.err
    Path("wide").mkdir()
    Image.fromarray(draw_scene(9, size=(81, 32)).summer).save("wide/odd.png")
    result = cli("train", "pix2pix", "--data", "wide", "--domains", "a,b", *TINY)
    assert (result.code, "odd.png: is 81 pixels wide" in result.err) == (2, True), result.err


def test_a_mask_of_another_size_is_named(cli: Cli, workplace: Path) -> None:
    labelled_set("set", 4)
    Image.fromarray(np.zeros((5, 5), np.uint8)).save("set/masks/2.png")
    for model in ("cyclegan", "pix2pix"):
        result = cli("train", model, "--data", "set", *TINY)
        assert (result.code, "2.png: has 48x40 pixels, its mask 5x5" in result.err) == (2, True), result.err
