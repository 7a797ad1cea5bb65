"""The keys of pix2pix; networks, pictures and optimizer have those of all GAN methods."""

from __future__ import annotations

from typing import Literal

from gantool.methods.gan import settings as gan
from gantool.methods.gan.settings import PairedSettings
from gantool.settings import schema
from gantool.settings.schema import NotNegative, Positive

__all__ = ["Loss", "Pix2PixSettings", "Train"]


class Loss(gan.Loss):
    """The objective."""

    reconstruction: NotNegative
    """Weight of the reconstruction loss, the distance to the true picture (lambda)."""
    distance: Literal["l1", "mse"] = "l1"
    """Distance in the reconstruction loss."""


class Train(schema.Train):
    """Length, batches and what is saved."""

    discriminator_every: Positive = 1
    """Train the discriminator only every this many steps."""


class Pix2PixSettings(PairedSettings):
    """Everything that decides a training run of pix2pix."""

    task: Literal["pix2pix"]
    """The method."""
    loss: Loss
    train: Train
