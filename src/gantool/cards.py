"""What a model file says about itself, so that nobody has to remember how it was made.

The card is JSON under the key ``gantool`` in a model file's metadata, and travels into every exported file.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gantool.documents import brief, load_json
from gantool.errors import ModelError, closest

__all__ = [
    "FORMAT",
    "LARGEST_OPTION",
    "Architecture",
    "Card",
    "Direction",
    "Domain",
    "Exported",
    "LabelClass",
    "Origin",
]

FORMAT = 1


class _Part(BaseModel):
    # Newer minor releases may add fields; an older reader ignores them unless the format number rose.
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


LARGEST_OPTION = 4096
"""Of a network: channels, layers, classes."""

Side = Annotated[int, Field(ge=1, le=2**16)]
SideOrNone = Annotated[int, Field(ge=0, le=2**16)]
Level = Annotated[int, Field(ge=0, le=255)]


class LabelClass(_Part):
    """One class of a label map; its index is its place in the list."""

    name: str
    color: tuple[Level, Level, Level]


class Domain(_Part):
    """One kind of picture."""

    name: str
    channels: int = Field(default=3, ge=1, le=LARGEST_OPTION)
    classes: tuple[LabelClass, ...] = ()
    """Of a domain of label maps, whose pictures show every class in its color."""


class Architecture(_Part):
    """A registered network and the keywords it was built with."""

    name: str
    options: dict[str, Any] = {}

    @field_validator("options")
    @classmethod
    def _are_those_of_a_network(cls, value: dict[str, Any]) -> dict[str, Any]:
        for option in value.values():
            if not isinstance(option, str | int | float | None):
                raise ValueError("is no option of a network")
            least = 1 if isinstance(option, int) and not isinstance(option, bool) else 0
            if not isinstance(option, str | None) and not least <= option <= LARGEST_OPTION:
                raise ValueError(f"must be from {least} to {LARGEST_OPTION}")
        return value


class Direction(_Part):
    """One translation that the model can do."""

    source: str
    target: str
    net: str
    """Prefix of its tensors in the file, without the slash."""
    architecture: Architecture
    change_strength: float = 1.0
    """Fraction of the change that is applied, where `Card.change_size` has one found on a small picture."""
    change_size: SideOrNone = 0
    """Longer side of that picture for this direction; 0 is the card's."""


class Origin(_Part):
    """Where the weights come from."""

    run: str = ""
    data: str = ""
    """What it was trained on; ``sample`` is the built-in drawn data set."""
    created: str = ""
    gantool: str = ""
    epochs: int = Field(default=0, ge=0)
    ema: bool = False


class Exported(_Part):
    """How an exported file differs from the model it was made of."""

    format: Literal["onnx", "torchscript", "pt2"]
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    static_size: tuple[Side, Side] | None = None
    """Height and width that the file takes; None for any that are multiples of ``multiple_of``."""
    pixels: bool = False
    """Whether it takes and gives uint8 images ``(N, H, W, C)`` itself."""


class Card(_Part):
    """Format and task of a model file; domains and directions of a translation, classes of a segmenter."""

    format: int = FORMAT
    task: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")
    """Name of the method that it was trained by; what it can do is told by the rest."""
    domains: tuple[Domain, ...] = ()
    directions: tuple[Direction, ...] = ()
    classes: tuple[LabelClass, ...] = ()
    mode: Literal["multiclass", "binary", "multilabel"] = "multiclass"
    """How a segmenter's outputs become classes."""
    architecture: Architecture | None = None
    """The network of a segmenter; its tensors are under ``segment/``."""
    load_size: SideOrNone = 0
    """Shorter side that a segmenter's training images were scaled to; 0 where they kept their own size."""
    value_range: tuple[float, float] = (-1.0, 1.0)
    """What the network takes and gives for black and white."""
    multiple_of: Side = 4
    """Height and width it takes are multiples of this."""
    smallest: Side = 16
    """Height and width it takes are at least this."""
    size: Side = 256
    """Side of the square crops it was trained on, in pixels."""
    change_size: SideOrNone = 0
    """Longer side of the small picture on which a translation is found, as a change that is applied to the whole one;
    0 translates the whole one."""
    change_blur: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Standard deviation, in pixels of the small picture, of the Gaussian that smooths the change."""
    norm: str = "instance"
    origin: Origin = Origin()
    exported: Exported | None = None
    """Of an exported file."""

    @model_validator(mode="after")
    def _translates_or_labels(self) -> Card:
        if not self.domains and not self.classes:
            raise ValueError("is required")
        return self

    @property
    def is_segmenter(self) -> bool:
        """Whether it labels pixels itself, with `classes` of its own."""
        return bool(self.classes)

    @property
    def to_labels(self) -> Direction | None:
        """The direction of a translation that ends in label maps; None if there is none."""
        return next((one for one in self.directions if self.domain(one.target).classes), None)

    @property
    def targets(self) -> list[str]:
        """The domains that it translates to."""
        return [direction.target for direction in self.directions]

    @property
    def from_elsewhere(self) -> bool:
        """Whether other programs wrote the weights, so that domains have only the names that their file tells."""
        return self.origin.data.startswith("checkpoint ")

    def way_back(self, direction: Direction) -> Direction | None:
        """The direction that undoes another one; None if there is none."""
        ends = (direction.target, direction.source)
        return next((one for one in self.directions if (one.source, one.target) == ends), None)

    def domain(self, name: str) -> Domain:
        for domain in self.domains:
            if domain.name == name:
                return domain
        raise ModelError(f'The model has no domain "{name}".', closest(name, [d.name for d in self.domains]))

    def direction(self, target: str) -> Direction:
        """Return the direction that ends in ``target``; the error names the nearest one there is."""
        if self.is_segmenter:
            raise ModelError("The model is a segmenter, it translates nothing.", "Use it with gantool segment.")
        for direction in self.directions:
            if direction.target == target:
                return direction
        raise ModelError(f'The model cannot translate to "{target}".', closest(target, self.targets))

    def to_json(self) -> str:
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str, where: str) -> Card:
        """Read a card.

        Args:
            where: the file it comes from, for the message.
        """
        try:
            fields = load_json(text)
            number = fields["format"]
        except (ValueError, KeyError, TypeError):
            raise ModelError(f"{where}: its gantool card is damaged.") from None
        if not isinstance(number, int) or number > FORMAT:
            raise ModelError(
                f"{where}: the model has format {brief(number, 40)}, this gantool reads up to {FORMAT}.",
                "Update gantool: pip install --upgrade gantool.",
            )
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            key = ".".join(brief(part, 40) for part in error.errors()[0]["loc"]) or "domains"
            raise ModelError(f"{where}: its gantool card is damaged (at {key}).") from None
