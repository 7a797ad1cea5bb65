"""pix2pix: translation learned from pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gantool.methods.base import Method, MethodSpec, ModelName, presets_in
from gantool.methods.pix2pix.settings import Pix2PixSettings
from gantool.nets.registry import GENERATORS
from gantool.settings.schema import Settings

__all__ = ["SPEC"]


def _load() -> Callable[..., Method]:
    from gantool.methods.pix2pix.method import Pix2PixMethod

    return Pix2PixMethod


def _fitting(settings: Settings) -> Mapping[str, Any]:
    """The deepest U-Net, up to the preset's, that takes pictures of this size."""
    assert isinstance(settings, Pix2PixSettings)
    own, size = settings.model.generator, settings.data.size
    if own not in GENERATORS or size % GENERATORS[own].multiple_of == 0:
        return {}
    least = GENERATORS[own].multiple_of
    fit = [name for name, net in GENERATORS.items() if name.startswith("unet_") and net.multiple_of < least]
    fit = [name for name in fit if size % GENERATORS[name].multiple_of == 0]
    return {"model.generator": max(fit, key=lambda name: GENERATORS[name].multiple_of)} if fit else {}


SPEC = MethodSpec(
    name="pix2pix",
    settings=Pix2PixSettings,
    presets=presets_in(__name__, "pix2pix", "pix2pix-sample"),
    models={"pix2pix": "translation learned from pairs (U-Net generator, conditional 70x70 PatchGAN)"},
    resolve=lambda model: ModelName("pix2pix", sample="pix2pix-sample") if model == "pix2pix" else None,
    like=lambda model: ("pix2pix",),
    refused={"model.encoder_weights": "--encoder-weights: {model} has no encoder."},
    load=_load,
    paired=True,
    fitting=_fitting,
)
