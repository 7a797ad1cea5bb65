"""CUT on a run's data."""

from __future__ import annotations

import torch
from torch import nn

from gantool.engine.runtime import Runtime
from gantool.errors import SettingsError
from gantool.methods.cut.patch_places import PatchPlaces
from gantool.methods.cut.settings import CutSettings
from gantool.methods.cut.task import Cut, CutWeights
from gantool.methods.gan.game import make_game
from gantool.methods.gan.networks import generator_options, initialize_all, make_discriminator, make_player, place
from gantool.methods.gan.one_way import OneWayMethod
from gantool.nets.features import LayeredGenerator
from gantool.nets.layers import initialize
from gantool.nets.patch_projection import PatchProjection
from gantool.nets.registry import build_generator

__all__ = ["CutMethod"]


class CutMethod(OneWayMethod[CutSettings]):
    """Unpaired translation in one direction; see `gantool.methods.base.Method`."""

    def __init__(self, settings: CutSettings, model: str, *, fresh: bool) -> None:
        super().__init__(settings)
        with torch.device("meta"):
            self._layered(self._build())
        light = "A light generator takes a fraction of that: gantool train cut-light."
        self.hint = light if model in ("cut", "fastcut") else ""

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
        return Cut(
            self.card(),
            make_player(settings, "generator", {"layered": layered, "projection": projection}, lr, runtime),
            make_player(
                settings, "discriminator", {"target": critic}, settings.optimizer.discriminator_lr or lr, runtime
            ),
            CutWeights(loss.contrast, loss.identity, loss.flip, loss.temperature),
            make_game(settings, settings.augment.discriminator),
            PatchPlaces(loss.patches, settings.train.seed),
        )
