"""Distillation on a run's data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gantool.cards import Direction, Domain
from gantool.engine.batches import EpochBatches, build_batches
from gantool.engine.measurement import Measurement
from gantool.engine.runtime import Runtime
from gantool.errors import ModelError, SettingsError
from gantool.methods.base import Split
from gantool.methods.distill.settings import DistillSettings
from gantool.methods.distill.task import Distill, DistillWeights
from gantool.methods.domains import training_set
from gantool.methods.gan.game import make_game
from gantool.methods.gan.networks import generator_options, initialize_all, make_discriminator, make_player, place
from gantool.methods.gan.one_way import OneWayMethod
from gantool.methods.scores import distance_to_teacher
from gantool.models.files import load_net
from gantool.models.find import find_model
from gantool.nets.registry import build_generator

__all__ = ["DistillMethod"]


class DistillMethod(OneWayMethod[DistillSettings]):
    """Learn what another model does; see `gantool.methods.base.Method`."""

    def __init__(self, settings: DistillSettings, model: str, *, fresh: bool) -> None:
        super().__init__(settings)
        try:
            self._found = find_model(settings.model.teacher, Path("runs"))
        except ModelError as error:
            raise ModelError(f"--distill {settings.model.teacher}: {error.message}", error.remedy) from None
        self._direction = self._direction_of_teacher()
        source, target = self.data.names
        self.about = f"{self.data.about}, {source} to {target} as {self._found.label} does it"
        self.facts: Mapping[str, Any] = {**self.facts, "teacher": self._found.label}

    def _direction_of_teacher(self) -> Direction:
        name, card, (source, target) = self.settings.model.teacher, self._found.card, self.data.names
        if card.exported is not None:
            raise ModelError(f"--distill {name}: is an exported file.", "Name the run or model it came from.")
        if card.is_segmenter:
            raise ModelError(f"--distill {name}: is a segmenter; only translations are distilled.")
        if card.from_elsewhere:
            (direction,) = card.directions
        else:
            direction = next((one for one in card.directions if one.target == target), card.directions[0])
            if (direction.source, direction.target) != (source, target):
                ways = " or ".join(f"{one.source} to {one.target}" for one in card.directions)
                raise ModelError(
                    f"--distill {name}: translates {ways}, the data is {source} to {target}.",
                    "Name the folders so (--domain NAME=DIR), and choose the direction with --to.",
                )
        channels = (card.domain(direction.source).channels, card.domain(direction.target).channels)
        if channels != self.settings.data.channels:
            raise SettingsError(f"data.channels: must be {list(channels)}, as the teacher has them.")
        if self.settings.data.size % card.multiple_of:
            raise SettingsError(
                f"data.size: must be a multiple of {card.multiple_of} for the teacher, got {self.settings.data.size}."
            )
        return direction

    def task(self, runtime: Runtime, *, fresh: bool) -> Distill:
        settings, loss, channels = self.settings, self.settings.loss, self.settings.data.channels
        torch.manual_seed(settings.train.seed)
        student = build_generator(settings.model.generator, **generator_options(settings.model, *channels))
        critic = make_discriminator(settings, sum(channels))
        initialize_all(settings, (student,), (critic,))
        place(settings, (student, critic), runtime)
        teacher = load_net(self._found.path, self._found.card, self._direction.target).requires_grad_(False)
        lr = settings.optimizer.lr
        return Distill(
            self.card(),
            teacher.to(runtime.device).eval(),
            make_player(settings, "generator", {f"to_{self.data.names[1]}": student}, lr, runtime),
            make_player(
                settings, "discriminator", {"pair": critic}, settings.optimizer.discriminator_lr or lr, runtime
            ),
            DistillWeights(loss.reconstruction, loss.features),
            make_game(settings, settings.augment.discriminator, channels),
            digest=hashlib.sha256(self._found.path.read_bytes()).hexdigest(),
        )

    def batches(self, runtime: Runtime) -> EpochBatches:
        """Of the source alone: the teacher makes the other half."""
        dataset = training_set(self.settings, self.data, sides="a")
        return build_batches(dataset, len(dataset), self.settings, runtime)

    def domains(self) -> tuple[Domain, Domain]:
        """With the classes of the teacher's label maps."""
        ends = (self._direction.source, self._direction.target)
        first, second = (
            Domain(name=name, channels=count, classes=self._found.card.domain(end).classes)
            for name, count, end in zip(self.data.names, self.settings.data.channels, ends, strict=True)
        )
        return first, second

    def measure(self, nets: Mapping[str, nn.Module], split: Split, runtime: Runtime) -> Measurement | None:
        """How far the pictures are from the teacher's, and what is measured of every model of one direction.

        The best epoch is the nearest to the teacher, or to the truth where there is one.
        """
        found = super().measure(nets, split, runtime)
        teacher = load_net(self._found.path, self._found.card, self._direction.target).to(runtime.device).eval()
        student = nets[f"to_{self.data.names[1]}"]
        count = None if split == "test" else self.settings.metrics.images
        apart = distance_to_teacher(student, teacher, self.data, runtime.device, count)
        if found is None or self.data.truth is None:
            gallery = found.gallery if found is not None else None
            values = found.values if found is not None else {}
            return Measurement({"l1_to_teacher": apart, **values}, apart, gallery=gallery)
        return replace(found, values={**found.values, "l1_to_teacher": apart})
