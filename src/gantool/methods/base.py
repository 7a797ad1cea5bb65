"""What gantool asks of a method: what is known without torch, and what does the work.

A method is a folder with a `MethodSpec` and a line in `gantool.methods.registry.METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from gantool.settings.schema import Settings
from gantool.settings.sources import Presets

if TYPE_CHECKING:
    from torch import nn

    from gantool.engine.loop import Batches
    from gantool.engine.measurement import Measurement
    from gantool.engine.runtime import Runtime
    from gantool.engine.task import Batch, Task
    from gantool.methods.images import LabelledSplit, TranslationImages

__all__ = ["Method", "MethodSpec", "ModelName", "Split", "presets_in"]

Split = Literal["val", "test"]


@dataclass(frozen=True)
class ModelName:
    """Where the settings of a model start.

    Attributes:
        preset: for data of one's own.
        sample: preset for the built-in sample.
        network: values by dotted key that the name stands for; they replace the preset's, nothing may change them.
        others: further values that replace the preset's.
        init_from: a built-in model whose weights a new run starts from where no other is named.
    """

    preset: str
    sample: str
    network: Mapping[str, str | None] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)
    init_from: str | None = None


@dataclass(frozen=True)
class MethodSpec:
    """A method as far as it is known without torch.

    Attributes:
        name: the settings' ``task``.
        settings: its schema.
        presets: their files by name.
        models: what each model it can train is, by the name that lists show.
        resolve: what a model's name means; None if it is no name of this method.
        like: names a mistaken one is compared with.
        refused: why an option cannot be had, by the setting it stands for; ``{model}`` is the model's name.
        load: imports the method; what it returns takes settings, the model's name and ``fresh`` (see `make_method`).
        paired: whether it learns from pairs.
        fitting: settings by dotted key that a preset needs to go with what the user set; the user's own win.
    """

    name: str
    settings: type[Settings]
    presets: Presets
    models: Mapping[str, str]
    resolve: Callable[[str], ModelName | None]
    like: Callable[[str], Sequence[str]]
    refused: Mapping[str, str]
    load: Callable[[], Callable[..., Method]]
    paired: bool = False
    fitting: Callable[[Settings], Mapping[str, Any]] = lambda settings: {}


class Method(Protocol):
    """A method with its settings and its data.

    Attributes:
        about: what the data was recognized as.
        held_out: files taken from training, one line each.
        files: that images and labels are read from; none where they are drawn.
        facts: what ``run.json`` says about the data (domains or classes).
        hint: what to say in addition where a training on a CPU takes long.
    """

    about: str
    held_out: Sequence[str]
    files: Sequence[Path]
    facts: Mapping[str, Any]
    hint: str

    def task(self, runtime: Runtime, *, fresh: bool) -> Task:
        """Build networks and optimizers; only ``fresh`` ones need pretrained weights."""
        ...

    def batches(self, runtime: Runtime) -> Batches: ...

    def preview(self) -> Batch:
        """What sample pictures are made of."""
        ...

    def images(self, split: str) -> TranslationImages | LabelledSplit:
        """The images of ``train``, ``val`` or ``test``, prepared without chance."""
        ...

    def measure(self, nets: Mapping[str, nn.Module], split: Split, runtime: Runtime) -> Measurement | None:
        """Measure networks as they are delivered.

        Args:
            split: ``val`` chooses the best epoch, on as many images as the settings say; ``test`` is for the final
                numbers, with baselines where there are any.

        Returns:
            None where there is nothing to measure them by.
        """
        ...

    def delivered(self, nets: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        """The task's networks as they are delivered."""
        ...

    def load_weights(self, path: Path, nets: Mapping[str, nn.Module]) -> None:
        """Fill networks from a model file."""
        ...


def presets_in(package: str, *names: str) -> Presets:
    """The presets ``presets/NAME.yaml`` of a package."""
    return {name: resources.files(package) / "presets" / f"{name}.yaml" for name in names}
