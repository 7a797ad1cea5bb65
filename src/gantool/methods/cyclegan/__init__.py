"""CycleGAN: translation between two domains without pairs."""

from __future__ import annotations

from collections.abc import Callable

from gantool.methods.base import Method, MethodSpec, ModelName, presets_in
from gantool.methods.cyclegan.settings import CycleGanSettings

__all__ = ["SPEC"]

_MODELS = {
    "cyclegan": "unpaired translation with the paper's networks (ResNet generators, 70x70 PatchGAN)",
    "cyclegan-light": "the same method with generators that a CPU trains in hours",
    "cyclegan-seasons": "the recipe of the built-in model for photographs, to summer (needs its data set)",
}


def _load() -> Callable[..., Method]:
    from gantool.methods.cyclegan.method import CycleGanMethod

    return CycleGanMethod


SPEC = MethodSpec(
    name="cyclegan",
    settings=CycleGanSettings,
    presets=presets_in(__name__, *sorted([*_MODELS, "cyclegan-sample"])),
    models=_MODELS,
    resolve=lambda model: ModelName(model, sample="cyclegan-sample") if model in _MODELS else None,
    like=lambda model: tuple(_MODELS),
    refused={
        "model.encoder_weights": "--encoder-weights: {model} has no encoder.",
        "data.to": "--to: {model} learns both directions.",
    },
    load=_load,
)
