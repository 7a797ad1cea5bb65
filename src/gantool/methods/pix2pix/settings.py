"""The keys of pix2pix; networks, pictures and optimizer have those of CycleGAN."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gantool.methods.cyclegan import settings as cyclegan
from gantool.settings import schema
from gantool.settings.schema import NotNegative, Positive, Section

__all__ = ["Data", "Loss", "Pix2PixSettings", "Train"]


class Data(cyclegan.Pictures):
    """Where the pairs come from and how large they are."""

    to: str | None = None
    """Domain to translate to; null is the second of a pair."""


class Loss(Section):
    """The objective."""

    adversarial: Literal["lsgan", "vanilla", "wgan-gp"]
    """Least squares, cross-entropy, or Wasserstein with gradient penalty."""
    reconstruction: NotNegative
    """Weight of the distance to the true picture (lambda)."""
    distance: Literal["l1", "mse"] = "l1"
    """That distance."""
    gradient_penalty: NotNegative = Field(default=10.0)
    """Weight of the gradient penalty of wgan-gp."""


class Train(schema.Train):
    """Length, batches and what is kept."""

    discriminator_every: Positive = 1
    """Train the discriminator in every so manieth step only."""


class Pix2PixSettings(schema.Settings):
    """Everything that decides a training run of pix2pix."""

    task: Literal["pix2pix"]
    """The method."""
    model: cyclegan.Model
    data: Data
    augment: cyclegan.Augment
    loss: Loss
    optimizer: cyclegan.Optimizer
    train: Train
    metrics: cyclegan.Metrics

    @model_validator(mode="after")
    def _fits_together(self) -> Pix2PixSettings:
        if self.model.norm == "batch" and self.data.size < 32:
            raise ValueError("data.size: must be at least 32 with batch norm")
        return self
