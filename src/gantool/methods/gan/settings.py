"""The keys that the GAN methods share: networks, pictures, their changes, optimizers, measurements."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gantool.settings import schema
from gantool.settings.schema import Name, NotNegative, Positive, Scenes, Section, Width

__all__ = [
    "Augment",
    "Domains",
    "GanSettings",
    "Loss",
    "Metrics",
    "Model",
    "OneWayDomains",
    "OneWaySettings",
    "Optimizer",
    "PairedSettings",
    "Pairs",
    "Pictures",
    "Runtime",
    "UnpairedAugment",
    "UnpairedSettings",
]


class Model(Section):
    """The networks."""

    generator: Name
    """Generator network: resnet_9blocks, resnet_6blocks, the same with _resize (no checkerboard) or _antialias
    (antialiased down- and upsampling), resnet_light, resnet_light_skip (changes the picture instead of generating a
    new one), or unet_N for a power of two N."""
    discriminator: Name
    """Discriminator network: basic (70x70 patches), basic_antialias, n_layers or pixel."""
    width: Width
    """Channels after the generator's first layer (ngf)."""
    discriminator_width: Width
    """Channels after the discriminator's first layer (ndf)."""
    discriminator_layers: Annotated[int, Field(ge=1, le=16)] = 3
    """Downsampling layers of the discriminator n_layers; with more it sees larger patches."""
    discriminator_scales: Annotated[int, Field(ge=1, le=4)] = 1
    """Number of discriminators, each on a picture of half the size of the one before; their losses are averaged."""
    norm: Literal["instance", "batch", "none"]
    """Normalization layer in generator and discriminator."""
    discriminator_norm: Literal["instance", "batch", "none", "spectral"] | None = None
    """Normalization in the discriminator; null is the generator's. spectral bounds its weights and, unlike instance
    norm, lets it see the overall color and brightness."""
    dropout: bool = False
    """Drop half of the activations inside the generator while training."""
    padding: Literal["reflect", "replicate", "zeros"] = "reflect"
    """How a ResNet generator pads an image at its borders."""
    activation: Literal["relu", "leaky_relu"] = "relu"
    """Activation of a ResNet generator; leaky_relu has slope 0.2."""
    init: Literal["normal", "xavier", "kaiming", "orthogonal"] = "normal"
    """Distribution of the initial weights."""
    init_gain: float = Field(default=0.02, gt=0)
    """Scale of the initial weights."""


class Loss(Section):
    """The objective."""

    adversarial: Literal["lsgan", "vanilla", "wgan-gp", "relativistic"]
    """Least squares, cross-entropy, Wasserstein with gradient penalty, or cross-entropy of real pictures against
    translated ones (R3GAN, together with r1 and r2)."""
    gradient_penalty: NotNegative = 10.0
    """Weight of the gradient penalty of wgan-gp."""
    r1: NotNegative = 0.0
    """Weight (gamma) of the penalty on the squared gradient of the discriminator at real pictures; keeps it from
    getting too confident."""
    r2: NotNegative = 0.0
    """The same at translated pictures."""


class Pictures(schema.Data):
    """Where the pictures come from and how large they are."""

    domains: dict[str, str] | None = None
    """Two plain folders by domain name, such as {summer: DIR1, winter: DIR2}; replaces path."""
    names: tuple[str, str] | None = None
    """Names of the halves of side-by-side images, left and right; null takes what the data set says."""
    size: int = Field(ge=16, le=2**14)
    """Side of the square crops the networks see, in pixels."""
    load_size: Annotated[int, Field(ge=1, le=2**16)] | None = None
    """Side or width that images are scaled to before cropping; null is size * 286 / 256 where preprocess resizes."""
    channels: tuple[Literal[1, 3], Literal[1, 3]] = (3, 3)
    """Channels of both domains: 3 for color, 1 for gray."""
    max_images: Positive | None = None
    """Use at most this many training images per domain; null is all."""
    holdout: float = Field(default=0.1, ge=0, lt=1)
    """Fraction of the images held out as a test split where the data set has none."""
    scenes: Scenes = 60
    """Training scenes per domain drawn for the built-in sample."""
    test_scenes: Scenes = 24
    """Held-out scenes drawn for the built-in sample."""

    @property
    def is_sample(self) -> bool:
        return self.path == "sample" and not self.domains

    @property
    def folders(self) -> dict[str, str]:
        return self.domains or super().folders

    @property
    def label(self) -> str:
        return " and ".join(self.domains.values()) if self.domains else self.path


class Augment(Section):
    """Random changes of the training images."""

    preprocess: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]
    """resize_and_crop scales to a square of load_size and crops; crop crops the image at its own size; scale_width
    keeps the aspect ratio (rows rounded down, as in the reference); none only trims to a multiple that the generator
    accepts."""
    flip: bool = True
    """Mirror half of the images left to right."""


class Optimizer(schema.Optimizer):
    """How the weights are updated."""

    name: Literal["adam", "sgd"] = "adam"
    """Optimizer of generators and discriminators."""
    discriminator_lr: Annotated[float, Field(gt=0)] | None = None
    """Learning rate of the discriminators; null is the same."""


class Metrics(schema.Metrics):
    """What is measured while training."""

    images: Positive = 100
    """Test images per measurement."""


class Runtime(schema.Runtime):
    """Where and how fast it runs; nothing here changes what is learned."""

    checkpointing: bool = False
    """Gradient checkpointing: recompute the residual blocks of generators in the backward pass instead of keeping
    their activations; less memory, more time."""


class Domains(Pictures):
    """Where the pictures come from and how large they are."""

    align: bool = False
    """Pair image n of one domain with image n of the other, with the same crop and flip (paired data)."""


class OneWayDomains(Domains):
    """Where the pictures come from and how large they are."""

    to: Name | None = None
    """Domain to translate to; null is the second."""


class Pairs(Pictures):
    """Where the pairs come from and how large they are."""

    to: Name | None = None
    """Domain to translate to; null is the second of a pair."""


class UnpairedAugment(Augment):
    """Random changes of the training images."""

    discriminator: tuple[Literal["color", "translation", "cutout"], ...] = ()
    """Differentiable augmentation of everything that the discriminators see, real and translated: color, translation,
    cutout. For small data sets, which discriminators otherwise memorize."""


class GanSettings(schema.Settings):
    """The settings of every GAN method; a method adds its objective and extends some sections."""

    model: Model
    data: Pictures
    augment: Augment
    loss: Loss
    optimizer: Optimizer
    metrics: Metrics
    runtime: Runtime

    @property
    def one_size(self) -> bool:
        return self.augment.preprocess not in ("none", "scale_width")

    @model_validator(mode="after")
    def _batch_norm_has_pixels(self) -> GanSettings:
        if self.model.norm == "batch" and self.data.size < 32:
            raise ValueError("data.size: must be at least 32 with batch norm")
        if self.model.norm == "batch" and self.runtime.checkpointing:
            raise ValueError("runtime.checkpointing: batch norm would count every batch twice; use instance norm")
        return self


class UnpairedSettings(GanSettings):
    """Of methods that learn from two domains without pairs."""

    data: Domains


class OneWaySettings(UnpairedSettings):
    """Of methods that learn one direction from two domains without pairs."""

    data: OneWayDomains


class PairedSettings(GanSettings):
    """Of methods that learn from pairs."""

    data: Pairs
