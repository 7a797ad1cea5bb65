from __future__ import annotations

from pathlib import Path

import pytest

from gantool.errors import UsageError
from gantool.settings import to_yaml
from gantool.workflows.plan_training import TrainOptions, plan_training


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Where `write` puts what ``--write-settings`` would."""
    return tmp_path / "my.yaml"


def write(path: Path, model: str, **options: object) -> None:
    path.write_text(to_yaml(plan_training(TrainOptions(model, **options)).settings), "utf-8")  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [None, "photos"])
@pytest.mark.parametrize(
    "model", ["cyclegan", "cyclegan-light", "cyclegan-seasons", "pix2pix", "unet", "unet-resnet50", "fpn-resnet18"]
)
def test_a_settings_file_of_the_same_name_passes_silently(model: str, data: str | None, written: Path) -> None:
    write(written, model, data=data)
    assert plan_training(TrainOptions(model, config=written)).notes == ()
    text = written.read_text("utf-8")
    written.write_text(text.replace("\n  epochs:", "\n  epochs: 3 #").replace("\n  lr:", "\n  lr: 1e-3 #"), "utf-8")
    plan = plan_training(TrainOptions(model, config=written, assignments=["train.seed=3"]))
    assert (plan.notes, plan.settings.train.epochs, plan.settings.optimizer.lr) == ((), 3, 1e-3)


def test_a_settings_file_with_another_network_is_told(written: Path) -> None:
    write(written, "cyclegan", data="photos")
    plan = plan_training(TrainOptions("cyclegan-light", config=written))
    assert plan.notes == (
        f"{written}: the network is not that of cyclegan-light: model.generator is resnet_9blocks instead of "
        "resnet_light, model.width is 64 instead of 16, model.discriminator_width is 64 instead of 32.",
    )


def test_settings_of_the_sample_are_another_network_on_other_data(written: Path) -> None:
    write(written, "cyclegan")
    (note,) = plan_training(TrainOptions("cyclegan", config=written, data="photos")).notes
    assert "model.generator is resnet_light instead of resnet_9blocks" in note
    written.write_text("model: {generator: resnet_9blocks, width: 64}", "utf-8")
    assert plan_training(TrainOptions("cyclegan", config=written)).notes == (), "the sample may have the paper's, too"


def test_a_file_that_extends_another_model_is_told(written: Path) -> None:
    written.write_text("extends: cyclegan-light\n", "utf-8")
    (note,) = plan_training(TrainOptions("cyclegan", config=written, data="photos")).notes
    assert "model.width is 16 instead of 64" in note


def test_what_is_set_by_hand_is_meant(written: Path) -> None:
    written.write_text("train: {epochs: 3}\nmodel: {width: 8}\n", "utf-8")
    options = TrainOptions("cyclegan-light", config=written, assignments=["model.width=24"])
    assert plan_training(options).notes == ()
    assert plan_training(TrainOptions("cyclegan-light", assignments=["model.width=24"])).notes == ()


def test_a_name_with_an_encoder_has_no_other(written: Path) -> None:
    write(written, "fpn-resnet18")
    with pytest.raises(UsageError, match=r"my\.yaml: model\.architecture is fpn, but that of unet is unet\."):
        plan_training(TrainOptions("unet", config=written))
    with pytest.raises(
        UsageError, match=r"my\.yaml: model\.encoder is resnet18, but that of fpn-resnet50 is resnet50"
    ):
        plan_training(TrainOptions("fpn-resnet50", config=written))
    options = TrainOptions("fpn-resnet18", config=written, assignments=["model.encoder=resnet34"])
    with pytest.raises(
        UsageError, match=r"--set: model\.encoder is resnet34, but that of fpn-resnet18 is resnet18\."
    ):
        plan_training(options)


@pytest.mark.parametrize(("asked", "expected"), [(None, "landscape"), ("none", None), ("unet-1", "unet-1")])
def test_a_preset_may_start_from_a_model(asked: str | None, expected: str | None) -> None:
    assert plan_training(TrainOptions("segmentation-small", init_from=asked)).init_from == expected
    assert plan_training(TrainOptions("unet", init_from=asked)).init_from == (None if asked is None else expected)
