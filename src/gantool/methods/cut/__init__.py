"""CUT and FastCUT: translation into one domain without pairs, by contrasts between patches."""

from __future__ import annotations

from collections.abc import Callable

from gantool.methods.base import Method, MethodSpec, ModelName, presets_in
from gantool.methods.cut.settings import CutSettings

__all__ = ["SPEC"]

_MODELS = {
    "cut": "unpaired translation in one direction, by contrasts of patches (anti-aliased ResNet and PatchGAN)",
    "fastcut": "the same, lighter: no identity, mirrored pictures; for larger data sets",
    "cut-light": "the same method with a generator that a CPU trains in hours",
    "cut-seasons": "the recipe of the built-in model for photographs, to winter (needs its data set)",
}


def _load() -> Callable[..., Method]:
    from gantool.methods.cut.method import CutMethod

    return CutMethod


def _resolve(model: str) -> ModelName | None:
    sample = "fastcut-sample" if model == "fastcut" else "cut-sample"
    return ModelName(model, sample) if model in _MODELS else None


SPEC = MethodSpec(
    name="cut",
    settings=CutSettings,
    presets=presets_in(__name__, *sorted([*_MODELS, "cut-sample", "fastcut-sample"])),
    models=_MODELS,
    resolve=_resolve,
    like=lambda model: tuple(_MODELS),
    refused={"model.encoder_weights": "--encoder-weights: {model} has no encoder to load."},
    load=_load,
)
