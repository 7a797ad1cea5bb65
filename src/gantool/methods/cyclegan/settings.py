"""The keys of CycleGAN, beside those of all GAN methods."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gantool.methods.gan import settings as gan
from gantool.methods.gan.settings import UnpairedAugment, UnpairedSettings
from gantool.settings import schema
from gantool.settings.schema import NotNegative

__all__ = ["CycleGanSettings", "Loss", "Runtime", "Train"]


class Loss(gan.Loss):
    """The objective."""

    cycle_a: NotNegative
    """Weight of the cycle that starts in the first domain (lambda_A)."""
    cycle_b: NotNegative
    """Weight of the cycle that starts in the second domain (lambda_B)."""
    cycle_distance: Literal["l1", "mse"] = "l1"
    """Distance in the cycle loss."""
    identity: NotNegative
    """Weight of the identity loss as a fraction of the cycle weights; 0 leaves it out. Keeps colors."""


class Train(schema.Train):
    """Length, batches and what is saved."""

    pool_size: Annotated[int, Field(ge=0, le=10**6)] = 50
    """Size of the image pool: earlier translations kept per domain for the discriminators; 0 for none."""


class Runtime(gan.Runtime):
    """Where and how fast it runs; nothing here changes what is learned."""

    split_backward: bool = False
    """Run the backward pass one cycle at a time: the same gradients with half of the memory."""
    parallel_cycles: bool = True
    """On a CPU compute both cycles at the same time, each on half of the cores: the same gradients, and less time for
    small networks. Not with an odd number of cores below 9, split_backward, dropout, batch norm, wgan-gp or random
    changes of what the discriminators see, and not with compiled networks."""


class CycleGanSettings(UnpairedSettings):
    """Everything that decides a training run of CycleGAN."""

    task: Literal["cyclegan"]
    """The method."""
    augment: UnpairedAugment
    loss: Loss
    train: Train
    runtime: Runtime

    @model_validator(mode="after")
    def _identity_needs_equal_channels(self) -> CycleGanSettings:
        if self.loss.identity > 0 and self.data.channels[0] != self.data.channels[1]:
            raise ValueError(
                "loss.identity: must be 0 when the domains have different numbers of channels (data.channels)"
            )
        return self
