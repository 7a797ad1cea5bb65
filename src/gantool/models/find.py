"""Find a model by name, by what it translates to, or the newest that segments; without torch for ONNX and runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gantool.cards import Card
from gantool.errors import ModelError, RunError, closest
from gantool.fetch.cache import cache_folder
from gantool.models.files import is_model_folder, read_card
from gantool.models.pretrained import PRETRAINED, fetch_pretrained
from gantool.models.runs import Run, list_runs

__all__ = [
    "BUNDLED_SEGMENTER",
    "FoundModel",
    "bundled_for",
    "bundled_models",
    "find_model",
    "find_model_for",
    "find_segmenter",
    "is_on_every_machine",
]

BUNDLED_SEGMENTER = "landscape"
"""The built-in model that segments; how it was made stands in ``docs/landscape.md``."""

_NOTHING, _BEGUN, _LEARNED = 0, 1, 2  # weights of a run: none yet, of its unfinished first epoch, of a finished one


@dataclass(frozen=True)
class FoundModel:
    """A model file that is there, and its card."""

    path: Path
    card: Card
    label: str

    @property
    def is_bundled(self) -> bool:
        """Whether it comes with the package, whatever runs are called."""
        return self.path in bundled_models().values()

    def onnx_form(self, target: str | None) -> Path | None:
        """The same weights in a file that needs no torch, which built-in models have; None for all others.

        Args:
            target: the domain that it translates to; None for a segmenter.
        """
        name = self.path.stem if target is None else f"{self.path.stem}-to-{target}"
        form = self.path.with_name(f"{name}.onnx")
        return form if self.is_bundled and form.is_file() else None

    def named(self, target: str) -> FoundModel:
        """The same model; weights without domain names get that of the target that is asked for."""
        card = self.card
        if not card.from_elsewhere or len(card.directions) != 1:
            return self
        (direction,) = card.directions
        if direction.target == target:
            return self
        domains = tuple(
            domain.model_copy(update={"name": target}) if domain.name == direction.target else domain
            for domain in card.domains
        )
        changed = direction.model_copy(update={"target": target})
        return replace(self, card=card.model_copy(update={"domains": domains, "directions": (changed,)}))


def find_model(name: str, runs: Path) -> FoundModel:
    """Return the model that ``name`` means: a path, a run's name, or the newest run of that kind.

    A run without a finished epoch counts as one of its kind only where there is no other. A folder that is no run,
    such as one of pictures, does not stand in the way of a run or a model of its name.

    Raises:
        ModelError: there is none; names the nearest.
    """
    path = Path(name)
    if path.is_file() or (is_model_folder(path) and not Run(path).exists):
        return FoundModel(path, read_card(path), str(path))
    for run in (Run(path), Run(runs / name)):
        if run.exists or run.model.is_file():
            return _of_run(run)
    known = list_runs(runs)
    of_kind = [run for run in known if _kind(run) == name]
    if of_kind:
        return _of_run(max(of_kind, key=_maturity))  # the newest of those that are alike
    if name in bundled_models():
        return _bundled(name)
    if name in PRETRAINED:
        file = fetch_pretrained(name)
        return FoundModel(file, read_card(file), name)
    if path.is_dir():
        raise ModelError(f"{path}: is a folder, but no run and no model.", "Name a run's folder or a model file.")
    names = [*(run.name for run in known), *(_kind(run) for run in known), *bundled_models(), *PRETRAINED]
    raise ModelError(
        f'There is no model "{name}": no such file, and no run of that name or kind in {runs}.', closest(name, names)
    )


def find_model_for(target: str, runs: Path) -> FoundModel:
    """Return the newest run's model that can translate to ``target``, or else the built-in one that can.

    A run that has not finished an epoch is better than none.

    Raises:
        ModelError: no run can; names the nearest domain that some run reaches, or how to train one.
    """
    domains: set[str] = set()
    for model in _models_of(runs):
        if target in model.card.targets:
            return model
        domains |= set(model.card.targets)
    name = bundled_for(target)
    if name is not None:
        return _bundled(name)
    for model in _models_of(runs, maturity=_BEGUN):
        if target in model.card.targets:
            return model
    domains |= {target for name in bundled_models() for target in _bundled(name).card.targets}
    if domains:
        raise ModelError(
            f'No run in {runs} and no built-in model can translate to "{target}".', closest(target, domains)
        )
    raise ModelError(
        f"There is no trained model in {runs} yet.", "Train one first: gantool train cyclegan --epochs 20"
    )


def bundled_for(target: str) -> str | None:
    """The built-in model that can translate to ``target``; None if there is none."""
    for name in bundled_models():
        if target in _bundled(name).card.targets:
            return name
    return None


def find_segmenter(runs: Path) -> FoundModel:
    """Return the newest run's model that segments, or else the built-in one."""
    for model in _models_of(runs):
        if model.card.is_segmenter:
            return model
    return _bundled(BUNDLED_SEGMENTER)


def is_on_every_machine(model: Path) -> bool:
    """Whether a model file comes with gantool, or is fetched by its name, so that each machine has its own."""
    return model in bundled_models().values() or model.is_relative_to(cache_folder())


def bundled_models() -> dict[str, Path]:
    """Model files in the package by name; see ``docs/seasons.md`` and ``docs/landscape.md``."""
    folder = Path(__file__).with_name("bundled")
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def _models_of(runs: Path, *, maturity: int = _LEARNED) -> Iterator[FoundModel]:
    """The newest first of those that have come so far.

    Naming a damaged run's model directly tells what is wrong with it.
    """
    for run in list_runs(runs):
        try:
            if _maturity(run) == maturity:
                yield _of_run(run)
        except ModelError:
            continue


def _maturity(run: Run) -> int:
    """How far its weights have come; damaged ones are not hidden."""
    if not run.model.is_file():
        return _NOTHING
    try:
        return _LEARNED if read_card(run.model).origin.epochs or run.has_epochs else _BEGUN
    except ModelError:
        return _LEARNED


def _bundled(name: str) -> FoundModel:
    path = bundled_models()[name]
    return FoundModel(path, read_card(path), name)


def _of_run(run: Run) -> FoundModel:
    if not run.model.is_file():
        raise ModelError(
            f"{run.path}: has no model yet.", "It is written with the first checkpoint; train on or wait for it."
        )
    return FoundModel(run.model, read_card(run.model), run.name)


def _kind(run: Run) -> str:
    try:
        return str(run.facts().get("kind", ""))
    except RunError:
        return ""
