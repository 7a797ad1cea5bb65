"""pix2pix: translation learned from pairs."""

from __future__ import annotations

from collections.abc import Callable

from gantool.methods.base import Method, MethodSpec, ModelName, presets_in
from gantool.methods.pix2pix.settings import Pix2PixSettings

__all__ = ["SPEC"]


def _load() -> Callable[..., Method]:
    from gantool.methods.pix2pix.method import Pix2PixMethod

    return Pix2PixMethod


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
)
