"""Networks that segment: the classic U-Net, and all architectures and encoders of segmentation-models-pytorch.

All of them take ``(N, 3, H, W)`` in [-1, 1], like every network here, and give logits ``(N, classes, H, W)``. Inside
`Segmenter` the input is brought to what ImageNet encoders expect.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from gantool.errors import ModelError, closest
from gantool.nets.segmenter_table import SEGMENTERS, SegmenterSpec
from gantool.nets.unet_classic import ClassicUnet

__all__ = ["Segmenter", "build_segmenter", "encoder_names", "parse_groups"]

_DECODER = (256, 128, 64, 32, 16)  # channels by level, as segmentation-models-pytorch has them
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def encoder_names() -> list[str]:
    """The encoders by name, without those of timm (``tu-NAME``)."""
    import segmentation_models_pytorch as smp

    return [name for name in smp.encoders.get_encoder_names() if not name.startswith("timm-")]


class Segmenter(nn.Module):
    """A network with what it expects of its input in front.

    Attributes:
        groups: outputs of the network that are one class of this one; empty where each is.
    """

    groups: tuple[tuple[int, ...], ...] = ()

    def __init__(self, net: nn.Module, multiple_of: int, smallest: int) -> None:
        super().__init__()
        self.net = net
        self.multiple_of, self.smallest = multiple_of, smallest  # height and width
        # x in [-1, 1] is (x + 1) / 2 in [0, 1]; then (v - mean) / std.
        scale = [0.5 / std for std in _STD]
        shift = [(0.5 - mean) / std for mean, std in zip(_MEAN, _STD, strict=True)]
        self.register_buffer("scale", torch.tensor(scale).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", torch.tensor(shift).view(1, 3, 1, 1), persistent=False)

    scale: Tensor
    shift: Tensor

    @property
    def encoder(self) -> nn.Module | None:
        """The part that can start from ImageNet weights."""
        encoder = getattr(self.net, "encoder", None)
        return encoder if isinstance(encoder, nn.Module) else None

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x * self.scale + self.shift)
        if not self.groups:
            return logits
        # The softmax of these is the sum of the softmax over each group.
        return torch.cat([logits[:, list(group)].logsumexp(1, keepdim=True) for group in self.groups], 1)


def parse_groups(text: str, outputs: int) -> tuple[tuple[int, ...], ...]:
    """Read which outputs are one class: ``"0;2,3;1"`` are three classes, the second of two outputs.

    Raises:
        ValueError: it is something else, or not every output is in one group.
    """
    groups = tuple(tuple(int(number) for number in group.split(",")) for group in text.split(";"))
    if sorted(number for group in groups for number in group) != list(range(outputs)):
        raise ValueError(f"groups: {text[:60]} does not hold each of {outputs} outputs once")
    return groups


def build_segmenter(
    architecture: str,
    *,
    classes: int,
    encoder: str | None = None,
    encoder_depth: int | None = None,
    output_stride: int | None = None,
    decoder_width: int | None = None,
    width: int = 64,
    depth: int = 4,
    groups: str = "",
) -> Segmenter:
    """Build a segmenter with random weights.

    Args:
        classes: outputs; 1 for two classes with one output.
        encoder: required but for ``unet``, which without one is the classic U-Net.
        encoder_depth: halvings in the encoder of a U-Net, of 5.
        output_stride: of DeepLab and PAN.
        decoder_width: channels of the decoder; for a U-Net of its widest level.
        width, depth: of the classic U-Net.
        groups: which outputs are one class, see `parse_groups`; empty if each is.

    Raises:
        ModelError: no such architecture or encoder, or a combination that does not exist.
        ValueError: groups that do not fit the outputs.
    """
    made = _build(architecture, classes, encoder, encoder_depth, output_stride, decoder_width, width, depth)
    if groups:
        made.groups = parse_groups(groups, classes)
    return made


def _build(
    architecture: str,
    classes: int,
    encoder: str | None,
    encoder_depth: int | None,
    output_stride: int | None,
    decoder_width: int | None,
    width: int,
    depth: int,
) -> Segmenter:
    if architecture not in SEGMENTERS:
        raise ModelError(f'There is no architecture "{architecture}".', closest(architecture, SEGMENTERS))
    spec = SEGMENTERS[architecture]
    if encoder is None:
        if architecture != "unet":
            raise ModelError(f"{architecture}: needs an encoder.", f"Name one: {architecture}-resnet50.")
        return Segmenter(ClassicUnet(classes, width=width, depth=depth), 2**depth, 2**depth)
    options: dict[str, Any] = {}
    nested = spec.width_key == "decoder_channels" and architecture in ("unet", "unetplusplus", "manet")
    halvings = 5
    if encoder_depth is not None:
        if not nested:
            raise ModelError(f"model.encoder_depth: {architecture} has no such option.", "unet has.")
        halvings = encoder_depth
        options |= {"encoder_depth": halvings, "decoder_channels": _DECODER[-halvings:]}
    if output_stride is not None:
        if output_stride not in spec.strides:
            known = f"it takes {' or '.join(map(str, spec.strides))}" if spec.strides else "it has no such option"
            raise ModelError(f"model.output_stride: {output_stride} does not fit {architecture}, {known}.")
        options["encoder_output_stride"] = output_stride
    if decoder_width is not None:
        if not spec.width_key:
            raise ModelError(f"model.decoder_width: {architecture} has no such option.")
        options[spec.width_key] = (
            [max(decoder_width // 2**n, 8) for n in range(halvings)] if nested else decoder_width
        )
    net = _build_smp(architecture, spec, encoder, classes, options)
    if encoder_depth is None:
        return Segmenter(net, spec.multiple_of, spec.smallest)
    return Segmenter(net, 2**halvings, 2**halvings)


def _drop_unused_parts(net: nn.Module) -> None:
    """Take out what no output depends on: most encoders keep the stages after the last one that is used."""
    with torch.enable_grad():
        net.eval()(torch.zeros(1, 3, 64, 64)).sum().backward()
    for parent in list(net.modules()):
        for name, part in parent.named_children():
            parameters = list(part.parameters())
            if parameters and all(parameter.grad is None for parameter in parameters):
                setattr(parent, name, nn.Identity())
    net.zero_grad(set_to_none=True)
    net.train()


def _build_smp(
    architecture: str, spec: SegmenterSpec, encoder: str, classes: int, options: dict[str, Any]
) -> nn.Module:
    import segmentation_models_pytorch as smp

    known = encoder_names()
    if not encoder.startswith("tu-") and encoder not in smp.encoders.get_encoder_names():
        raise ModelError(f'There is no encoder "{encoder}".', closest(encoder, known))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net: nn.Module = getattr(smp, spec.title)(
                encoder_name=encoder, encoder_weights=None, classes=classes, **options
            )
            if "encoder_depth" in options:
                _drop_unused_parts(net)
    except (KeyError, ValueError, RuntimeError, NotImplementedError, TypeError, AssertionError) as error:
        text = (str(error).splitlines() or [type(error).__name__])[0].strip("'\" ")
        raise ModelError(f"{architecture}-{encoder}: cannot be built ({text[:200]}).") from None
    return net
