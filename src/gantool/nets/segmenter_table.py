"""The architectures of segmenters by name; free of torch, so that names can be checked before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["SEGMENTERS", "SegmenterSpec", "split_name"]


@dataclass(frozen=True)
class SegmenterSpec:
    """A named architecture and its limits.

    Attributes:
        title: class of segmentation-models-pytorch.
        width_key: its keyword for the decoder's channels; empty where it has none.
        pooled: whether a branch sees the whole image as one pixel, so that batch norm needs two images in a batch.
        multiple_of: height and width must be multiples of this.
        strides: output strides that it can be built with, where it can be.
        smallest: height and width must be at least this.
        why_one_size: why it is exported at one size; empty where files take any.
    """

    title: str
    width_key: str = ""
    pooled: bool = False
    multiple_of: int = 32
    strides: tuple[int, ...] = ()
    smallest: int = 32
    why_one_size: str = ""


_TRACED = "its pooled branches are traced for one size"

SEGMENTERS: Mapping[str, SegmenterSpec] = {
    "unet": SegmenterSpec("Unet", "decoder_channels"),  # 2015; without an encoder the classic one
    "unetplusplus": SegmenterSpec("UnetPlusPlus", "decoder_channels"),  # 2018, nested skips
    "manet": SegmenterSpec("MAnet", "decoder_channels"),  # 2020, U-Net with attention
    "linknet": SegmenterSpec("Linknet"),  # 2017, added skips
    "fpn": SegmenterSpec("FPN", "decoder_pyramid_channels"),  # 2017, feature pyramid
    "pspnet": SegmenterSpec("PSPNet", "psp_out_channels", pooled=True, why_one_size=_TRACED),  # 2017, pyramid pooling
    "deeplabv3": SegmenterSpec("DeepLabV3", "decoder_channels", pooled=True, strides=(8, 16)),  # 2017
    "deeplabv3plus": SegmenterSpec("DeepLabV3Plus", "decoder_channels", pooled=True, strides=(8, 16)),  # 2018
    "pan": SegmenterSpec(  # 2018, pyramid attention
        "PAN", "decoder_channels", pooled=True, strides=(16, 32), smallest=128,
        why_one_size="its attention was found wrong at some sizes",
    ),
    "upernet": SegmenterSpec("UPerNet", "decoder_channels", pooled=True, why_one_size=_TRACED),  # 2018
    "segformer": SegmenterSpec("Segformer", "decoder_segmentation_channels"),  # 2021, the decoder
    # 2021, for tu-vit encoders at their own size
    "dpt": SegmenterSpec("DPT", why_one_size="its encoder takes one size"),
}  # fmt: skip
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
