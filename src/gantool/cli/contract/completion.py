"""What a shell can complete: models, runs, domains, data sets and formats; without torch, and quickly."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import typer

__all__ = [
    "data_sets",
    "devices",
    "domains",
    "gates",
    "models",
    "of",
    "offered",
    "runs",
    "sources",
    "subjects",
    "trainable",
]

Found = list[tuple[str, str]]
"""Words with what they are."""


def models(ctx: typer.Context, incomplete: str) -> Found:
    """Runs, their kinds, built-in models and official weights."""
    from gantool.models.pretrained import PRETRAINED

    kinds = [(kind, "newest run of the kind") for _, kind, _ in _runs(ctx)]
    found = [*_named_runs(ctx), *kinds, *((name, "built-in") for name in _bundled())]
    return _beginning(incomplete, [*found, *((name, "official weights") for name in PRETRAINED)])


def runs(ctx: typer.Context, incomplete: str) -> Found:
    """Runs, and the word for the newest."""
    return _beginning(incomplete, [("latest", "the newest run"), *_named_runs(ctx)])


def domains(ctx: typer.Context, incomplete: str) -> Found:
    """Domains that a run or a built-in model can translate to."""
    of_runs = [(domain, name) for name, _, several in _runs(ctx) for domain in several]
    forms = (Path(__file__).parents[2] / "models" / "bundled").glob("*-to-*.onnx")
    built_in = [(target, name) for name, _, target in (form.stem.partition("-to-") for form in sorted(forms))]
    return _beginning(incomplete, [*of_runs, *built_in])


def data_sets(incomplete: str) -> Found:
    """Data sets under ``./data`` and in the cache."""
    from gantool.fetch.cache import cache_folder

    here = [(name, "in data/") for name in _folders(Path("data"))]
    return _beginning(incomplete, [*here, *((name, "in the cache") for name in _folders(cache_folder() / "data"))])


def sources(incomplete: str) -> Found:
    """Named data sets that can be got."""
    from gantool.data.sources.catalog import CATALOG

    return _beginning(incomplete, [(one.name, one.kind) for one in CATALOG.values()])


def trainable(incomplete: str) -> Found:
    """What can be trained."""
    from gantool.methods.registry import MODELS

    return _beginning(incomplete, MODELS.items())


def subjects(ctx: typer.Context, incomplete: str) -> Found:
    """What can be described."""
    return [*models(ctx, incomplete), *data_sets(incomplete)]


def gates(incomplete: str) -> Found:
    """Metrics that a bound can be set for."""
    from gantool.metrics.table import METRICS

    names = [(f"{name}/" if one.by_class else f"{name}=", one.about) for name, one in METRICS.items()]
    return _beginning(incomplete, names)


def devices(incomplete: str) -> Found:
    """Kinds of devices."""
    words = {"auto": "the best one here", "cpu": "the processor", "cuda": "an NVIDIA GPU", "mps": "an Apple GPU"}
    return _beginning(incomplete, words.items())


def offered(function: Callable[..., Found]) -> Callable[..., Found] | None:
    """What completes an option, where a shell asks; else nothing, for typer looks at each for long."""
    return function if "_GANTOOL_COMPLETE" in os.environ else None


def of(*words: str) -> Callable[..., Found] | None:
    """A few words, to complete an option by."""

    def found(incomplete: str) -> Found:
        return _beginning(incomplete, [(word, "") for word in words])

    return offered(found)


def _beginning(incomplete: str, found: Iterable[tuple[str, str]]) -> Found:
    """Those that begin so, each once."""
    several: dict[str, str] = {}
    for name, about in found:
        if name.startswith(incomplete):
            several.setdefault(name, about)
    return list(several.items())


def _named_runs(ctx: typer.Context) -> Found:
    return [(name, f"run of {kind}") for name, kind, _ in _runs(ctx)]


def _runs(ctx: typer.Context) -> Iterator[tuple[str, str, list[str]]]:
    """Name, kind and domains of each run, the newest first, as far as their files can be read."""
    folder = Path(ctx.params.get("runs") or "runs")
    found = []
    for name in _folders(folder):
        try:
            facts = json.loads((folder / name / "run.json").read_text("utf-8"))
            found.append((str(facts.get("created", "")), name, str(facts["kind"]), list(facts.get("domains") or [])))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue  # no run, or a damaged one: there is nothing to complete then
    for _, name, kind, several in sorted(found, reverse=True):
        yield name, kind, [domain for domain in several if isinstance(domain, str)]


def _bundled() -> list[str]:
    return sorted(path.stem for path in (Path(__file__).parents[2] / "models" / "bundled").glob("*.safetensors"))


def _folders(parent: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in parent.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []
