"""The keys of distillation; networks, pictures and optimizer have those of all GAN methods."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gantool.methods.gan import settings as gan
from gantool.methods.gan.settings import OneWaySettings, UnpairedAugment
from gantool.settings import schema
from gantool.settings.schema import NotNegative

__all__ = ["DistillSettings", "Loss", "Model"]


class Model(gan.Model):
    """The networks."""

    teacher: Annotated[str, Field(min_length=1, max_length=4096)]
    """The teacher: a run or a model file; --distill sets it."""


class Loss(gan.Loss):
    """The objective."""

    reconstruction: NotNegative
    """Weight of the L1 distance to the teacher's picture."""
    features: NotNegative
    """Weight of feature matching: the distance between the discriminator's features of both pictures."""


class DistillSettings(OneWaySettings):
    """Everything that decides a training run of distillation."""

    task: Literal["distill"]
    """The method."""
    model: Model
    augment: UnpairedAugment
    loss: Loss
    train: schema.Train
