"""The keys of CUT; networks, pictures and optimizer have those of all GAN methods."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gantool.methods.gan import settings as gan
from gantool.methods.gan.settings import OneWaySettings, UnpairedAugment
from gantool.settings import schema
from gantool.settings.schema import NotNegative, Positive, Width

__all__ = ["CutSettings", "Loss", "Model"]


class Model(gan.Model):
    """The networks."""

    projection_width: Width = 256
    """Length of the vectors that patches are compared by."""


class Loss(gan.Loss):
    """The objective."""

    contrast: NotNegative
    """Weight of the contrastive loss: a patch of the result is to be nearer to the source's patch at its place than
    to others (lambda_NCE)."""
    identity: bool
    """Apply it to pictures of the target domain, too, which are to stay as they are; each counts half. Keeps
    colors."""
    flip: bool = False
    """Mirror what is translated in half of the steps, and its features back (flip equivariance)."""
    patches: Positive = 256
    """Patches per layer that are compared."""
    temperature: Annotated[float, Field(gt=0, le=100)] = 0.07
    """The smaller, the more the most similar other patches count (tau)."""
    layers: tuple[Annotated[int, Field(ge=0, le=10**4)], ...] | None = None
    """Layers of the generator whose features are compared, by their places in it, rising; null takes the picture,
    both halvings, and the first and the middle block."""


class CutSettings(OneWaySettings):
    """Everything that decides a training run of CUT."""

    task: Literal["cut"]
    """The method."""
    model: Model
    augment: UnpairedAugment
    loss: Loss
    train: schema.Train

    @model_validator(mode="after")
    def _one_encoder_for_both(self) -> CutSettings:
        if self.data.channels[0] != self.data.channels[1]:
            raise ValueError("data.channels: must be equal, for one network looks at pictures of both domains")
        return self
