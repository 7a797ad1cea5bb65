"""What methods share that learn one direction from two domains without pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from torch import nn

from gantool.cards import Card, Domain
from gantool.engine.measurement import Measurement
from gantool.engine.runtime import Runtime
from gantool.methods import scores
from gantool.methods.base import Split
from gantool.methods.domains import PairedTruth, build_data, towards
from gantool.methods.gan.networks import check_settings, fill_from_file
from gantool.methods.gan.settings import OneWaySettings
from gantool.methods.gan.unpaired import UnpairedMethod
from gantool.nets.registry import GENERATORS
from gantool.report.gallery import Gallery

S = TypeVar("S", bound=OneWaySettings)

__all__ = ["OneWayMethod"]


class OneWayMethod(UnpairedMethod[S]):
    """All of `gantool.methods.base.Method` but the task."""

    def __init__(self, settings: S) -> None:
        check_settings(settings)
        super().__init__(settings, towards(build_data(settings), settings.data.to))
        self.about = f"{self.data.about}, {self.data.names[0]} to {self.data.names[1]}"

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
        return Card(
            task=self.settings.task,
            domains=self.domains(),
            directions=(self.direction(source, target, self.settings.data.channels),),
            multiple_of=GENERATORS[model.generator].multiple_of,
            size=self.settings.data.size,
            norm=model.norm,
        )

    def measure(self, nets: Mapping[str, nn.Module], split: Split, runtime: Runtime) -> Measurement | None:
        """Against truths where there are any: L1 ratios of drawn scenes, mean IoU of label maps, L1 of their photos.

        Otherwise epochs are told apart by the sliced Wasserstein distance to real images, and the last numbers are
        left to ``gantool evaluate``.
        """
        data, final = self.data, split == "test"
        count = None if final else self.settings.metrics.images
        if data.labelled is not None:
            gallery = Gallery("accuracy", higher_is_better=True) if data.classes[1] else Gallery("L1")
            values, confusion = scores.scores_on_pairs(
                nets[f"to_{data.names[1]}"], data.labelled[final], data.preparations, data.classes[1], runtime.device,
                gallery, count,
            )  # fmt: skip
            best = 1 - values["mean_iou"] if data.classes[1] else values["l1"]
            return Measurement(values, best, gallery=gallery, confusion=confusion)
        if data.truth is not None and data.validation is not None:
            truth, gallery = data.truth if final else data.validation, Gallery("L1")
            truth = PairedTruth(truth.a[:count], truth.b[:count])
            ratios = scores.ratios_to_truth(nets, data.names, truth, runtime.device, gallery)
            (best,) = ratios.values()
            return Measurement(ratios, best, scores.baseline_ratios(data, ratios) if final else {}, gallery)
        if final:
            return None
        found = self.distances(nets, runtime)
        return replace(found, values={name: value for name, value in found.values.items() if name != "swd"})

    def load_weights(self, path: Path, nets: Mapping[str, nn.Module]) -> None:
        """Fill the generator; whatever else learns starts anew."""
        fill_from_file(path, nets)
