"""gantool's generators as state dicts of the reference implementation."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from gantool.cards import Architecture
from gantool.errors import ModelError

__all__ = ["reference_state"]


def reference_state(net: nn.Module, architecture: Architecture) -> dict[str, Tensor]:
    """The weights under the reference's names.

    A network with affine instance norm becomes one with batch norm of the same scale and shift, which the reference
    tests with the statistics of the one image.

    Raises:
        ModelError: the reference has no such network.
    """
    name, options = architecture.name, architecture.options
    if not re.fullmatch(r"resnet_[69]blocks|unet_(128|256)", name):
        raise ModelError(
            f"{name}: the reference implementation has no such network.",
            "It has resnet_9blocks, resnet_6blocks, unet_256 and unet_128.",
        )
    if options.get("padding", "reflect") == "replicate" or options.get("activation", "relu") != "relu":
        raise ModelError(f"{name}: the reference implementation has no such padding or activation.")
    state = {key: value.detach().cpu().clone() for key, value in net.state_dict().items()}
    if options.get("norm") != "instance_affine":
        return state
    norms = [key for key, module in net.named_modules() if isinstance(module, nn.InstanceNorm2d)]
    for key in norms:
        count = len(state[f"{key}.weight"])
        state[f"{key}.running_mean"] = torch.zeros(count)
        state[f"{key}.running_var"] = torch.ones(count)
        state[f"{key}.num_batches_tracked"] = torch.tensor(0)
    return state
