from __future__ import annotations

from pathlib import Path

from gantool.cards import Card, LabelClass
from gantool.models.find import FoundModel
from gantool.workflows.evaluate.names import distinct_names


def test_models_of_one_name_are_told_apart() -> None:
    card = Card(task="segmentation", classes=(LabelClass(name="sky", color=(0, 0, 0)),))
    one, other, third = (
        FoundModel(Path(path, "model.safetensors"), card, Path(path).name)
        for path in ("a/unet-1", "b/unet-1", "unet-2")
    )
    assert distinct_names([one, third]) == ["unet-1", "unet-2"]
    assert distinct_names([one, other]) == [str(one.path), str(other.path)]
    assert distinct_names([one, one]) == ["unet-1", "unet-1"], "twice the same"
