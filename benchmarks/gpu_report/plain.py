"""Training steps as anybody would write them in PyTorch: no autocast, no fused optimizer, one call after the other.

They are what gantool's steps are compared with, at the settings of the same presets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from cyclegan_step import plain_step, with_torchs_layers
from torch import Tensor, nn

from gantool.engine.task import Player, Task
from gantool.methods.cyclegan.settings import CycleGanSettings
from gantool.methods.pix2pix.settings import Pix2PixSettings
from gantool.methods.segmentation.settings import SegmentationSettings
from gantool.nets.layers import initialize
from gantool.nets.registry import build_discriminator, build_generator
from gantool.nets.segmenters import build_segmenter
from gantool.settings.schema import Settings

__all__ = ["Step", "plain_loop"]

Step = Callable[[Mapping[str, Tensor]], object]


def plain_loop(settings: Settings, device: torch.device, classes: int, make_task: Callable[[], Task]) -> Step:
    """A step of the method that the settings are of.

    Args:
        classes: of a segmenter.
        make_task: builds gantool's own task, whose step stands in for a method without a loop here; then without
            anything but plain updates around it.
    """
    if isinstance(settings, CycleGanSettings):
        return _cyclegan(settings, device)
    if isinstance(settings, Pix2PixSettings):
        return _pix2pix(settings, device)
    if isinstance(settings, SegmentationSettings):
        return _segmentation(settings, device, classes)
    task = make_task()
    return lambda batch: task.step(batch, _update)


def _update(player: Player, loss: Tensor) -> None:
    player.optimizer.zero_grad()
    loss.backward()
    player.optimizer.step()


def _adam(settings: Settings, *nets: nn.Module) -> torch.optim.Optimizer:
    parameters = [parameter for net in nets for parameter in net.parameters()]
    return torch.optim.Adam(parameters, lr=settings.optimizer.lr, betas=settings.optimizer.betas)


def _cyclegan(settings: CycleGanSettings, device: torch.device) -> Step:
    model = settings.model
    step = plain_step(device, model.generator, model.width, model.discriminator_width)
    return lambda batch: step(batch["a"], batch["b"])


def _pix2pix(settings: Pix2PixSettings, device: torch.device) -> Step:
    """The reference's order: the discriminator moves first."""
    model = settings.model
    options: dict[str, Any] = {"width": model.width, "norm": model.norm, "dropout": model.dropout}
    g = build_generator(model.generator, **options).to(device)
    d = build_discriminator("basic", in_channels=6, width=model.discriminator_width, norm=model.norm).to(device)
    for net in (g, d):
        initialize(net)
        with_torchs_layers(net)
    moves_g, moves_d = _adam(settings, g), _adam(settings, d)

    def gan(logits: Tensor, target: float) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    def step(batch: Mapping[str, Tensor]) -> None:
        a, b = batch["a"], batch["b"]
        fake = g(a)
        d.requires_grad_(True)
        moves_d.zero_grad()
        real_logits, fake_logits = d(torch.cat([a, b], 1)), d(torch.cat([a, fake.detach()], 1))
        ((gan(real_logits, 1) + gan(fake_logits, 0)) * 0.5).backward()
        moves_d.step()
        d.requires_grad_(False)
        moves_g.zero_grad()
        (gan(d(torch.cat([a, fake], 1)), 1) + 100 * F.l1_loss(fake, b)).backward()
        moves_g.step()

    return step


def _segmentation(settings: SegmentationSettings, device: torch.device, classes: int) -> Step:
    """Cross-entropy and Dice, gradients clipped."""
    model, clip = settings.model, settings.optimizer.clip_norm
    options: dict[str, Any] = {} if model.encoder else {"width": model.width, "depth": model.depth}
    net = build_segmenter(model.architecture, classes=classes, encoder=model.encoder, **options).to(device)
    moves = _adam(settings, net)

    def step(batch: Mapping[str, Tensor]) -> None:
        truth = batch["mask"].long()
        logits = net(batch["image"])
        chances = logits.softmax(1)
        planes = F.one_hot(truth.clamp(max=classes - 1), classes).permute(0, 3, 1, 2).float()
        overlap = (chances * planes).sum((0, 2, 3))
        dice = 1 - 2 * overlap / (chances.sum((0, 2, 3)) + planes.sum((0, 2, 3)))
        loss = F.cross_entropy(logits, truth, ignore_index=255) + dice.mean()
        moves.zero_grad()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(net.parameters(), clip)
        moves.step()

    return step
