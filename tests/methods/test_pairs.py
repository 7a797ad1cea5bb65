from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gantool.data.sample import draw_scene
from gantool.data.splits import draw_splits
from gantool.engine.runtime import Runtime
from gantool.errors import SettingsError
from gantool.methods.gan.networks import check_settings
from gantool.methods.images import LabelledSplit, TranslationImages
from gantool.methods.registry import make_method
from gantool.palette import named_colors
from gantool.workflows.plan_training import TrainOptions, plan_training


def labelled(**splits: int) -> None:
    """A set of images with masks, of so many images per split."""
    scene = 0
    for split, count in splits.items():
        for kind in ("images", "masks"):
            Path("set", split, kind).mkdir(parents=True)
        for n in range(count):
            drawn = draw_scene(scene, size=32)
            Image.fromarray(drawn.summer).save(f"set/{split}/images/{n}.png")
            Image.fromarray(drawn.mask).save(f"set/{split}/masks/{n}.png")
            scene += 1


def side_by_side(**splits: int) -> None:
    """Pairs in one image each, of so many images per split."""
    scene = 0
    for split, count in splits.items():
        Path("set", split).mkdir(parents=True)
        for n in range(count):
            drawn = draw_scene(scene, size=32)
            Image.fromarray(np.hstack([drawn.summer, drawn.winter])).save(f"set/{split}/{n}.png")
            scene += 1


def splits_of(model: str, **settings: float) -> tuple[dict[str, set[bytes]], list[str]]:
    """The images of every split by their pixels, and the files that were held out."""
    tiny = {"data.size": 32, "data.load_size": 32, **settings}
    if model == "pix2pix":
        tiny["model.generator"] = "unet_32"
    plan = plan_training(TrainOptions(model, data="set", settings={"model.discriminator": "pixel", **tiny}
                                      if model != "unet" else tiny))  # fmt: skip
    method = make_method(plan.settings, plan.kind)
    found = {}
    for split in ("train", "val", "test"):
        images = method.images(split)
        if isinstance(images, LabelledSplit):
            pictures = [images.images[n][0] for n in range(len(images.images))]
        else:
            side = images.sides.get("photo") or next(iter(images.sides.values()))
            pictures = [side[n] for n in range(len(side))]
        found[split] = {np.asarray(picture).tobytes() for picture in pictures}
    return found, list(method.held_out)


def test_label_maps_without_colors_get_some(workplace: Path) -> None:
    labelled(train=3, val=1)
    plan = plan_training(TrainOptions("unet", data="set", settings={"data.size": 32, "data.holdout": 0}))
    data = make_method(plan.settings, plan.kind).data  # type: ignore[attr-defined]
    assert data.colors == named_colors(data.classes)


def test_a_cyclegan_between_label_maps_and_photos_is_measured_by_them(workplace: Path) -> None:
    """By generators that do nothing: their photos are the label maps, as far from photos as those are."""
    labelled(train=3, val=1, test=2)
    tiny = {"data.size": 32, "data.load_size": 32, "model.discriminator": "pixel"}
    plan = plan_training(TrainOptions("cyclegan", data="set", settings=tiny))
    method = make_method(plan.settings, plan.kind)
    nets = {f"to_{name}": torch.nn.Identity() for name in ("labels", "photo")}
    for split, count in (("val", 1), ("test", 2)):
        with torch.no_grad():
            found = method.measure(nets, split, Runtime("cpu", 1, "fp32"))  # type: ignore[arg-type]
        assert found is not None
        images = method.images(split)
        assert isinstance(images, TranslationImages)
        labels, photos = images.sides["labels"], images.sides["photo"]
        distances = [np.abs(labels[n].astype(float) - photos[n]).mean() for n in range(count)]
        assert found.values["l1"] == pytest.approx(np.mean(distances))
        assert found.best == 1 - found.values["mean_iou"]
        assert found.gallery is not None
        assert len(found.gallery.images()) == count


@pytest.mark.parametrize("model", ["pix2pix", "cyclegan", "unet"])
def test_a_missing_test_split_is_held_out_beside_validation(model: str, workplace: Path) -> None:
    """What chooses the best epoch is not what the final numbers are from."""
    labelled(train=20, val=3)
    found, held_out = splits_of(model)
    assert {split: len(images) for split, images in found.items()} == {"train": 18, "val": 3, "test": 2}
    assert len(set().union(*found.values())) == 23
    assert len(held_out) == 2
    assert splits_of(model)[0] == found


def test_pairs_side_by_side_too(workplace: Path) -> None:
    side_by_side(train=20, val=3)
    found, held_out = splits_of("pix2pix")
    assert {split: len(images) for split, images in found.items()} == {"train": 18, "val": 3, "test": 2}
    assert len(set().union(*found.values())) == 23
    assert all(file.startswith(str(Path("set", "train"))) for file in held_out)


def test_what_is_held_out_depends_on_the_contents_alone(workplace: Path) -> None:
    side_by_side(train=20, val=3)
    files = sorted(Path("set", "train").iterdir())
    contents = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    drawn = draw_splits(contents, (0.9, 0, 0.1), 0)
    expected = {str(file) for file, split in zip(files, drawn, strict=True) if split == "test"}
    assert set(splits_of("pix2pix")[1]) == expected


def test_channels_are_those_of_the_sides(workplace: Path) -> None:
    for kind in ("A", "B"):
        Path("set", kind).mkdir(parents=True)
        for n in range(3):
            Image.fromarray(draw_scene(n, size=32).summer).save(f"set/{kind}/{n}.png")
    tiny = {"data.size": 32, "data.load_size": 32, "model.generator": "unet_32", "model.discriminator": "pixel",
            "data.channels": (1, 3), "data.holdout": 0}  # fmt: skip
    plan = plan_training(TrainOptions("pix2pix", data="set", settings=tiny))
    images = make_method(plan.settings, plan.kind).images("train")
    assert isinstance(images, TranslationImages)
    assert [side[0].shape for side in images.sides.values()] == [(32, 32, 1), (32, 32, 3)]


def test_nothing_is_held_out_where_that_was_switched_off_or_a_test_split_exists(workplace: Path) -> None:
    side_by_side(train=20, val=3)
    found, held_out = splits_of("pix2pix", **{"data.holdout": 0})
    assert (len(found["train"]), found["test"] == found["val"], held_out) == (20, True, [])
    side_by_side(test=2)
    found, held_out = splits_of("pix2pix")
    assert {split: len(images) for split, images in found.items()} == {"train": 20, "val": 3, "test": 2}
    assert held_out == []


@pytest.mark.parametrize(
    ("size", "generator"),
    [(None, "unet_256"), (512, "unet_256"), (128, "unet_128"), (192, "unet_64"), (96, "unet_32")],
)
def test_the_generator_fits_the_size(size: int | None, generator: str, workplace: Path) -> None:
    side_by_side(train=2)
    plan = plan_training(TrainOptions("pix2pix", data="set", size=size))
    assert plan.settings.model_dump()["model"]["generator"] == generator
    check_settings(plan.settings)  # type: ignore[arg-type]


def test_a_generator_that_is_named_stays(workplace: Path) -> None:
    side_by_side(train=2)
    for asked in (
        TrainOptions("pix2pix", data="set", size=128, settings={"model.generator": "unet_256"}),
        TrainOptions("pix2pix", data="set", size=128, assignments=["model.generator=unet_256"]),
        TrainOptions("pix2pix", data="set", size=100),
    ):
        with pytest.raises(SettingsError, match="must be a multiple of 256 for unet_256, got 1"):
            check_settings(plan_training(asked).settings)  # type: ignore[arg-type]
