"""What becomes of the settings of a segmenter."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gantool.arrays import IGNORE, color_table
from gantool.cards import Architecture, Card, LabelClass
from gantool.engine.runtime import Runtime
from gantool.errors import ModelError, SettingsError
from gantool.methods.registry import load_settings, make_method
from gantool.methods.segmentation.data import class_frequencies
from gantool.methods.segmentation.method import SegmentationMethod, _confusion, _flat, _optimizer
from gantool.methods.segmentation.settings import Loss
from gantool.models.formats.native import save_model
from gantool.nets.segmenters import build_segmenter
from gantool.report.gallery import Gallery

TINY: dict[str, Any] = {
    "model.width": 2, "model.depth": 1, "data.size": 32, "data.load_size": 32, "data.scenes": 2,
    "data.test_scenes": 2, "runtime.device": "cpu", "runtime.precision": "fp32", "runtime.workers": 0,
}  # fmt: skip
ENCODER = {"model.encoder": "resnet18", "model.encoder_weights": "none", "model.decoder_width": 16}


def method(**settings: Any) -> SegmentationMethod:
    tiny = {"model.architecture": "unet", "model.encoder": None, "model.encoder_weights": "none"} | TINY
    made = make_method(load_settings("segmentation-sample", base=tiny | settings))
    assert isinstance(made, SegmentationMethod)
    return made


def test_every_option_of_the_loss_reaches_the_objective() -> None:
    made = method(**{
        "loss.terms": {"focal": 2.0, "cross_entropy": 1.0}, "loss.class_weights": {"sky": 3.0},
        "loss.label_smoothing": 0.1, "loss.focal_gamma": 3.0, "loss.tversky_alpha": 0.6, "loss.tversky_gamma": 0.5,
    })  # fmt: skip
    loss = made.task(Runtime("cpu", 1, "fp32"), fresh=True).loss
    assert dict(loss.terms) == {"focal": 2.0, "cross_entropy": 1.0}
    assert (loss.smoothing, loss.focal_gamma, loss.tversky_alpha, loss.tversky_gamma) == (0.1, 3.0, 0.6, 0.5)
    assert loss.class_weights is not None
    assert loss.class_weights.tolist() == [3.0 if name == "sky" else 1.0 for name in made.data.classes]
    assert (
        method(**{"loss.class_weights": None}).task(Runtime("cpu", 1, "fp32"), fresh=True).loss.class_weights is None
    )


def test_what_is_not_said_is_the_papers() -> None:
    assert {name: field.default for name, field in Loss.model_fields.items() if name != "terms"} == {
        "class_weights": None, "label_smoothing": 0.0, "focal_gamma": 2.0, "tversky_alpha": 0.3, "tversky_gamma": 0.75
    }  # fmt: skip


def test_rare_classes_weigh_more() -> None:
    """Half, a quarter and a quarter of the labelled pixels, and nothing of the rest; ENet's formula."""
    made = method(**{"loss.class_weights": "auto"})
    counts = np.zeros(256, np.int64)
    counts[[0, 1, 2, IGNORE]] = 200, 100, 100, 999
    made.data = replace(made.data, counts=np.stack([counts // 4, counts - counts // 4]))
    shares = [0.5, 0.25, 0.25] + [0.0] * (len(made.data.classes) - 3)
    assert class_frequencies(made.data).tolist() == shares
    plain = [1 / math.log(1.02 + share) for share in shares]
    scale = sum(share * weight for share, weight in zip(shares, plain, strict=True))
    assert made._class_weights() == pytest.approx([weight / scale for weight in plain])


@pytest.mark.parametrize("groups", ["", "0;1,2;3"])
def test_weights_of_other_classes_start_those_of_the_same_name(groups: str, tmp_path: Path) -> None:
    """The last layer gets the rows of its names, of merged classes their mean; all else is taken as it is."""
    names = ("water", "sky", "dragon") if groups else ("water", "sky", "dragon", "sun")
    options = {"classes": 4, "width": 2, "depth": 1} | ({"groups": groups} if groups else {})
    torch.manual_seed(5)
    theirs = build_segmenter("unet", **options)
    classes = tuple(LabelClass(name=name, color=(n, 0, 0)) for n, name in enumerate(names))
    card = Card(task="segmentation", classes=classes, architecture=Architecture(name="unet", options=options))
    save_model(tmp_path / "other.safetensors", {"segment": theirs}, card)
    made = method()
    net = made.task(Runtime("cpu", 1, "fp32"), fresh=False).nets()["segment"]
    before = {key: value.clone() for key, value in net.state_dict().items()}
    made.load_weights(tmp_path / "other.safetensors", {"segment": net})
    old, new = theirs.state_dict(), net.state_dict()
    heads = [key for key in new if "head" in key]
    assert len(heads) == 2
    assert all(torch.equal(new[key], old[key]) for key in new if key not in heads)
    rows = {"water": [0], "sky": [1, 2] if groups else [1], "sun": [] if groups else [3]}
    for key in heads:
        for n, name in enumerate(made.data.classes):
            expected = old[key][rows[name]].mean(0) if rows.get(name) else before[key][n]
            assert torch.allclose(new[key][n], expected), (key, name)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_decay_is_of_weights_alone_and_the_encoder_has_a_rate_of_its_own(name: str) -> None:
    made = method(**ENCODER, **{
        "optimizer.name": name, "optimizer.lr": 1e-2, "optimizer.encoder_lr": 1e-3, "optimizer.weight_decay": 0.05,
        "optimizer.betas": (0.8, 0.9),
    })  # fmt: skip
    task = made.task(Runtime("cpu", 1, "fp32"), fresh=True)
    net = task.nets()["segment"]
    assert isinstance(net.encoder, nn.Module)
    encoder = {id(parameter) for parameter in net.encoder.parameters()}
    optimizer = task.player.optimizer
    assert type(optimizer).__name__.lower() == name
    seen: set[int] = set()
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.05 if parameter.ndim > 1 else 0.0)
            assert group["lr"] == (1e-3 if id(parameter) in encoder else 1e-2)
            assert group.get("momentum", group.get("betas")) == (0.8 if name == "sgd" else (0.8, 0.9))
            seen.add(id(parameter))
    assert seen == {id(parameter) for parameter in net.parameters()}
    assert {parameter.ndim for parameter in net.parameters()} == {1, 4}


def test_weights_of_linear_layers_decay_too() -> None:
    """Those of transformers."""
    made = method(**{"optimizer.weight_decay": 0.05})
    net: Any = nn.Linear(2, 2)
    net.encoder = None
    groups = _optimizer(made.settings, net, Runtime("cpu", 1, "fp32")).param_groups
    assert {group["params"][0].ndim: group["weight_decay"] for group in groups} == {2: 0.05, 1: 0.0}


def test_a_frozen_encoder_stays_as_it_is() -> None:
    for freeze in (False, True):
        task = method(**ENCODER, **{"model.freeze_encoder": freeze}).task(Runtime("cpu", 1, "fp32"), fresh=True)
        net = task.nets()["segment"]
        assert isinstance(net.encoder, nn.Module)
        inside = {id(parameter) for parameter in net.encoder.parameters()}
        assert task.frozen == ((net.encoder,) if freeze else ())
        assert all(parameter.requires_grad is not freeze for parameter in net.encoder.parameters())
        assert all(parameter.requires_grad for parameter in net.parameters() if id(parameter) not in inside)
        moved = {id(parameter) for group in task.player.optimizer.param_groups for parameter in group["params"]}
        assert moved.isdisjoint(inside) is freeze


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model.freeze_encoder": True}, "the classic U-Net has no encoder"),
        ({"model.encoder_depth": 4}, "model.encoder_depth: the classic U-Net has no encoder"),
        ({"optimizer.encoder_lr": 1e-3}, "the classic U-Net has no encoder"),
        ({"model.architecture": "unett"}, 'there is no "unett"'),
        ({"data.size": 33}, "must be a multiple of 2 for unet, got 33. Use 32 or 34"),
        ({"model.mode": "binary"}, "binary needs two classes"),
        ({"loss.class_weights": {"skyy": 1.0}}, 'there is no class "skyy"'),
        (ENCODER | {"model.architecture": "pspnet", "train.batch_size": 1}, "at least 2 images per device, got 1"),
    ],
)
def test_what_cannot_be_trained_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        method(**settings)
    assert said in str(caught.value)


def test_encoder_weights_need_an_encoder_and_a_file() -> None:
    classic = {"model.architecture": "unet", "model.encoder": None, "model.encoder_weights": "imagenet"}
    with pytest.raises(SettingsError, match="--encoder-weights imagenet: the classic U-Net has no encoder"):
        make_method(load_settings("segmentation-sample", base=TINY | classic), fresh=True)
    missing = {"model.architecture": "unet", **ENCODER, "model.encoder_weights": "none.pth"}
    with pytest.raises(ModelError, match=r"--encoder-weights none\.pth: there is no such file"):
        make_method(load_settings("segmentation-sample", base=TINY | missing), fresh=True)


def test_scores_are_of_all_images_at_once_and_the_gallery_of_each() -> None:
    """Two rows of the second of two masks are taken for a class that they are not."""
    made = method()
    truths = [made.data.test[n][1] for n in range(2)]
    wrong = truths[1].copy()
    wrong[:2] = (wrong[:2] + 1) % 2
    found = iter([truths[0], wrong])
    gallery = Gallery("accuracy", higher_is_better=True)
    predict: Any = lambda pixels: SimpleNamespace(mask=next(found))  # noqa: E731
    scores = _confusion(predict, made.data.test, made.data, gallery).scores()
    right = int((truths[1] == wrong).sum())
    values = _flat(scores)
    assert values["accuracy"] == pytest.approx((32 * 32 + right) / (2 * 32 * 32))
    assert not any(math.isnan(value) for value in values.values())
    worst, best = gallery.images()
    assert (worst.value, best.value) == (right / 32**2, 1.0)
    table = color_table(made.data.colors)
    assert np.array_equal(worst.pictures["image"], made.data.test[1][0])
    assert np.array_equal(worst.pictures["prediction"], table[wrong])
    assert np.array_equal(worst.pictures["truth"], table[truths[1]])


def test_an_encoder_of_three_halvings_is_built_and_noted() -> None:
    made = method(**ENCODER, **{"model.encoder_depth": 3})
    card = made.task(Runtime("cpu", 1, "fp32"), fresh=True).card()
    assert (card.multiple_of, card.smallest) == (8, 8)
    assert card.architecture is not None
    assert card.architecture.options["encoder_depth"] == 3
