"""What can be set for every method, of which type, within which bounds.

Only defaults that suit every method stand here; what differs between methods stands in the presets. No section
has a default instance: overriding one key of a section must never reset its neighbors. The keys of one method stand
in a module of their own.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "Count",
    "Data",
    "Metrics",
    "Name",
    "NotNegative",
    "Optimizer",
    "Positive",
    "Runtime",
    "Scenes",
    "Schedule",
    "Section",
    "Settings",
    "Train",
    "Width",
]

Positive = Annotated[int, Field(ge=1, le=10**9)]
Count = Annotated[int, Field(ge=0, le=10**9)]
NotNegative = Annotated[float, Field(ge=0)]
Width = Annotated[int, Field(ge=1, le=4096)]
"""Channels; a layer of twice as many would alone have more weights than a GPU holds."""
Scenes = Annotated[int, Field(ge=1, le=10**7)]
"""Drawn pictures; ten million fill any memory."""
Name = Annotated[str, Field(max_length=200)]
"""Of something registered; longer ones are a mistake that no message could show."""


class Section(BaseModel):
    """A frozen group of keys that refuses unknown ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Data(Section):
    """Where the pictures come from and how large they are."""

    path: Annotated[str, Field(max_length=4096)] = "sample"
    """A folder, the name of a folder under ./data, or "sample" for the built-in drawn landscapes."""
    hashes: bool = False
    """Read every file of the data at the start and record a hash of its contents, so that resuming can tell whether a
    file with another modification time is still the same."""
    cache: Literal["auto", "off", "memory", "disk"] = "auto"
    """Where decoded and scaled training images are cached, for all processes that read them: auto uses a third of the
    free memory, and for what does not fit there a file in the cache folder. It changes no image."""

    shuffle: Literal["auto", "full", "shards"] = "auto"
    """How training images are shuffled: full shuffles all of them; shards shuffles the shards and places every image
    up to eight shards after its own, so that reads from a server are close together; auto is shards for data at an
    address such as s3:// and full for data on disk. With up to eight shards both shuffle alike."""

    @property
    def by_shards(self) -> bool:
        """Whether images come in the order of their shards, with only a few shards mixed at a time."""
        return self.shuffle == "shards" or (self.shuffle == "auto" and "://" in self.path)

    @property
    def is_sample(self) -> bool:
        """Whether the built-in sample is trained on."""
        return self.path == "sample"

    @property
    def folders(self) -> dict[str, str]:
        """Where the pictures lie, by domain name where there are two folders, else by an empty one."""
        return {"": self.path}

    @property
    def label(self) -> str:
        """What the pictures are called in a model's card."""
        return self.path


class Optimizer(Section):
    """How the weights are updated."""

    lr: float = Field(gt=0)
    """Initial learning rate, or the peak of one_cycle."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]]
    """Adam's decay rates; SGD uses the first as momentum."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    """Gradient clipping: largest norm of the gradients of one optimizer; null does not clip."""


class Schedule(Section):
    """How the learning rate changes."""

    name: Literal["constant_linear", "constant", "linear", "cosine", "poly", "one_cycle", "step", "plateau"]
    """constant_linear holds it and then decays it linearly to 0; linear, cosine and poly decay it from the start to
    the end; one_cycle raises it for 30 % and then lowers it; plateau lowers it when the metric stops improving.
    cosine, linear and plateau differ from the reference's, see the page on translation."""
    warmup_epochs: float = Field(default=0.0, ge=0)
    """Warm-up: epochs in which the learning rate rises from 0 first."""
    power: float = Field(default=0.9, gt=0)
    """Exponent of poly."""
    constant_epochs: Count | None = None
    """Epochs before constant_linear begins to decay; null is the first half."""
    step_epochs: Positive = 50
    """Epochs between two steps of the step schedule."""
    factor: float = Field(default=0.1, gt=0, lt=1)
    """What step and plateau multiply the learning rate by."""
    patience: Positive = 5
    """Epochs without improvement before plateau lowers the learning rate."""


class Train(Section):
    """Length, batches and what is saved."""

    epochs: Annotated[int, Field(ge=1, le=10**6)]
    """Epochs in total; in an epoch every image (of the larger domain) is seen once."""
    batch_size: Annotated[int, Field(ge=1, le=2**16)]
    """Images per step (and domain), over all devices together."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Random seed of initial weights, order, crops and drawn scenes."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, which become the final model; 0 turns it off."""
    ema_warmup: bool = True
    """Let the average follow faster in the first steps."""
    samples_every: Count = 1
    """Epochs between two sample pictures; 0 for none."""
    sample_images: Annotated[int, Field(ge=1, le=1024)] = 4
    """Rows of a sample picture."""
    patience: Positive | None = None
    """Early stopping: end after this many epochs without a better metric; null turns it off."""
    save_every: Positive = 1
    """Epochs between two checkpoints; the last one is always saved."""
    save_steps: Positive | None = None
    """Steps between two checkpoints within an epoch; null saves only at the end of epochs."""
    keep_every: Positive | None = None
    """Keep a numbered checkpoint every this many epochs; null keeps only the last and the best."""


class Metrics(Section):
    """What is measured while training."""

    every: Count = 1
    """Epochs between two measurements on the test split, which decide which epoch is the best; 0 for none."""


class Runtime(Section):
    """Where and how fast it runs; nothing here changes what is learned."""

    device: Name = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    devices: Annotated[int, Field(ge=1, le=1024)] = 1
    """Processes on this machine, one per device."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto is bf16 where the hardware supports it, fp16 on older GPUs, fp32 otherwise."""
    workers: Annotated[int, Field(ge=0, le=1024)] | None = None
    """Data loading processes; null chooses (none on a CPU)."""
    compile: Literal["auto", True, False] = "auto"
    """Compile the networks with torch.compile, which needs a C++ compiler: auto does so where the remaining steps are
    known to save more time than compiling takes."""
    channels_last: Literal["auto", True, False] = "auto"
    """Use the channels-last memory layout: auto does so for segmenters with a ResNet in bf16 on a CPU, where it was
    measured to be faster."""
    batch_calls: bool = True
    """CycleGAN: run a generator once on a batch of translated and identity image where that gives the same result."""
    tensorboard: bool = False
    """Also write TensorBoard files (needs the tensorboard extra)."""


class Settings(Section):
    """Everything that decides a training run, as far as all methods share it."""

    task: Name
    """The method."""
    data: Data
    optimizer: Optimizer
    schedule: Schedule
    train: Train
    metrics: Metrics
    runtime: Runtime

    @property
    def one_size(self) -> bool:
        """Whether all images of the training have one size."""
        return True

    def channels_last(self, device: str, precision: str) -> bool:
        """Whether the channels-last memory layout is used.

        Args:
            device: its type.
            precision: in use.
        """
        return self.runtime.channels_last is True

    @model_validator(mode="after")
    def _batches_fit_devices(self) -> Settings:
        if self.train.batch_size % self.runtime.devices:
            raise ValueError(
                f"train.batch_size: must be a multiple of runtime.devices ({self.runtime.devices}), "
                f"got {self.train.batch_size}"
            )
        return self

    @classmethod
    def sections(cls) -> dict[str, type[Section]]:
        """The groups of keys by name, in the order in which people read them."""
        order = ("model", "data", "augment", "loss", "optimizer", "schedule", "train", "metrics", "runtime")
        types = {name: field.annotation for name, field in cls.model_fields.items()}
        return {name: types[name] for name in order if name in types}  # type: ignore[misc]
