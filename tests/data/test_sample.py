from __future__ import annotations

import hashlib

import numpy as np
import pytest

from gantool.data.sample import CLASS_COLORS, CLASSES, draw_scene


def test_shapes_and_classes() -> None:
    scene = draw_scene(0, size=64)
    assert scene.summer.shape == scene.winter.shape == (64, 64, 3)
    assert scene.mask.shape == (64, 64)
    assert scene.summer.dtype == scene.mask.dtype == np.uint8
    assert scene.mask.max() < len(CLASSES) == len(CLASS_COLORS)


def test_width_and_height() -> None:
    assert draw_scene(1, size=(96, 48)).winter.shape == (48, 96, 3)
    with pytest.raises(ValueError, match="at least 16x16"):
        draw_scene(1, size=8)


def test_a_scene_is_a_function_of_seed_and_index() -> None:
    def digest(index: int, seed: int) -> str:
        scene = draw_scene(index, size=48, seed=seed)
        return hashlib.sha256(scene.summer.tobytes() + scene.winter.tobytes() + scene.mask.tobytes()).hexdigest()

    assert digest(3, 0) == digest(3, 0)
    assert len({digest(index, seed) for index in range(4) for seed in range(3)}) == 12


def test_every_class_appears_and_seasons_differ() -> None:
    scenes = [draw_scene(index, size=64) for index in range(30)]
    seen = np.unique(np.concatenate([scene.mask.ravel() for scene in scenes]))
    assert seen.tolist() == list(range(len(CLASSES)))
    ground = [scene.mask == CLASSES.index("ground") for scene in scenes]
    summer = np.concatenate([scene.summer[where] for scene, where in zip(scenes, ground, strict=True)])
    winter = np.concatenate([scene.winter[where] for scene, where in zip(scenes, ground, strict=True)])
    assert summer.mean(axis=0)[1] > summer.mean(axis=0)[2] + 40, "summer ground is green"
    assert winter.mean() > 180, "winter ground is white"
