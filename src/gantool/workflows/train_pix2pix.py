"""The recipe of pix2pix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gantool.cards import Architecture, Card, Direction, Domain
from gantool.engine.runtime import Runtime
from gantool.errors import ModelError
from gantool.metrics.paired import l1
from gantool.models.files import load_net, read_card
from gantool.models.runs import Run
from gantool.nets.deterministic import with_instance_norm
from gantool.nets.registry import GENERATORS, build_generator
from gantool.report.judged import ImageJudge
from gantool.settings import Pix2PixSettings
from gantool.tasks.base import Batch, Task
from gantool.tasks.pix2pix import Pix2Pix, Pix2PixWeights
from gantool.workflows.batches import EpochBatches, build_batches
from gantool.workflows.build_cyclegan import (
    check_settings,
    generator_options,
    initialize_all,
    make_discriminator,
    make_player,
)
from gantool.workflows.judge_translation import scores_on_pairs
from gantool.workflows.paired_data import PairedData, Sides, build_paired_data, paired_set, preview_pairs
from gantool.workflows.recipes import Measure

__all__ = ["Pix2PixRecipe"]


class Pix2PixRecipe:
    """Translation learned from pairs; see `gantool.workflows.recipes.Recipe`."""

    def __init__(self, settings: Pix2PixSettings, kind: str) -> None:
        check_settings(settings)
        self.settings = settings
        self.data: PairedData = build_paired_data(settings)
        source, target = self.data.names
        self.about = f"{self.data.about}, {source} to {target}"
        self.held_out: Sequence[str] = self.data.held_out
        self.facts: Mapping[str, Any] = {"domains": list(self.data.names)}
        self.estimate = settings.data.path != "sample"
        self.hint = ""
        self.judged: ImageJudge | None = None
        # Batch norm over one image is instance norm; see `gantool.nets.deterministic`.
        alone = settings.train.batch_size == settings.runtime.devices
        self._alone = settings.model.norm == "batch" and alone

    def build_task(self, runtime: Runtime, *, fresh: bool) -> Task:
        settings, model = self.settings, self.settings.model
        source, target = self.data.names
        channels = dict(zip(self.data.names, self._channels(), strict=True))
        torch.manual_seed(settings.train.seed)
        options = generator_options(model, channels[source], channels[target])
        generator = build_generator(model.generator, **options)
        discriminator = make_discriminator(settings, channels[source] + channels[target])
        initialize_all(settings, (generator,), (discriminator,))
        runtime.place([generator, discriminator], channels_last=settings.runtime.channels_last)
        if settings.runtime.compile:
            generator.compile()
            discriminator.compile()
        torch.manual_seed(settings.train.seed + 1 + runtime.rank)
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
            Pix2PixWeights(loss.adversarial, loss.reconstruction, loss.distance, loss.gradient_penalty),
            every=settings.train.discriminator_every,
            for_use=self._delivered,
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

    def for_use(self, nets: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        """The networks as they are delivered: deterministic, without dropout, independent of a batch."""
        return {name: self._delivered(net) for name, net in nets.items()}

    def _delivered(self, net: nn.Module) -> nn.Module:
        return with_instance_norm(net).eval() if self._alone else net

    def evaluate(self, runtime: Runtime) -> Measure:
        count = self.settings.metrics.images

        def measure(nets: Mapping[str, nn.Module]) -> dict[str, float]:
            net = self.for_use(nets)[f"to_{self.data.names[1]}"]
            return self._measure(net, self.data.validation, runtime, count)

        return measure

    def _measure(self, net: nn.Module, sides: Sides, runtime: Runtime, count: int | None = None) -> dict[str, float]:
        classes = self.data.classes[1]
        self.judged = ImageJudge("accuracy", higher_is_better=True) if classes else ImageJudge("L1")
        return scores_on_pairs(net, sides, self.data.preparations, classes, runtime.device, self.judged, count)

    def score(self, metrics: Mapping[str, float]) -> float:
        return 1 - metrics["mean_iou"] if "mean_iou" in metrics else metrics["l1"]

    def load_first_weights(self, path: Path, nets: Mapping[str, nn.Module]) -> None:
        """Fill the generator; the discriminator starts anew."""
        card = read_card(path)
        for name, net in nets.items():
            elsewhere = card.origin.data.startswith("checkpoint ")
            target = card.directions[0].target if elsewhere else name.removeprefix("to_")
            weights = load_net(path, card, target).state_dict()
            own = net.state_dict()
            # A model that was delivered with instance norm has no running statistics; they begin anew.
            try:
                net.load_state_dict({key: weights.get(key, own[key]) for key in own})
            except RuntimeError:
                raise ModelError(
                    f"--init-from {path}: is another network than the settings ask for.",
                    "Set model.generator, model.width and model.norm to the same.",
                ) from None

    def final(self, run: Run, runtime: Runtime) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
        card, target = read_card(run.model), self.data.names[1]
        net = load_net(run.model, card, target).to(runtime.device)
        metrics = self._measure(net, self.data.test, runtime)
        return metrics, {"mean training image": {"l1": self._distance_of_the_mean()}}

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
