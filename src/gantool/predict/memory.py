"""How much memory a network takes, and how much there is."""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

__all__ = ["bytes_per_pixel", "free_memory"]


def bytes_per_pixel(net: nn.Module, side: int, device: torch.device) -> float:
    """Estimate of the memory that a run in one piece takes, per pixel of the image.

    Measured on a small square image: a few copies of the largest layer output, and every output that a U-Net keeps.
    """
    largest, kept = 0, 0

    def note(_: nn.Module, __: object, output: object) -> None:
        nonlocal largest, kept
        if isinstance(output, Tensor):
            largest = max(largest, output.numel())
            kept += output.numel()

    leaves = [module for module in net.modules() if not list(module.children())]
    handles = [leaf.register_forward_hook(note) for leaf in leaves]
    channels = next(m.in_channels for m in leaves if isinstance(m, nn.Conv2d))
    with torch.no_grad():
        net(torch.zeros(1, channels, side, side, device=device))
    for handle in handles:
        handle.remove()
    return 4 * max(5 * largest, kept / 3) / side**2


def free_memory(device: torch.device) -> int:
    """What a one-piece run may take: half of what is free, at most 1.5 GB on a CPU."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What torch keeps for later, after a training step nearly everything, is free for us.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int((free + kept) * 0.6)
    limit = int(1.5 * 2**30)
    try:
        available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return limit
    return min(limit, max(available // 2, 2**28))
