from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from gantool.workflows.prepare.advice import SMALL, next_training
from gantool.workflows.prepare.result import Prepared


def prepared(kind: str, images: int, classes: dict[str, float] | None = None, tiles: bool = False) -> Prepared:
    return Prepared(
        SimpleNamespace(kind=kind),  # type: ignore[arg-type]
        Path("data/x"),
        (),
        {"train": {"images": images}, "test": {"images": 9}},
        {},
        (),
        classes=classes or {},
        tiles={"train": 4000} if tiles else {},
    )


EVEN = {"sky": 0.5, "tree": 0.3, "water": 0.2, "never": 0.0, "_background_": 0.001}
LOPSIDED = {"sky": 0.9, "tree": 0.0996, "boat": 0.0004}


@pytest.mark.parametrize(
    ("result", "command", "why"),
    [
        (prepared("unpaired", 20), "cyclegan-light --data data/x", ""),
        (prepared("paired", 20), "pix2pix --data data/x", ""),
        (prepared("segmentation", SMALL, EVEN), "unet-resnet50 --data data/x", ""),
        (prepared("segmentation", 180, EVEN), "segmentation-small --data data/x", "180 training images are few"),
        (prepared("segmentation", 1, EVEN), "segmentation-small --data data/x", "1 training image is few"),
        (prepared("segmentation", 40, EVEN, tiles=True), "unet-resnet50 --data data/x", ""),
        (
            prepared("segmentation", 4000, LOPSIDED),
            "unet-resnet50 --data data/x --set loss.class_weights=auto",
            "boat has 0.04% of the pixels",
        ),
        (
            prepared("segmentation", 40, LOPSIDED),
            "segmentation-small --data data/x --set loss.class_weights=auto",
            "40 training images are few and boat has 0.04% of the pixels",
        ),
    ],
)
def test_what_comes_next(result: Prepared, command: str, why: str) -> None:
    assert next_training(result) == (command.replace("data/x", str(Path("data/x"))), why)
