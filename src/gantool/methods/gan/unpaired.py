"""What methods share that learn from two domains without pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import nn

from gantool.cards import Architecture, Direction
from gantool.engine.batches import EpochBatches, build_batches
from gantool.engine.measurement import Measurement
from gantool.engine.runtime import Runtime
from gantool.engine.task import Batch
from gantool.methods import scores
from gantool.methods.domains import UnpairedData, preview_batch, training_set
from gantool.methods.gan.networks import generator_options
from gantool.methods.gan.settings import UnpairedSettings
from gantool.methods.images import TranslationImages

S = TypeVar("S", bound=UnpairedSettings)

__all__ = ["UnpairedMethod"]


class UnpairedMethod(Generic[S]):
    """What `gantool.methods.base.Method` asks about the data.

    Args:
        data: its images, source first where there is one direction.
    """

    hint = ""

    def __init__(self, settings: S, data: UnpairedData) -> None:
        self.settings, self.data = settings, data
        self.about = data.about
        self.held_out: Sequence[str] = [str(path) for path in data.held_out]
        self.files: Sequence[Path] = data.files
        self.facts: Mapping[str, Any] = {"domains": list(data.names)}
        self._distances: scores.SlicedDistances | None = None

    def direction(self, source: str, target: str, channels: tuple[int, int]) -> Direction:
        """What the card says of a generator with the settings' network."""
        model = self.settings.model
        options = generator_options(model, *channels)
        architecture = Architecture(name=model.generator, options=options)
        return Direction(source=source, target=target, net=f"to_{target}", architecture=architecture)

    def batches(self, runtime: Runtime) -> EpochBatches:
        dataset = training_set(self.settings, self.data)
        return build_batches(dataset, len(dataset), self.settings, runtime)

    def preview(self) -> Batch:
        return preview_batch(self.settings, self.data)

    def images(self, split: str) -> TranslationImages:
        data = self.settings.data
        return self.data.images(split, "two folders" if data.domains else data.path)

    def delivered(self, nets: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        return dict(nets)

    def distances(self, nets: Mapping[str, nn.Module], runtime: Runtime) -> Measurement:
        """The sliced Wasserstein distance to real images, which tells epochs apart where there is no truth."""
        if self._distances is None:
            self._distances = scores.SlicedDistances(self.data, self.settings.metrics.images, runtime.device)
        return self._distances(nets)
