"""Torch's fused Adam on a CPU, for weights in channels-last layout.

It goes through weights, gradients and moments in the order of their storage, which is right wherever their layouts
are the same. But it also copies each gradient that is not contiguous, and does not use the copy (torch 2.14): that is
half of its time, and a twentieth of a U-Net's step.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim import Optimizer

__all__ = ["without_copies"]

_MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")


def without_copies(optimizer: Optimizer) -> None:
    """During its steps show a fused optimizer contiguous views of weights, gradients and moments, as they are stored.

    May be called again for the same optimizer, and does nothing for others.
    """
    if not optimizer.defaults.get("fused"):
        return
    turned: list[nn.Parameter] = []

    def before(*_: object) -> None:
        if turned:  # the last step failed
            after()
        chosen = (one for group in optimizer.param_groups for one in group["params"] if _is_stored_by_pixels(one))
        turned.extend(chosen)
        _turn(optimizer, turned, (0, 2, 3, 1))

    def after(*_: object) -> None:
        _turn(optimizer, turned, (0, 3, 1, 2))
        turned.clear()

    optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(after)


def _is_stored_by_pixels(parameter: nn.Parameter) -> bool:
    """Whether weight and gradient are both in channels-last layout and in no other."""
    return parameter.dim() == 4 and all(
        one is not None
        and one.stride() == parameter.stride()
        and not one.is_contiguous()
        and _by_pixels(one).is_contiguous()
        for one in (parameter, parameter.grad)
    )


def _by_pixels(values: Tensor) -> Tensor:
    return values.permute(0, 2, 3, 1)


def _turn(optimizer: Optimizer, parameters: list[nn.Parameter], order: tuple[int, ...]) -> None:
    for parameter in parameters:
        gradient, parameter.grad = parameter.grad, None
        parameter.data = parameter.data.permute(order)
        parameter.grad = gradient.permute(order) if gradient is not None else None
        state = optimizer.state[parameter]
        for name in _MOMENTS:
            if name in state:
                state[name] = state[name].permute(order)
