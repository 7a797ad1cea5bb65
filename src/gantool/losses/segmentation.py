"""Losses between logits and label maps, for one class per pixel, two classes, or several at once.

Every function takes ``logits`` ``(N, C, H, W)`` (``C`` is 1 for two classes with one output) and ``target``
``(N, H, W)`` int64 with indices from 0 on and `IGNORE`, computes in float32, leaves ignored pixels out, and is 0
with a gradient of 0 where all of them are. Classes that a batch does not show count for nothing in the region losses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from gantool.arrays import IGNORE

__all__ = [
    "Mode",
    "SegmentationLoss",
    "bce",
    "cross_entropy",
    "dice",
    "focal",
    "focal_tversky",
    "lovasz",
    "one_hot_planes",
    "probabilities",
    "tversky",
]

Mode = Literal["multiclass", "binary", "multilabel"]
_TINY = 1e-7


def probabilities(logits: Tensor, mode: Mode) -> Tensor:
    """Turn logits into probabilities of the same shape: softmax over classes, or each output by itself."""
    return logits.float().softmax(1) if mode == "multiclass" else logits.float().sigmoid()


def one_hot_planes(target: Tensor, channels: int, mode: Mode) -> tuple[Tensor, Tensor]:
    """Return float planes ``(N, channels, H, W)``, zero where ignored, and ``(N, 1, H, W)`` with 1 for valid pixels.

    With one output the plane is that of class 1.
    """
    valid = (target != IGNORE).unsqueeze(1)
    if mode == "binary":
        planes = (target == 1).unsqueeze(1)
    else:
        planes = target.unsqueeze(1) == torch.arange(channels, device=target.device).view(1, -1, 1, 1)
    return (planes & valid).float(), valid.float()


def cross_entropy(
    logits: Tensor, target: Tensor, mode: Mode, *, weight: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """``-log p[target]``, weighted by class and averaged over the weights of the valid pixels; else `bce`."""
    if mode != "multiclass":
        return bce(logits, target, mode, weight=weight)
    logits = logits.float()
    loss = F.cross_entropy(
        logits, target, weight=weight, ignore_index=IGNORE, reduction="none", label_smoothing=smoothing
    )
    valid = target != IGNORE
    share = valid.float() if weight is None else weight[target.where(valid, torch.zeros_like(target))] * valid
    return loss.sum() / share.sum().clamp(min=_TINY)


def bce(logits: Tensor, target: Tensor, mode: Mode, *, weight: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of every output against its plane, averaged over valid pixels and outputs."""
    planes, valid = one_hot_planes(target, logits.shape[1], mode)
    loss = F.binary_cross_entropy_with_logits(logits.float(), planes, reduction="none")
    return _mean(loss, valid, _per_pixel(weight, planes, mode))


def focal(logits: Tensor, target: Tensor, mode: Mode, *, gamma: float = 2.0, weight: Tensor | None = None) -> Tensor:
    """``-(1 - p_t)^gamma log p_t`` (Lin et al. 2017, equation 4), averaged over valid pixels (and outputs)."""
    planes, valid = one_hot_planes(target, logits.shape[1], mode)
    if mode == "multiclass":
        log_p = (logits.float().log_softmax(1) * planes).sum(1, keepdim=True)
    else:
        log_p = -F.binary_cross_entropy_with_logits(logits.float(), planes, reduction="none")
    loss = -((1 - log_p.exp()).clamp(min=0) ** gamma) * log_p
    return _mean(loss, valid, _per_pixel(weight, planes, mode, summed=mode == "multiclass"))


def dice(logits: Tensor, target: Tensor, mode: Mode) -> Tensor:
    """``1 - 2 TP / (2 TP + FP + FN)`` with soft counts over the batch (Milletari et al. 2016), seen classes' mean."""
    return tversky(logits, target, mode, alpha=0.5)


def tversky(logits: Tensor, target: Tensor, mode: Mode, *, alpha: float = 0.3) -> Tensor:
    """``1 - TP / (TP + alpha FP + (1 - alpha) FN)`` (Salehi et al. 2017, equation 3), mean of the seen classes."""
    index, seen = _tversky_index(logits, target, mode, alpha)
    return ((1 - index) * seen).sum() / seen.sum().clamp(min=1)


def focal_tversky(logits: Tensor, target: Tensor, mode: Mode, *, alpha: float = 0.3, gamma: float = 0.75) -> Tensor:
    """``(1 - TI)^gamma`` with the Tversky index TI (Abraham and Khan 2018, equation 4, who write 1 / gamma)."""
    index, seen = _tversky_index(logits, target, mode, alpha)
    # The slope of x^0.75 at 0 is infinite; a perfect class must not turn the gradient into nan.
    return ((1 - index).clamp(min=_TINY) ** gamma * seen).sum() / seen.sum().clamp(min=1)


def lovasz(logits: Tensor, target: Tensor, mode: Mode) -> Tensor:
    """The Lovasz extension of the Jaccard loss (Berman et al. 2018): softmax over the seen classes, or hinge.

    Raises:
        ValueError: for several labels per pixel, which it is not defined for.
    """
    if mode == "multilabel":
        raise ValueError("lovasz is not defined for several labels per pixel")
    valid = (target != IGNORE).reshape(-1)
    flat = logits.float().movedim(1, -1).reshape(-1, logits.shape[1])[valid]
    labels = target.reshape(-1)[valid]
    if labels.numel() == 0:
        return logits.float().sum() * 0
    if mode == "binary":
        signs = (labels == 1).float() * 2 - 1
        errors, order = (1 - flat[:, 0] * signs).sort(descending=True)
        return torch.dot(F.relu(errors), _lovasz_gradient((labels == 1).float()[order]))
    probability = flat.softmax(1)
    losses = []
    for index in labels.bincount().nonzero().flatten().tolist():
        here = (labels == index).float()
        errors, order = (here - probability[:, index]).abs().sort(descending=True)
        losses.append(torch.dot(errors, _lovasz_gradient(here[order])))
    return torch.stack(losses).mean()


def _lovasz_gradient(sorted_truth: Tensor) -> Tensor:
    """Algorithm 1 of the paper: the slope of the Jaccard loss at errors in falling order."""
    total = sorted_truth.sum()
    intersection = total - sorted_truth.cumsum(0)
    union = total + (1 - sorted_truth).cumsum(0)
    jaccard = 1 - intersection / union
    return torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])


def _tversky_index(logits: Tensor, target: Tensor, mode: Mode, alpha: float) -> tuple[Tensor, Tensor]:
    """The index ``(C,)`` and which classes the batch shows."""
    planes, valid = one_hot_planes(target, logits.shape[1], mode)
    guess = probabilities(logits, mode)
    if guess.device.type != "cpu" or not bool(valid.all()):  # multiplying by 1 is a pass over all; a GPU would wait
        guess = guess * valid
    over = (0, 2, 3)
    hits, guessed, there = (guess * planes).sum(over), guess.sum(over), planes.sum(over)
    index = hits / (hits + alpha * (guessed - hits) + (1 - alpha) * (there - hits)).clamp(min=_TINY)
    return index, (there > 0).float()


def _per_pixel(weight: Tensor | None, planes: Tensor, mode: Mode, *, summed: bool = False) -> Tensor | None:
    """Class weights at every pixel: of its class, or of every output."""
    if weight is None:
        return None
    if mode == "binary":
        return weight[1] * planes + weight[0] * (1 - planes)
    spread = weight.view(1, -1, 1, 1)
    return (planes * spread).sum(1, keepdim=True) if summed else spread.expand_as(planes)


def _mean(loss: Tensor, valid: Tensor, weight: Tensor | None) -> Tensor:
    share = valid.expand_as(loss) if weight is None else valid * weight
    return (loss * share).sum() / share.sum().clamp(min=_TINY)


@dataclass(frozen=True)
class SegmentationLoss:
    """A weighted sum of the losses above.

    Attributes:
        terms: weight by name.
        class_weights: ``(C,)`` for the losses that count pixels; two values with one output.
    """

    mode: Mode
    terms: Mapping[str, float]
    class_weights: Tensor | None = None
    smoothing: float = 0.0
    focal_gamma: float = 2.0
    tversky_alpha: float = 0.3
    tversky_gamma: float = 0.75

    def __call__(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the weighted terms by name."""
        weight = self.class_weights
        mode = self.mode
        table: dict[str, Callable[[], Tensor]] = {
            "cross_entropy": lambda: cross_entropy(logits, target, mode, weight=weight, smoothing=self.smoothing),
            "bce": lambda: bce(logits, target, mode, weight=weight),
            "dice": lambda: dice(logits, target, mode),
            "focal": lambda: focal(logits, target, mode, gamma=self.focal_gamma, weight=weight),
            "tversky": lambda: tversky(logits, target, mode, alpha=self.tversky_alpha),
            "focal_tversky": lambda: focal_tversky(
                logits, target, mode, alpha=self.tversky_alpha, gamma=self.tversky_gamma
            ),
            "lovasz": lambda: lovasz(logits, target, mode),
        }
        return {name: share * table[name]() for name, share in self.terms.items() if share > 0}
