"""The architectures of segmenters by name; free of torch, so that names can be checked before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["SEGMENTERS", "SegmenterSpec", "split_name"]


@dataclass(frozen=True)
class SegmenterSpec:
    """A named architecture.

    Attributes:
        title: class of segmentation-models-pytorch; empty for the classic U-Net.
        width_key: its keyword for the decoder's channels; empty where it has none.
        pooled: whether a branch sees the whole image as one pixel, so that batch norm needs two images in a batch.
        multiple_of: height and width must be multiples of this.
        smallest: and at least this.
    """

    about: str
    title: str = ""
    width_key: str = ""
    pooled: bool = False
    multiple_of: int = 32
    strides: tuple[int, ...] = ()
    smallest: int = 32


SEGMENTERS: Mapping[str, SegmenterSpec] = {
    "unet": SegmenterSpec("U-Net (2015); without an encoder the classic one", "Unet", "decoder_channels"),
    "unetplusplus": SegmenterSpec("U-Net++ (2018), nested skips", "UnetPlusPlus", "decoder_channels"),
    "manet": SegmenterSpec("MA-Net (2020), U-Net with attention", "MAnet", "decoder_channels"),
    "linknet": SegmenterSpec("LinkNet (2017), added skips", "Linknet"),
    "fpn": SegmenterSpec("FPN (2017), feature pyramid", "FPN", "decoder_pyramid_channels"),
    "pspnet": SegmenterSpec("PSPNet (2017), pyramid pooling", "PSPNet", "psp_out_channels", pooled=True),
    "deeplabv3": SegmenterSpec("DeepLabV3 (2017)", "DeepLabV3", "decoder_channels", pooled=True, strides=(8, 16)),
    "deeplabv3plus": SegmenterSpec(
        "DeepLabV3+ (2018)", "DeepLabV3Plus", "decoder_channels", pooled=True, strides=(8, 16)
    ),
    "pan": SegmenterSpec(
        "PAN (2018), pyramid attention", "PAN", "decoder_channels", pooled=True, strides=(16, 32), smallest=128
    ),
    "upernet": SegmenterSpec("UPerNet (2018)", "UPerNet", "decoder_channels", pooled=True),
    "segformer": SegmenterSpec("SegFormer (2021) decoder", "Segformer", "decoder_segmentation_channels"),
    "dpt": SegmenterSpec("DPT (2021), for tu-vit encoders at their own size", "DPT"),
}
"""Architectures by the name before the dash in ``unet-resnet50``."""


def split_name(name: str) -> tuple[str, str | None] | None:
    """Split ``unet-resnet50`` into architecture and encoder; None if the first part is no architecture.

    >>> split_name("unet-tu-convnext_tiny")
    ('unet', 'tu-convnext_tiny')
    """
    architecture, dash, encoder = name.partition("-")
    if architecture not in SEGMENTERS or (dash and not encoder) or (not dash and architecture != "unet"):
        return None
    return architecture, encoder or None
