"""What a training needs of its method: one recipe for each, so that `train` knows none of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from gantool.engine.loop import Batches
from gantool.engine.runtime import Runtime
from gantool.errors import SettingsError
from gantool.models.runs import Run
from gantool.report.judged import ImageJudge
from gantool.settings import CycleGanSettings, Pix2PixSettings, SegmentationSettings, Settings
from gantool.tasks.base import Batch, Task

__all__ = ["Recipe", "make_recipe"]

Measure = Callable[[Mapping[str, nn.Module]], dict[str, float]]


class Recipe(Protocol):
    """A method with its data.

    Attributes:
        about: what the data was recognized as.
        held_out: files taken from training, one line each.
        facts: what ``run.json`` says about the data (domains or classes).
        estimate: whether to tell on a CPU how long the training will take.
        hint: what to say in addition if that is long.
        judged: the worst and the best images of the last measurement, where single images can be judged.
    """

    about: str
    held_out: Sequence[str]
    facts: Mapping[str, Any]
    estimate: bool
    hint: str
    judged: ImageJudge | None

    def build_task(self, runtime: Runtime, *, fresh: bool) -> Task:
        """Build networks and optimizers; only ``fresh`` ones need pretrained weights."""
        ...

    def batches(self, runtime: Runtime) -> Batches: ...

    def preview(self) -> Batch: ...

    def evaluate(self, runtime: Runtime) -> Measure | None:
        """What measures networks after an epoch, or None where there is no truth."""
        ...

    def score(self, metrics: Mapping[str, float]) -> float:
        """Which epoch is best; lower is better."""
        ...

    def for_use(self, nets: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        """The networks as they are delivered."""
        ...

    def load_first_weights(self, path: Path, nets: Mapping[str, nn.Module]) -> None:
        """Fill networks from a model file."""
        ...

    def final(self, run: Run, runtime: Runtime) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
        """Measure the delivered file on images that nothing has seen; metrics, and those of guesses."""
        ...


def make_recipe(settings: Settings, kind: str, *, fresh: bool) -> Recipe:
    """Check the settings, find the data, and return the recipe of the settings' method.

    Args:
        kind: what the user called the model.
        fresh: whether first weights will be needed, so that missing ones are told before anything is started.

    Raises:
        SettingsError, DataError, ModelError: with the remedy.
    """
    _check_runtime(settings)
    if isinstance(settings, SegmentationSettings):
        from gantool.workflows.train_segmentation import SegmentationRecipe

        return SegmentationRecipe(settings, kind, fresh=fresh)
    if isinstance(settings, Pix2PixSettings):
        from gantool.workflows.train_pix2pix import Pix2PixRecipe

        return Pix2PixRecipe(settings, kind)
    assert isinstance(settings, CycleGanSettings)
    from gantool.workflows.train_cyclegan import CycleGanRecipe

    return CycleGanRecipe(settings, kind)


def _check_runtime(settings: Settings) -> None:
    if settings.runtime.tensorboard and find_spec("tensorboard") is None:
        raise SettingsError(
            "runtime.tensorboard: the tensorboard package is missing.",
            'Install it: pip install "gantool[tensorboard]".',
        )
    if settings.runtime.compile and not any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl", "icpx")):
        raise SettingsError(
            "runtime.compile: needs a C++ compiler, none was found.", "Install one, or leave --compile out."
        )
