"""CycleGAN on a run's data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from gantool.cards import Card, Domain
from gantool.engine.measurement import Measurement
from gantool.engine.runtime import Runtime
from gantool.errors import ModelError
from gantool.methods import scores
from gantool.methods.base import Split
from gantool.methods.cyclegan.settings import CycleGanSettings
from gantool.methods.cyclegan.task import CycleGan, CycleGanWeights
from gantool.methods.domains import PairedTruth, build_data
from gantool.methods.gan.game import make_game
from gantool.methods.gan.networks import (
    check_settings,
    fill_generator,
    initialize_all,
    make_discriminator,
    make_player,
    place,
)
from gantool.methods.gan.unpaired import UnpairedMethod
from gantool.models.files import load_net, read_card
from gantool.nets.registry import GENERATORS, build_generator
from gantool.report.gallery import Gallery

__all__ = ["CycleGanMethod"]


class CycleGanMethod(UnpairedMethod[CycleGanSettings]):
    """Unpaired translation; see `gantool.methods.base.Method`."""

    def __init__(self, settings: CycleGanSettings, model: str, *, fresh: bool) -> None:
        check_settings(settings)
        super().__init__(settings, build_data(settings))
        light = "The light generators take a fraction of that: gantool train cyclegan-light."
        self.hint = light if model == "cyclegan" else ""

    def task(self, runtime: Runtime, *, fresh: bool) -> CycleGan:
        settings = self.settings
        torch.manual_seed(settings.train.seed)
        card = self._card()
        to_b, to_a = (build_generator(d.architecture.name, **d.architecture.options) for d in card.directions)
        d_a, d_b = (make_discriminator(settings, channels) for channels in settings.data.channels)
        initialize_all(settings, (to_b, to_a), (d_a, d_b))
        place(settings, (to_b, to_a, d_a, d_b), runtime)
        loss, lr = settings.loss, settings.optimizer.lr
        critics_lr = settings.optimizer.discriminator_lr or lr
        return CycleGan(
            card,
            make_player(settings, "generators", {"to_b": to_b, "to_a": to_a}, lr, runtime),
            make_player(settings, "discriminators", {"b": d_b, "a": d_a}, critics_lr, runtime),
            CycleGanWeights(loss.cycle_a, loss.cycle_b, loss.cycle_distance, loss.identity),
            make_game(settings, settings.augment.discriminator),
            pool_size=settings.train.pool_size,
            split_backward=settings.runtime.split_backward,
            at_once=self._at_once(runtime),
            seed=settings.train.seed + 2 * runtime.rank,
        )

    def _at_once(self, runtime: Runtime) -> bool:
        """Whether both cycles may run at the same time: no chance in a step, no statistics that both would keep."""
        settings = self.settings
        random = settings.model.dropout or settings.augment.discriminator or settings.loss.adversarial == "wgan-gp"
        alone = bool(random) or settings.model.norm == "batch" or settings.runtime.split_backward
        return settings.runtime.parallel_cycles and runtime.shares_cores and not alone

    def _card(self) -> Card:
        settings, model, names = self.settings, self.settings.model, self.data.names
        channels = dict(zip(names, settings.data.channels, strict=True))
        return Card(
            task="cyclegan",
            domains=tuple(
                Domain(name=name, channels=channels[name], classes=classes)
                for name, classes in zip(names, self.data.classes, strict=True)
            ),
            directions=tuple(
                self.direction(source, target, (channels[source], channels[target]))
                for source, target in (names, names[::-1])
            ),
            multiple_of=GENERATORS[model.generator].multiple_of,
            size=settings.data.size,
            norm=model.norm,
        )  # fmt: skip

    def measure(self, nets: Mapping[str, nn.Module], split: Split, runtime: Runtime) -> Measurement | None:
        """Against truths where there are any: L1 ratios of drawn scenes, mean IoU of label maps.

        Otherwise epochs are told apart by the sliced Wasserstein distance to real images, and the last numbers are
        left to ``gantool evaluate``.
        """
        data, final = self.data, split == "test"
        count = None if final else self.settings.metrics.images
        if data.labelled is not None:
            return scores.on_label_maps(nets, data, data.labelled[final], runtime.device, count)
        if data.truth is not None and data.validation is not None:
            truth = data.truth if final else data.validation
            truth = PairedTruth(truth.a[:count], truth.b[:count])
            gallery = Gallery("L1")
            ratios = scores.ratios_to_truth(nets, data.names, truth, runtime.device, gallery)
            mean = sum(ratios.values()) / len(ratios)
            if final:
                return Measurement(ratios, mean, scores.baseline_ratios(data, ratios), gallery)
            return Measurement({"l1_ratio": mean, **ratios}, mean, gallery=gallery)
        if final:
            return None
        return self.distances(nets, runtime)

    def load_weights(self, path: Path, nets: Mapping[str, nn.Module]) -> None:
        """Fill the generators; the discriminators start anew.

        A checkpoint from elsewhere has one direction: the domain that its name tells, A or B in the order of the
        data, or else the second domain. The other generator starts anew, too.
        """
        card = read_card(path)
        wanted = {name: name.removeprefix("to_") for name in nets}
        if card.from_elsewhere:
            (direction,) = card.directions
            placeholder = {"A": self.data.names[0]}.get(direction.target, self.data.names[1])
            target = direction.target if direction.target in self.data.names else placeholder
            wanted = {f"to_{target}": direction.target}
        for name, target in wanted.items():
            weights = load_net(path, card, target).state_dict()
            try:
                fill_generator(nets[name], weights)
            except RuntimeError:
                known = card.direction(target).architecture
                raise ModelError(
                    f"--init-from {path}: has {known.name} with {known.options}, the settings ask for another "
                    "network.",
                    "Set model.generator, model.width, model.norm and the other model keys to the same.",
                ) from None
