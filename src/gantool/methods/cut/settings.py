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
    """Dimension of the embeddings by which patches are compared."""


class Loss(gan.Loss):
    """The objective."""

    contrast: NotNegative
    """Weight of the contrastive loss (lambda_NCE): a patch of the result is to be closer to the source's patch at the
    same place than to others."""
    identity: bool
    """Also apply the contrastive loss to pictures of the target domain, which are to stay as they are; each counts
    half. Keeps colors."""
    flip: bool = False
    """Flip equivariance: in half of the steps, mirror the picture to translate, and mirror its features back."""
    patches: Positive = 256
    """Patches per layer that are compared."""
    temperature: Annotated[float, Field(gt=0, le=100)] = 0.07
    """Temperature of the contrastive loss (tau): the smaller, the more the most similar other patches count."""
    layers: tuple[Annotated[int, Field(ge=0, le=10**4)], ...] | None = None
    """Layers of the generator whose features are compared, by index, ascending; null takes the picture, both
    downsampling layers, and the first and the middle block."""


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
