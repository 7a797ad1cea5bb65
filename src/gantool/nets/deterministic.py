"""Batch norm that was trained with one image at a time, made independent of a batch.

With batch size 1 batch norm is instance norm with the same scale and shift: the statistics are those of the one
image. Its running averages mix those of many and fit none, so a network trained that way is used with its scale and
shift but each image's own statistics. The reference runs pix2pix in training mode for the same reason.
"""

from __future__ import annotations

import copy

from torch import nn

__all__ = ["with_instance_norm"]


def with_instance_norm(net: nn.Module) -> nn.Module:
    """Return a copy with every `BatchNorm2d` replaced by an affine `InstanceNorm2d` of the same weights."""
    changed = copy.deepcopy(net)
    for module in changed.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                norm = nn.InstanceNorm2d(child.num_features, eps=child.eps, affine=True, track_running_stats=False)
                norm.weight, norm.bias = child.weight, child.bias
                setattr(module, name, norm.train(child.training))
    return changed
