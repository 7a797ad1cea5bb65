from __future__ import annotations

from typing import Any

import pytest

from gantool.errors import SettingsError
from gantool.methods.gan.networks import make_discriminator
from gantool.methods.gan.settings import GanSettings
from gantool.methods.registry import load_settings, make_method


def settings(**changes: Any) -> GanSettings:
    found = load_settings("cyclegan-sample", base={"data.scenes": 1, "data.test_scenes": 1, **changes})
    assert isinstance(found, GanSettings)
    return found


def test_what_is_not_said_is_the_papers() -> None:
    kinds = {name: kind.model_fields for name, kind in GanSettings.sections().items()}
    defaults = {f"{section}.{key}": field.default for section, keys in kinds.items() for key, field in keys.items()}
    expected = {
        "model.discriminator_layers": 3, "model.discriminator_norm": None, "model.dropout": False,
        "model.padding": "reflect", "model.activation": "relu", "model.init": "normal", "model.init_gain": 0.02,
        "data.channels": (3, 3), "data.holdout": 0.1, "augment.flip": True, "optimizer.name": "adam",
    }  # fmt: skip
    assert {key: defaults[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("key", "least", "most"),
    [("data.size", 16, 2**14), ("data.load_size", 1, 2**16), ("model.discriminator_layers", 1, 16),
     ("data.max_images", 1, 10**9)],
)  # fmt: skip
def test_bounds(key: str, least: int, most: int) -> None:
    for value in (least, most):
        settings(**{key: value})
    for value in (least - 1, most + 1):
        with pytest.raises(SettingsError, match=key.replace(".", r"\.")):
            settings(**{key: value})


def test_fractions_are_below_one() -> None:
    settings(**{"data.holdout": 0})
    for value in (-0.1, 1.0):
        with pytest.raises(SettingsError, match=r"data\.holdout"):
            settings(**{"data.holdout": value})
    with pytest.raises(SettingsError, match="at least 32 with batch norm"):
        settings(**{"model.norm": "batch", "data.size": 16})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data.size": 66, "data.load_size": 66}, "must be a multiple of 4 for .*, got 66. Use 64 or 68"),
        ({"model.generator": "unet_64", "model.padding": "zeros", "data.size": 64}, "unet_64 has no such option"),
        ({"model.discriminator": "basic", "data.size": 28, "data.load_size": 28},
         "must be at least 32 for a discriminator of 3 layers"),
        ({"model.discriminator": "n_layers", "model.discriminator_layers": 4, "data.size": 32},
         "must be at least 64 for a discriminator of 4 layers"),
        ({"data.load_size": 32, "data.size": 64}, r"must be at least data.size \(64\), got 32"),
        ({"augment.preprocess": "none", "train.batch_size": 2}, "which needs train.batch_size 1"),
        ({"augment.preprocess": "scale_width", "train.batch_size": 2}, "which needs train.batch_size 1"),
        ({"model.generator": "resnet_lihgt"}, 'there is no "resnet_lihgt"'),
    ],
)  # fmt: skip
def test_what_no_network_could_be_built_for(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        make_method(settings(**changes))


def test_what_just_fits() -> None:
    make_method(settings(**{"model.discriminator": "basic", "data.size": 32, "data.load_size": 32}))
    make_method(settings(**{"augment.preprocess": "none", "train.batch_size": 1, "data.size": 32}))


def test_the_discriminator_has_the_generators_norm_unless_told() -> None:
    def norms(**changes: Any) -> set[str]:
        small = {"model.discriminator_width": 2, "model.discriminator": "basic"}
        net = make_discriminator(settings(**small, **changes), 4)
        assert next(net.parameters()).shape[1] == 4
        return {type(module).__name__ for module in net.modules() if "Norm" in type(module).__name__}

    assert norms() == {"InstanceNorm"}
    assert norms(**{"model.norm": "batch"}) == {"BatchNorm2d"}
    assert norms(**{"model.discriminator_norm": "batch"}) == {"BatchNorm2d"}
    assert norms(**{"model.norm": "batch", "model.discriminator_norm": "instance"}) == {"InstanceNorm"}
    assert norms(**{"model.norm": "batch", "model.discriminator_norm": "spectral"}) == set()
