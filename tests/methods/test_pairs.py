from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantool.data.sample import draw_scene
from gantool.errors import SettingsError
from gantool.methods.gan.networks import check_settings
from gantool.methods.images import LabelledSplit
from gantool.methods.registry import make_method
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
