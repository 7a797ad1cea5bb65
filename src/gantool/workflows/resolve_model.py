"""Which model does a name mean?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from gantool.cards import Card
from gantool.engine.runs import Run, list_runs
from gantool.errors import ModelError, RunError, closest
from gantool.nets.card_files import read_card
from gantool.workflows.builtin import builtin_models
from gantool.workflows.pretrained import PRETRAINED, fetch

__all__ = ["ResolvedModel", "builtin_for", "newest_segmenter", "resolve_model", "resolve_model_for"]


@dataclass(frozen=True)
class ResolvedModel:
    """A model file that is there, and its card."""

    path: Path
    card: Card
    label: str

    def named(self, target: str) -> ResolvedModel:
        """The same model; weights without domain names get that of the target that is asked for."""
        card = self.card
        if not card.origin.data.startswith("checkpoint ") or len(card.directions) != 1:
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


def resolve_model(name: str, runs: Path) -> ResolvedModel:
    """Return the model that ``name`` means: a path, a run's name, or the newest run of that kind.

    A folder that is no run, such as one of pictures, does not stand in the way of a run or a model of its name.

    Raises:
        ModelError: there is none; names the nearest.
    """
    path = Path(name)
    if path.is_file():
        return ResolvedModel(path, read_card(path), str(path))
    if (path / "config.json").is_file() and not (path / "run.json").is_file():
        return ResolvedModel(path, read_card(path), str(path))
    for folder in (path, runs / name):
        if any((folder / file).is_file() for file in ("run.json", "model.safetensors")):
            return _of_run(Run(folder))
    known = list_runs(runs)
    for run in known:
        if _kind(run) == name:
            return _of_run(run)
    if name in builtin_models():
        return _builtin(name)
    if name in PRETRAINED:
        file = fetch(name)
        return ResolvedModel(file, read_card(file), name)
    if path.is_dir():
        raise ModelError(f"{path}: is a folder, but no run and no model.", "Name a run's folder or a model file.")
    names = [*(run.name for run in known), *(_kind(run) for run in known), *builtin_models(), *PRETRAINED]
    raise ModelError(
        f'There is no model "{name}": no such file, and no run of that name or kind in {runs}.', closest(name, names)
    )


def resolve_model_for(target: str, runs: Path) -> ResolvedModel:
    """Return the newest run's model that can translate to ``target``, or else the built-in one that can.

    Raises:
        ModelError: no run can; names the nearest domain that some run reaches, or how to train one.
    """
    domains: set[str] = set()
    for run in list_runs(runs):
        if not run.model.is_file():
            continue
        try:
            model = _of_run(run)
        except ModelError:
            continue  # naming a damaged run's model directly tells what is wrong with it
        reached = {direction.target for direction in model.card.directions}
        if target in reached:
            return model
        domains |= reached
    name = builtin_for(target)
    if name is not None:
        return _builtin(name)
    domains |= {d.target for name in builtin_models() for d in _builtin(name).card.directions}
    if domains:
        raise ModelError(
            f'No run in {runs} and no built-in model can translate to "{target}".', closest(target, domains)
        )
    raise ModelError(
        f"There is no trained model in {runs} yet.", "Train one first: gantool train cyclegan --epochs 20"
    )


def builtin_for(target: str) -> str | None:
    """The built-in model that can translate to ``target``; None if there is none."""
    for name in builtin_models():
        if target in [direction.target for direction in _builtin(name).card.directions]:
            return name
    return None


def newest_segmenter(runs: Path) -> ResolvedModel:
    """Return the newest run's model that segments.

    Raises:
        ModelError: there is none; says how to train one.
    """
    for run in list_runs(runs):
        try:
            model = _of_run(run)
        except ModelError:
            continue
        if model.card.task == "segmentation":
            return model
    raise ModelError(
        f"There is no trained segmenter in {runs} yet.",
        "Train one first: gantool train unet-resnet18 --encoder-weights none",
    )


def _builtin(name: str) -> ResolvedModel:
    path = builtin_models()[name]
    return ResolvedModel(path, read_card(path), name)


def _of_run(run: Run) -> ResolvedModel:
    if not run.model.is_file():
        raise ModelError(
            f"{run.path}: has no model yet.", "It is written with the first checkpoint; train on or wait for it."
        )
    return ResolvedModel(run.model, read_card(run.model), run.name)


def _kind(run: Run) -> str:
    try:
        return str(run.facts().get("kind", ""))
    except RunError:
        return ""
