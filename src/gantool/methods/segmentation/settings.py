"""The keys of semantic segmentation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gantool.settings import schema
from gantool.settings.schema import Name, NotNegative, Positive, Scenes, Section, Width

__all__ = ["LOSSES", "Augment", "Data", "Loss", "Model", "Optimizer", "SegmentationSettings", "Train"]

LOSSES = ("cross_entropy", "bce", "dice", "focal", "tversky", "focal_tversky", "lovasz")


class Model(Section):
    """The network."""

    architecture: Name
    """unet without an encoder is the classic U-Net; with an encoder, any architecture of
    segmentation-models-pytorch."""
    encoder: Name | None = None
    """Encoder, such as resnet50; tu-NAME for any encoder of timm."""
    encoder_weights: Annotated[str, Field(max_length=4096)] = "imagenet"
    """Pretrained weights of the encoder: imagenet, none, or a file of weights."""
    freeze_encoder: bool = False
    """Do not train the encoder's weights."""
    output_stride: Literal[8, 16, 32] | None = None
    """How much smaller than the image the encoder's last features are (DeepLab); null is the architecture's own."""
    encoder_depth: Annotated[int, Field(ge=3, le=5)] | None = None
    """Downsampling stages in the encoder of unet, unetplusplus or manet; fewer make a smaller network with a smaller
    receptive field. null is 5."""
    decoder_width: Width | None = None
    """Channels of the decoder (of its widest level in a U-Net); null is the architecture's own."""
    width: Width = 64
    """Channels of the classic U-Net's first level."""
    depth: int = Field(default=4, ge=1, le=6)
    """Downsampling steps of the classic U-Net."""
    mode: Literal["multiclass", "binary", "multilabel"] = "multiclass"
    """multiclass chooses one class per pixel; binary has two classes and one output; multilabel decides every class
    independently."""


class Data(schema.Data):
    """Where the pictures come from and how large they are."""

    size: int = Field(ge=32, le=2**14)
    """Side of the square crops the network sees while training, in pixels."""
    load_size: Annotated[int, Field(ge=0, le=2**16)] | None = None
    """Shorter side that images are scaled to before cropping; 0 keeps them as they are; null is size, or 0 for a data
    set that prepare has cut into tiles."""
    holdout: float = Field(default=0.1, ge=0, lt=1)
    """Fraction of the training images held out for validation, and for testing, where there is no such split."""
    max_images: Positive | None = None
    """Use at most this many training images; null is all."""
    scenes: Scenes = 200
    """Training scenes drawn for the built-in sample."""
    test_scenes: Scenes = 32
    """Held-out scenes drawn for the built-in sample."""


class Augment(Section):
    """Random changes of the training images and their masks; null takes the preset's value."""

    preset: Literal["none", "light", "strong"] = "light"
    """none crops only; light mirrors, scales and shifts colors; strong also rotates, blurs and adds noise."""
    flip: bool | None = None
    """Mirror half of the images left to right."""
    scale: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None = None
    """Range of the random scale factor."""
    rotate: Annotated[float, Field(ge=0, le=180)] | None = None
    """Largest rotation in degrees, either way."""
    color: Annotated[float, Field(ge=0, le=1)] | None = None
    """Largest change of brightness, contrast and saturation, as a fraction; the hue changes by a tenth of it."""
    blur: Annotated[float, Field(ge=0, le=1)] | None = None
    """Fraction of the images that are blurred."""
    noise: Annotated[float, Field(ge=0, le=1)] | None = None
    """Largest standard deviation of added noise, for values in [0, 1]."""
    elastic: Annotated[float, Field(ge=0, le=0.5)] | None = None
    """Elastic deformation: largest smooth shift of pixels, as a fraction of the crop's side."""
    focus: Annotated[float, Field(ge=0, le=1)] | None = None
    """Fraction of the crops that are moved to contain a pixel of a class drawn uniformly from those in the image."""
    paste: Annotated[float, Field(ge=0, le=1)] | None = None
    """Fraction of the crops into which a region of a rare class is pasted from another image."""


class Loss(Section):
    """The objective: a weighted sum."""

    terms: dict[str, NotNegative]
    """Weights of cross_entropy, bce, dice, focal, tversky, focal_tversky and lovasz."""
    class_weights: Literal["auto"] | dict[str, NotNegative] | None = None
    """Class weights in cross_entropy, bce and focal: null for none, auto by class frequency, or a weight by name."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Fraction of the target that cross_entropy spreads over all classes."""
    focal_gamma: NotNegative = 2.0
    """How strongly focal concentrates on pixels that are wrong."""
    tversky_alpha: float = Field(default=0.3, ge=0, le=1)
    """Weight of false positives in tversky; false negatives get the rest."""
    tversky_gamma: float = Field(default=0.75, gt=0)
    """Exponent of focal_tversky."""


class Optimizer(schema.Optimizer):
    """How the weights are updated."""

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    """Optimizer."""
    encoder_lr: Annotated[float, Field(gt=0)] | None = None
    """Learning rate of the encoder; null is the same."""
    weight_decay: NotNegative = 1e-4
    """Weight decay; not on biases and norms."""


class Train(schema.Train):
    """Length, batches and what is saved."""


class SegmentationSettings(schema.Settings):
    """Everything that decides a training run of a segmenter."""

    task: Literal["segmentation"]
    """The method."""
    model: Model
    data: Data
    augment: Augment
    loss: Loss
    optimizer: Optimizer
    train: Train

    def channels_last(self, device: str, precision: str) -> bool:
        wanted = self.runtime.channels_last
        if wanted != "auto":
            return wanted
        # Measured for ResNets; for others it is not known.
        return (device, precision) == ("cpu", "bf16") and (self.model.encoder or "").startswith("resnet")

    @model_validator(mode="after")
    def _fits_together(self) -> SegmentationSettings:
        unknown = [name for name in self.loss.terms if name not in LOSSES]
        if unknown:
            raise ValueError(f"loss.terms: there is no loss {unknown[0]!r} (there are {', '.join(LOSSES)})")
        if not any(self.loss.terms.values()):
            raise ValueError("loss.terms: at least one weight must be above 0")
        if self.model.mode == "multilabel" and self.loss.terms.get("lovasz"):
            raise ValueError("loss.terms: lovasz needs model.mode multiclass or binary")
        return self
