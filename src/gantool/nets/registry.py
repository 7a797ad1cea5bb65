"""Every generator and discriminator that a settings file or a model file can name: a row here and its module.

Free of torch until one is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from gantool.errors import ModelError, closest

if TYPE_CHECKING:
    from torch import nn

__all__ = ["DISCRIMINATORS", "GENERATORS", "NetworkSpec", "build_discriminator", "build_generator"]


@dataclass(frozen=True)
class NetworkSpec:
    """A named network.

    Attributes:
        build: takes flat keywords and returns the module.
        options: the keywords that ``build`` takes beside channels and width.
        multiple_of: height and width must be multiples of this.
    """

    build: Callable[..., nn.Module]
    options: frozenset[str] = frozenset()
    multiple_of: int = 1


def _resnet(**options: Any) -> nn.Module:
    from gantool.nets.resnet import ResnetGenerator

    return ResnetGenerator(**options)


def _unet(**options: Any) -> nn.Module:
    from gantool.nets.unet import UnetGenerator

    return UnetGenerator(**options)


def _patch(**options: Any) -> nn.Module:
    from gantool.nets.patchgan import PatchDiscriminator

    return PatchDiscriminator(**options)


def _pixel(**options: Any) -> nn.Module:
    from gantool.nets.patchgan import PixelDiscriminator

    return PixelDiscriminator(**options)


def _resnet_spec(blocks: int, upsampling: str, **more: Any) -> NetworkSpec:
    build = partial(_resnet, blocks=blocks, upsampling=upsampling, **more)
    return NetworkSpec(build, frozenset({"norm", "padding", "activation", "dropout"}), 4)


def _unet_spec(levels: int) -> NetworkSpec:
    return NetworkSpec(partial(_unet, levels=levels), frozenset({"norm", "dropout"}), 2**levels)


GENERATORS: Mapping[str, NetworkSpec] = {
    "resnet_9blocks": _resnet_spec(9, "transpose"),  # the CycleGAN paper's, for 256 px and more
    "resnet_6blocks": _resnet_spec(6, "transpose"),  # the CycleGAN paper's, for 128 px
    "resnet_9blocks_resize": _resnet_spec(9, "resize"),
    "resnet_6blocks_resize": _resnet_spec(6, "resize"),
    "resnet_9blocks_antialias": _resnet_spec(9, "blur", downsampling="blur"),  # contrastive unpaired translation's
    "resnet_6blocks_antialias": _resnet_spec(6, "blur", downsampling="blur"),
    "resnet_light": _resnet_spec(4, "resize"),  # with model.width 16 fit for CPUs
    "resnet_light_skip": _resnet_spec(4, "resize", picture_skip=True),  # changes the picture
    "unet_32": _unet_spec(5),  # down to one pixel at 32 px
    "unet_64": _unet_spec(6),
    "unet_128": _unet_spec(7),
    "unet_256": _unet_spec(8),
    "unet_512": _unet_spec(9),
    "unet_1024": _unet_spec(10),
}

DISCRIMINATORS: Mapping[str, NetworkSpec] = {
    "basic": NetworkSpec(partial(_patch, layers=3), frozenset({"norm"})),  # PatchGAN of 70x70 patches
    "basic_antialias": NetworkSpec(partial(_patch, layers=3, antialias=True), frozenset({"norm"})),
    "n_layers": NetworkSpec(_patch, frozenset({"norm", "layers"})),  # PatchGAN with model.discriminator_layers
    "pixel": NetworkSpec(_pixel, frozenset({"norm"})),  # every pixel by itself
}


def build_generator(name: str, **options: Any) -> nn.Module:
    """Build a generator ``(N, in_channels, H, W) -> (N, out_channels, H, W)`` in [-1, 1].

    Raises:
        ModelError: unknown name, or a keyword that this network does not have.
    """
    return _build(GENERATORS, "generator", name, options)


def build_discriminator(name: str, **options: Any) -> nn.Module:
    """Build a discriminator from images to logits; see `build_generator`."""
    return _build(DISCRIMINATORS, "discriminator", name, options)


def _build(table: Mapping[str, NetworkSpec], kind: str, name: str, options: dict[str, Any]) -> nn.Module:
    if name not in table:
        raise ModelError(f'There is no {kind} "{name}".', closest(name, table))
    try:
        return table[name].build(**options)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{kind} {name}: {error}.") from None
