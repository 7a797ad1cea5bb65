"""Semantic segmentation: a network that labels every pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gantool.methods.base import Method, MethodSpec, ModelName, presets_in
from gantool.methods.segmentation.settings import SegmentationSettings
from gantool.nets.segmenter_table import SEGMENTERS, split_name

__all__ = ["SPEC"]


def _load() -> Callable[..., Method]:
    from gantool.methods.segmentation.method import SegmentationMethod

    return SegmentationMethod


_RECIPES = {
    "segmentation-small": "a light U-Net for a few hundred labeled images or fewer, from the built-in segmenter's "
    "weights",
    "segmentation-landscape": "the recipe of the built-in segmenter (needs its data set)",
}
_INIT_FROM = {"segmentation-small": "landscape"}


def _resolve(model: str) -> ModelName | None:
    if model in _RECIPES:
        return ModelName(model, sample=model, init_from=_INIT_FROM.get(model))
    parts = split_name(model)
    if parts is None:
        return None
    architecture, encoder = parts
    network = {"model.architecture": architecture, "model.encoder": encoder}
    others = {} if encoder else {"model.encoder_weights": "none"}
    return ModelName("segmentation", "segmentation-sample", network, others)


def _like(model: str) -> Sequence[str]:
    """All architectures with the encoder that was asked for."""
    encoder = model.partition("-")[2] or "resnet50"
    return "unet", *_RECIPES, *(f"{architecture}-{encoder}" for architecture in SEGMENTERS)


SPEC = MethodSpec(
    name="segmentation",
    settings=SegmentationSettings,
    presets=presets_in(__name__, "segmentation", "segmentation-sample", *_RECIPES),
    models={
        "unet": "segmentation with the classic U-Net",
        "ARCH-ENCODER": "segmentation, such as unet-resnet50 or deeplabv3plus-resnet50: any architecture of "
        "segmentation-models-pytorch (unet, unetplusplus, manet, linknet, fpn, pspnet, deeplabv3, deeplabv3plus, "
        "pan, upernet, segformer, dpt) with any of its encoders, or tu-NAME for one of timm",
        **_RECIPES,
    },
    resolve=_resolve,
    like=_like,
    refused={
        "data.to": "--to: {model} labels pixels, it does not translate.",
        "data.domains": "--domain names two folders to translate between; a segmenter takes --data.",
        "data.names": "--domains names two kinds of pictures to translate between; a segmenter has classes.",
    },
    load=_load,
)
