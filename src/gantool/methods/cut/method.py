"""CUT on a run's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gantool.cards import Architecture, Card, Direction, Domain
from gantool.engine.batches import EpochBatches, build_batches
from gantool.engine.measurement import Measurement
from gantool.engine.runtime import Runtime
from gantool.engine.task import Batch
from gantool.errors import SettingsError
from gantool.methods import scores
from gantool.methods.base import Split
from gantool.methods.cut.patch_places import PatchPlaces
from gantool.methods.cut.settings import CutSettings
from gantool.methods.cut.task import Cut, CutWeights
from gantool.methods.domains import PairedTruth, build_data, preview_batch, towards, training_set
from gantool.methods.gan.game import make_game
from gantool.methods.gan.networks import (
    check_settings,
    fill_from_file,
    generator_options,
    initialize_all,
    make_discriminator,
    make_player,
    place,
)
from gantool.methods.images import TranslationImages
from gantool.nets.features import LayeredGenerator
from gantool.nets.layers import initialize
from gantool.nets.patch_projection import PatchProjection
from gantool.nets.registry import GENERATORS, build_generator
from gantool.report.gallery import Gallery

__all__ = ["CutMethod"]


class CutMethod:
    """Unpaired translation in one direction; see `gantool.methods.base.Method`."""

    def __init__(self, settings: CutSettings, model: str, *, fresh: bool) -> None:
        check_settings(settings)
        self.settings = settings
        self.data = towards(build_data(settings), settings.data.to)
        with torch.device("meta"):
            self._layered(self._build())
        self.about = f"{self.data.about}, {self.data.names[0]} to {self.data.names[1]}"
        self.held_out: Sequence[str] = [str(path) for path in self.data.held_out]
        self.files: Sequence[Path] = self.data.files
        self.facts: Mapping[str, Any] = {"domains": list(self.data.names)}
        light = "A light generator takes a fraction of that: gantool train cut-light."
        self.hint = light if model in ("cut", "fastcut") else ""
        self._distances: scores.SlicedDistances | None = None

    def _build(self) -> nn.Module:
        model = self.settings.model
        return build_generator(model.generator, **generator_options(model, *self.settings.data.channels))

    def _layered(self, generator: nn.Module) -> LayeredGenerator:
        try:
            return LayeredGenerator(generator, self.settings.loss.layers)
        except ValueError as error:
            raise SettingsError(f"loss.layers: {self.settings.model.generator}: {error}.") from None

    def task(self, runtime: Runtime, *, fresh: bool) -> Cut:
        settings, loss = self.settings, self.settings.loss
        torch.manual_seed(settings.train.seed)
        generator, critic = self._build(), make_discriminator(settings, settings.data.channels[1])
        initialize_all(settings, (generator,), (critic,))
        layered = self._layered(generator)
        projection = PatchProjection(layered.channels(), settings.model.projection_width)
        initialize(projection, settings.model.init, settings.model.init_gain)
        place(settings, (layered, projection, critic), runtime)
        lr = settings.optimizer.lr
        nets = {f"to_{self.data.names[1]}": generator, "projection": projection}
        return Cut(
            self._card(),
            layered,
            make_player(settings, "generator", nets, lr, runtime),
            make_player(
                settings, "discriminator", {"target": critic}, settings.optimizer.discriminator_lr or lr, runtime
            ),
            CutWeights(loss.contrast, loss.identity, loss.flip, loss.temperature),
            make_game(settings, settings.augment.discriminator),
            PatchPlaces(loss.patches, settings.train.seed),
        )

    def _card(self) -> Card:
        model, (source, target) = self.settings.model, self.data.names
        channels = self.settings.data.channels
        options = generator_options(model, *channels)
        return Card(
            task="cut",
            domains=tuple(
                Domain(name=name, channels=count, classes=classes)
                for name, count, classes in zip(self.data.names, channels, self.data.classes, strict=True)
            ),
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
        """Fill the generator; discriminator and projection start anew."""
        fill_from_file(path, nets)
