"""Distillation: a light generator that learns what another model makes of pictures."""

from __future__ import annotations

from collections.abc import Callable

from gantool.methods.base import Method, MethodSpec, ModelName, presets_in
from gantool.methods.distill.settings import DistillSettings

__all__ = ["SPEC"]


def _load() -> Callable[..., Method]:
    from gantool.methods.distill.method import DistillMethod

    return DistillMethod


SPEC = MethodSpec(
    name="distill",
    settings=DistillSettings,
    presets=presets_in(__name__, "distill", "distill-sample"),
    models={"distill": "a light generator that learns one direction of another model (train --distill MODEL)"},
    resolve=lambda model: ModelName("distill", sample="distill-sample") if model == "distill" else None,
    like=lambda model: ("distill",),
    refused={"model.encoder_weights": "--encoder-weights: {model} has no encoder to load."},
    load=_load,
)
