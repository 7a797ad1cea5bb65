"""Networks as runners."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import nn

from gantool.arrays import Floats, Pixels
from gantool.cores import tell_torch
from gantool.nets.convolutions import Convolution, TransposedConvolution
from gantool.predict.memory import bytes_per_pixel, free_memory
from gantool.predict.runner import Strips
from gantool.predict.strips import can_walk, run_in_strips

__all__ = ["LiveRunner", "stored_as_cast"]

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_MEASURED_SIDE = 32
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d, Convolution, TransposedConvolution)


def stored_as_cast(net: nn.Module, precision: str) -> nn.Module:
    """Store the weights of convolutions as autocast would cast them anew for every picture: the results are the same.

    Other subclasses of convolutions and parametrized ones, which may compute with their weights, are left.

    Args:
        net: is changed.
        precision: ``bf16`` or ``fp16``; with others nothing is done.
    """
    kind = _TYPES.get(precision)
    for module in net.modules() if kind is not None else ():
        if type(module) in _CONVOLUTIONS:
            module.to(kind)
    return net


class LiveRunner:
    """A network that gives ``(N, C', H, W)`` for ``(N, C, H, W)`` float32 in [-1, 1]; see `Runner`.

    Args:
        net: is set to eval mode and moved to ``device``.
        multiple_of, smallest: what it needs of height and width.
        precision: ``fp32``, ``bf16`` or ``fp16``; ``ambient`` for that of the autocast region around a call.
        memory: bytes that a run may take; default a part of what is free.
    """

    fixed: tuple[int, int] | None = None
    batches = True

    def __init__(
        self,
        net: nn.Module,
        *,
        multiple_of: int = 4,
        smallest: int = 16,
        device: torch.device | str = "cpu",
        precision: str = "fp32",
        memory: int | None = None,
    ) -> None:
        self._device = torch.device(device)
        self.net = net.eval().to(self._device)
        self.multiple_of, self.smallest = multiple_of, smallest
        self.device, self.precision = str(device), precision
        self._type = _TYPES.get(precision)
        self._memory = memory if memory is not None else free_memory(self._device)

    @cached_property
    def most_pixels(self) -> float:
        side = max(2 * self.multiple_of, self.smallest, _MEASURED_SIDE)
        with self._autocast():
            return self._memory / max(bytes_per_pixel(self.net, side, self._device), 1.0)

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.net.parameters())

    @property
    def strips(self) -> Strips | None:
        return partial(run_in_strips, self.net, precision=self._type) if can_walk(self.net) else None

    @torch.no_grad()
    def __call__(self, images: Pixels) -> Floats:
        tell_torch()
        batch = torch.from_numpy(np.array(images, order="C")).to(self._device)
        values = batch.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0).contiguous()
        with self._autocast():
            made = self.net(values)
        return made.float().cpu().numpy()  # type: ignore[no-any-return]

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.precision == "ambient":
            return nullcontext()
        return torch.autocast(self._device.type, dtype=self._type or torch.bfloat16, enabled=self._type is not None)
