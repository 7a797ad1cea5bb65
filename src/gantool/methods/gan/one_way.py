"""What methods share that learn one direction from two domains without pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import nn

from gantool.cards import Architecture, Card, Direction, Domain
from gantool.engine.batches import EpochBatches, build_batches
from gantool.engine.measurement import Measurement
from gantool.engine.runtime import Runtime
from gantool.engine.task import Batch
from gantool.methods import scores
from gantool.methods.base import Split
from gantool.methods.domains import PairedTruth, build_data, preview_batch, towards, training_set
from gantool.methods.gan.networks import check_settings, fill_from_file, generator_options
from gantool.methods.gan.settings import OneWaySettings
from gantool.methods.images import TranslationImages
from gantool.nets.registry import GENERATORS
from gantool.report.gallery import Gallery

S = TypeVar("S", bound=OneWaySettings)

__all__ = ["OneWayMethod"]


class OneWayMethod(Generic[S]):
    """All of `gantool.methods.base.Method` but the task."""

    hint = ""

    def __init__(self, settings: S) -> None:
        check_settings(settings)
        self.settings = settings
        self.data = towards(build_data(settings), settings.data.to)
        self.about = f"{self.data.about}, {self.data.names[0]} to {self.data.names[1]}"
        self.held_out: Sequence[str] = [str(path) for path in self.data.held_out]
        self.files: Sequence[Path] = self.data.files
        self.facts: Mapping[str, Any] = {"domains": list(self.data.names)}
        self._distances: scores.SlicedDistances | None = None

    def domains(self) -> tuple[Domain, Domain]:
        """Source and target."""
        first, second = (
            Domain(name=name, channels=count, classes=classes)
            for name, count, classes in zip(
                self.data.names, self.settings.data.channels, self.data.classes, strict=True
            )
        )
        return first, second

    def card(self) -> Card:
        model, (source, target) = self.settings.model, self.data.names
        options = generator_options(model, *self.settings.data.channels)
        return Card(
            task=self.settings.task,
            domains=self.domains(),
            directions=(
                Direction(
                    source=source, target=target, net=f"to_{target}",
                    architecture=Architecture(name=model.generator, options=options),
                ),
            ),
            multiple_of=GENERATORS[model.generator].multiple_of,
            size=self.settings.data.size,
            norm=model.norm,
        )  # fmt: skip

    def batches(self, runtime: Runtime) -> EpochBatches:
        dataset = training_set(self.settings, self.data)
        return build_batches(dataset, len(dataset), self.settings, runtime)

    def preview(self) -> Batch:
        return preview_batch(self.settings, self.data)

    def images(self, split: str) -> TranslationImages:
        data = self.settings.data
        return self.data.images(split, "two folders" if data.domains else data.path)

    def measure(self, nets: Mapping[str, nn.Module], split: Split, runtime: Runtime) -> Measurement | None:
        """Against truths where there are any: L1 ratios of drawn scenes, mean IoU of label maps, L1 of their photos.

        Otherwise epochs are told apart by the sliced Wasserstein distance to real images, and the last numbers are
        left to ``gantool evaluate``.
        """
        data, final = self.data, split == "test"
        count = None if final else self.settings.metrics.images
        if data.labelled is not None:
            gallery = Gallery("accuracy", higher_is_better=True) if data.classes[1] else Gallery("L1")
            values = scores.scores_on_pairs(
                nets[f"to_{data.names[1]}"], data.labelled[final], data.preparations, data.classes[1], runtime.device,
                gallery, count,
            )  # fmt: skip
            best = 1 - values["mean_iou"] if data.classes[1] else values["l1"]
            return Measurement(values, best, gallery=gallery)
        if data.truth is not None and data.validation is not None:
            truth, gallery = data.truth if final else data.validation, Gallery("L1")
            truth = PairedTruth(truth.a[:count], truth.b[:count])
            ratios = scores.ratios_to_truth(nets, data.names, truth, runtime.device, gallery)
            (best,) = ratios.values()
            return Measurement(ratios, best, scores.baseline_ratios(data, ratios) if final else {}, gallery)
        if final:
            return None
        if self._distances is None:
            self._distances = scores.SlicedDistances(data, self.settings.metrics.images, runtime.device)
        found = self._distances(nets)
        return replace(found, values={name: value for name, value in found.values.items() if name != "swd"})

    def delivered(self, nets: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        return dict(nets)

    def load_weights(self, path: Path, nets: Mapping[str, nn.Module]) -> None:
        """Fill the generator; whatever else learns starts anew."""
        fill_from_file(path, nets)
