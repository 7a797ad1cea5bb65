"""Which models are served, under which names; found once, at the start, and never by what a request says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantool.arrays import hex_color
from gantool.cards import Card
from gantool.errors import UsageError, closest
from gantool.files import safe_name
from gantool.models.find import FoundModel, bundled_models, find_model
from gantool.serve.limits import Refusal

__all__ = ["ServedModel", "Shelf", "find_served"]


@dataclass(frozen=True)
class ServedModel:
    """A model and the name that requests call it by."""

    name: str
    found: FoundModel

    @property
    def card(self) -> Card:
        return self.found.card

    @property
    def targets(self) -> list[str]:
        return self.card.targets

    @property
    def segments(self) -> bool:
        return self.card.is_segmenter or self.card.to_labels is not None

    def about(self) -> dict[str, Any]:
        """What ``GET /models`` tells of it."""
        card = self.card
        directions = [{"from": one.source, "to": one.target} for one in card.directions]
        classes = card.classes
        if not card.is_segmenter and card.to_labels is not None:
            classes = card.domain(card.to_labels.target).classes
        shown = [{"name": one.name, "color": hex_color(one.color)} for one in classes]
        return {
            "name": self.name,
            "built_in": self.found.is_bundled,
            "translates": directions,
            "segments": self.segments,
            "classes": shown,
        }


def find_served(names: Sequence[str], runs: Path) -> tuple[ServedModel, ...]:
    """Find the models of these names; the built-in ones for none.

    Raises:
        ModelError: there is none of a name.
        UsageError: two of one name.
    """
    served: dict[str, ServedModel] = {}
    for wanted in names or list(bundled_models()):
        found = find_model(wanted, runs)
        # A file has no name of its own, and its path is nobody's business.
        name = safe_name(found.path.stem if found.label == str(found.path) else found.label)
        if name in served:
            raise UsageError(f"--model {wanted}: another model is called {name}, too.")
        served[name] = ServedModel(name, found)
    return tuple(served.values())


class Shelf:
    """The models that requests choose from."""

    def __init__(self, models: Sequence[ServedModel]) -> None:
        self.models = tuple(models)

    def translator(self, to: str, name: str = "") -> ServedModel:
        """The model that translates to a domain: the one of that name, or the first that can.

        Raises:
            Refusal: there is none.
        """
        targets = [target for model in self.models for target in model.targets]
        if not to:
            raise Refusal(400, f"Say what to translate to: ?to=DOMAIN. {closest('', targets)}".strip())
        chosen = [self._named(name)] if name else self.models
        for model in chosen:
            if to in model.targets:
                return model
        if name:
            raise Refusal(
                404, f"The model {name} does not translate to that. {closest(to, chosen[0].targets)}".strip()
            )
        raise Refusal(404, f"No model here translates to that. {closest(to, targets)}".strip())

    def segmenter(self, name: str = "") -> ServedModel:
        """The model of that name, or the first that segments.

        Raises:
            Refusal: there is none, or it does not segment.
        """
        if name:
            model = self._named(name)
            if not model.segments:
                raise Refusal(404, f"The model {name} does not segment.")
            return model
        for model in self.models:
            if model.segments:
                return model
        raise Refusal(404, "No model here segments.")

    def _named(self, name: str) -> ServedModel:
        for model in self.models:
            if model.name == name:
                return model
        names = [model.name for model in self.models]
        raise Refusal(404, f"There is no model of that name here. {closest(name, names)}".strip())
