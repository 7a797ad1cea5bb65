"""What can be set, of which type, within which bounds.

Only defaults that suit every method stand here; what differs between methods stands in the presets. No section
has a default instance: overriding one key of a section must never reset its neighbors.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "SECTIONS",
    "Augment",
    "Data",
    "Loss",
    "Metrics",
    "Model",
    "Optimizer",
    "Runtime",
    "Schedule",
    "Settings",
    "Train",
]

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A frozen group of keys that refuses unknown ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Model(Section):
    """The networks."""

    generator: str
    """Generator network: resnet_9blocks, resnet_6blocks, the same with _resize (no checkerboard), resnet_light,
    or unet_N for a power of two N."""
    discriminator: str
    """Discriminator network: basic (70x70 patches), n_layers or pixel."""
    width: Positive
    """Channels after the generator's first layer (ngf)."""
    discriminator_width: Positive
    """Channels after the discriminator's first layer (ndf)."""
    discriminator_layers: Positive = 3
    """Halvings of the discriminator n_layers; more see larger patches."""
    norm: Literal["instance", "batch", "none"]
    """Normalization layer in generator and discriminator."""
    dropout: bool = False
    """Drop half of the activations inside the generator while training."""
    padding: Literal["reflect", "replicate", "zeros"] = "reflect"
    """How a ResNet generator continues an image beyond its border."""
    activation: Literal["relu", "leaky_relu"] = "relu"
    """Activation of a ResNet generator; leaky_relu has slope 0.2."""
    init: Literal["normal", "xavier", "kaiming", "orthogonal"] = "normal"
    """Distribution of the first weights."""
    init_gain: float = Field(default=0.02, gt=0)
    """Scale of the first weights."""


class Data(Section):
    """Where the pictures come from and how large they are."""

    path: str = "sample"
    """A folder, the name of a folder under ./data, or "sample" for the built-in drawn landscapes."""
    domains: dict[str, str] | None = None
    """Two plain folders by domain name, such as {summer: DIR1, winter: DIR2}; replaces path."""
    size: int = Field(ge=16)
    """Side of the square crops the networks see, in pixels."""
    load_size: Positive | None = None
    """Side or width images are scaled to before cropping; null is size * 286 / 256 where preprocess resizes."""
    channels: tuple[Literal[1, 3], Literal[1, 3]] = (3, 3)
    """Channels of both domains: 3 for color, 1 for gray."""
    align: bool = False
    """Keep image n of one domain with image n of the other, with the same crop and flip (paired data)."""
    max_images: Positive | None = None
    """Use at most this many training images per domain; null is all."""
    holdout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the images held out as a test split where the data set has none."""
    scenes: Positive = 60
    """Training scenes per domain drawn for the built-in sample."""
    test_scenes: Positive = 24
    """Held-out scenes drawn for the built-in sample."""


class Augment(Section):
    """Random changes of the training images."""

    preprocess: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]
    """resize_and_crop scales to a square of load_size and crops; crop crops the image as it is; scale_width keeps
    the aspect ratio; none only trims to a multiple that the generator takes."""
    flip: bool = True
    """Mirror half of the images left to right."""


class Loss(Section):
    """The objective."""

    adversarial: Literal["lsgan", "vanilla", "wgan-gp"]
    """Least squares, cross-entropy, or Wasserstein with gradient penalty."""
    cycle_a: NotNegative
    """Weight of the cycle that starts in the first domain (lambda_A)."""
    cycle_b: NotNegative
    """Weight of the cycle that starts in the second domain (lambda_B)."""
    cycle_distance: Literal["l1", "mse"] = "l1"
    """Distance in the cycle loss."""
    identity: NotNegative
    """Weight of the identity loss as a share of the cycle weights; 0 leaves it out. Keeps colors."""
    gradient_penalty: NotNegative = 10.0
    """Weight of the gradient penalty of wgan-gp."""


class Optimizer(Section):
    """How the weights move."""

    name: Literal["adam", "sgd"] = "adam"
    """Optimizer of generators and discriminators."""
    lr: float = Field(gt=0)
    """Learning rate at the start."""
    discriminator_lr: Annotated[float, Field(gt=0)] | None = None
    """Learning rate of the discriminators; null is the same."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]]
    """Adam's decay rates; SGD takes the first as momentum."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    """Largest norm of a player's gradients; null does not clip."""


class Schedule(Section):
    """How the learning rate falls."""

    name: Literal["constant_linear", "constant", "cosine", "step", "plateau"]
    """constant_linear holds it and then goes to 0 in a line; plateau lowers it when the metric stops improving."""
    constant_epochs: Annotated[int, Field(ge=0)] | None = None
    """Epochs before constant_linear begins to fall; null is the first half."""
    step_epochs: Positive = 50
    """Epochs between two steps of the step schedule."""
    factor: float = Field(default=0.1, gt=0, lt=1)
    """What step and plateau multiply by."""
    patience: Positive = 5
    """Epochs without improvement before plateau acts."""


class Train(Section):
    """Length, batches and what is kept."""

    epochs: Positive
    """Epochs in total; an epoch shows every image of the larger domain once."""
    batch_size: Positive
    """Images per step and domain, over all devices together."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Decides first weights, order, crops and drawn scenes."""
    pool_size: Annotated[int, Field(ge=0)] = 50
    """Earlier fakes kept per domain for the discriminators; 0 for none."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the moving average of the generators' weights, which is what is delivered; 0 turns it off."""
    ema_warmup: bool = True
    """Let the average follow faster in the first steps."""
    samples_every: Annotated[int, Field(ge=0)] = 1
    """Epochs between two sample pictures; 0 for none."""
    sample_images: Positive = 4
    """Rows of a sample picture."""
    save_every: Positive = 1
    """Epochs between two checkpoints; the last one is always there."""
    save_steps: Positive | None = None
    """Steps between two checkpoints within an epoch; null saves at the ends of epochs only."""
    keep_every: Positive | None = None
    """Keep a numbered checkpoint every so many epochs; null keeps the last and the best only."""


class Metrics(Section):
    """What is measured while training."""

    every: Annotated[int, Field(ge=0)] = 1
    """Epochs between two measurements on the test split, where there is a truth to compare with; 0 for none."""
    images: Positive = 24
    """Test images per measurement."""


class Runtime(Section):
    """Where and how fast it runs; nothing here changes what is learned."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    devices: Positive = 1
    """Processes on this machine, one per device."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto is bf16 where the hardware has it, fp16 on older GPUs, fp32 otherwise."""
    workers: Annotated[int, Field(ge=0)] | None = None
    """Processes that read images; null chooses (none on a CPU)."""
    compile: bool = False
    """Compile the networks with torch.compile; needs a C++ compiler."""
    channels_last: bool = False
    """Store images channel by channel per pixel; faster on recent GPUs."""
    batch_calls: bool = True
    """Run a generator once on translated and identity image together where that is the same mathematics."""
    tensorboard: bool = False
    """Also write TensorBoard files (needs the tensorboard extra)."""


class Settings(Section):
    """Everything that decides a training run."""

    task: Literal["cyclegan"]
    """The method."""
    model: Model
    data: Data
    augment: Augment
    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    train: Train
    metrics: Metrics
    runtime: Runtime

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if self.model.norm == "batch" and self.data.size < 32:
            raise ValueError("data.size: must be at least 32 with batch norm")
        if self.loss.identity > 0 and self.data.channels[0] != self.data.channels[1]:
            raise ValueError(
                "loss.identity: must be 0 when the domains have different numbers of channels (data.channels)"
            )
        if self.train.batch_size % self.runtime.devices:
            raise ValueError(
                f"train.batch_size: must be a multiple of runtime.devices ({self.runtime.devices}), "
                f"got {self.train.batch_size}"
            )
        return self


SECTIONS: dict[str, type[Section]] = {
    "model": Model,
    "data": Data,
    "augment": Augment,
    "loss": Loss,
    "optimizer": Optimizer,
    "schedule": Schedule,
    "train": Train,
    "metrics": Metrics,
    "runtime": Runtime,
}
