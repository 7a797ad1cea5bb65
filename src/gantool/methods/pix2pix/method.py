"""pix2pix on a run's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gantool.cards import Architecture, Card, Direction, Domain
from gantool.engine.batches import EpochBatches, build_batches
from gantool.engine.measurement import Measurement
from gantool.engine.runtime import Runtime
from gantool.engine.task import Batch
from gantool.methods.base import Split
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
from gantool.methods.pairs import build_paired_data, paired_set, preview_pairs
from gantool.methods.pix2pix.settings import Pix2PixSettings
from gantool.methods.pix2pix.task import Pix2Pix, Pix2PixWeights
from gantool.methods.scores import scores_on_pairs
from gantool.metrics.paired import l1
from gantool.nets.deterministic import with_instance_norm
from gantool.nets.registry import GENERATORS, build_generator
from gantool.report.gallery import Gallery

__all__ = ["Pix2PixMethod"]


class Pix2PixMethod:
    """Translation learned from pairs; see `gantool.methods.base.Method`."""

    def __init__(self, settings: Pix2PixSettings, model: str, *, fresh: bool) -> None:
        check_settings(settings)
        self.settings = settings
        self.data = build_paired_data(settings)
        source, target = self.data.names
        self.about = f"{self.data.about}, {source} to {target}"
        self.held_out: Sequence[str] = self.data.held_out
        self.files: Sequence[Path] = self.data.files
        self.facts: Mapping[str, Any] = {"domains": list(self.data.names)}
        self.hint = ""
        # Batch norm over one image is instance norm; see `gantool.nets.deterministic`.
        alone = settings.train.batch_size == settings.runtime.devices
        self._alone = settings.model.norm == "batch" and alone

    def task(self, runtime: Runtime, *, fresh: bool) -> Pix2Pix:
        settings, model = self.settings, self.settings.model
        source, target = self.data.names
        channels = dict(zip(self.data.names, self._channels(), strict=True))
        torch.manual_seed(settings.train.seed)
        options = generator_options(model, channels[source], channels[target])
        generator = build_generator(model.generator, **options)
        discriminator = make_discriminator(settings, channels[source] + channels[target])
        initialize_all(settings, (generator,), (discriminator,))
        place(settings, (generator, discriminator), runtime)
        norm = "instance_affine" if self._alone else model.norm
        delivered = {**options, "norm": norm} if "norm" in options else options
        card = Card(
            task="pix2pix",
            domains=tuple(
                Domain(name=name, channels=channels[name], classes=classes)
                for name, classes in zip(self.data.names, self.data.classes, strict=True)
            ),
            directions=(
                Direction(
                    source=source, target=target, net=f"to_{target}",
                    architecture=Architecture(name=model.generator, options=delivered),
                ),
            ),
            multiple_of=GENERATORS[model.generator].multiple_of,
            size=settings.data.size,
            norm=norm,
        )  # fmt: skip
        loss, lr = settings.loss, settings.optimizer.lr
        return Pix2Pix(
            card,
            make_player(settings, "generator", {f"to_{target}": generator}, lr, runtime),
            make_player(
                settings, "discriminator", {"pair": discriminator}, settings.optimizer.discriminator_lr or lr, runtime
            ),
            Pix2PixWeights(loss.reconstruction, loss.distance),
            replace(make_game(settings), batch_calls=False),
            every=settings.train.discriminator_every,
            for_use=self._without_batch,
        )

    def _channels(self) -> tuple[int, int]:
        """Channels of source and target; the setting names those of a pair from left to right."""
        first, second = self.settings.data.channels
        return (second, first) if self.data.turned_around else (first, second)

    def batches(self, runtime: Runtime) -> EpochBatches:
        dataset = paired_set(self.settings, self.data)
        return build_batches(dataset, len(dataset), self.settings, runtime)

    def preview(self) -> Batch:
        return preview_pairs(self.settings, self.data)

    def images(self, split: str) -> TranslationImages:
        return self.data.images(split, self.settings.data.label)

    def measure(self, nets: Mapping[str, nn.Module], split: Split, runtime: Runtime) -> Measurement:
        """L1 to the truth; for label maps first the mean IoU."""
        data, final = self.data, split == "test"
        classes = data.classes[1]
        gallery = Gallery("accuracy", higher_is_better=True) if classes else Gallery("L1")
        values, confusion = scores_on_pairs(
            nets[f"to_{data.names[1]}"], data.test if final else data.validation, data.preparations, classes,
            runtime.device, gallery, None if final else self.settings.metrics.images,
        )  # fmt: skip
        baselines = {"mean training image": {"l1": self._distance_of_the_mean()}} if final else {}
        best = 1 - values["mean_iou"] if classes else values["l1"]
        return Measurement(values, best, baselines, gallery, confusion)

    def delivered(self, nets: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        """Deterministic, without dropout, independent of a batch."""
        return {name: self._without_batch(net) for name, net in nets.items()}

    def _without_batch(self, net: nn.Module) -> nn.Module:
        return with_instance_norm(net).eval() if self._alone else net

    def load_weights(self, path: Path, nets: Mapping[str, nn.Module]) -> None:
        """Fill the generator; the discriminator starts anew."""
        fill_from_file(path, nets)

    def _distance_of_the_mean(self) -> float:
        """L1 of the mean training image, the best constant guess under a squared error."""
        images, preparation = self.data.train[1], self.data.preparations[1]
        step = max(len(images) // 200, 1)
        views = [preparation.testing(images[n]) for n in range(0, len(images), step)]
        views = [view for view in views if view.shape == views[0].shape]
        mean = np.rint(np.mean(np.stack(views), axis=0)).astype(np.uint8)
        tests = [preparation.testing(self.data.test[1][n]) for n in range(len(self.data.test[1]))]
        tests = [view for view in tests if view.shape == mean.shape]
        return l1([mean] * len(tests), tests) if tests else float("nan")
