"""What `gantool info` says, for people: names in plain words, with units, and the longest lists cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from gantool.errors import counted
from gantool.metrics.table import better_is
from gantool.report.words import duration, title_of

__all__ = ["bytes_in_words", "rows_of"]

Row = tuple[str, str]
_NAMES = {"init_from": "first weights from", "from_elsewhere": "from elsewhere", "held out": "held out for testing"}


def rows_of(facts: Mapping[str, Any]) -> list[Row]:
    """Two columns for the facts of `describe` and `describe_machine`."""
    if "run" in facts:
        return list(_run(facts))
    if "origin" in facts:
        return list(_model(facts))
    return list(_plain(facts))


def bytes_in_words(count: int) -> str:
    """A size.

    >>> bytes_in_words(900), bytes_in_words(1392532)
    ('900 bytes', '1.4 MB')
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return counted(count, "byte")


def _run(facts: Mapping[str, Any]) -> Iterator[Row]:
    yield "run", facts["run"]
    yield "kind", facts.get("kind", "")
    yield "begun", _date(facts.get("created"))
    yield from _said(facts, "data", "classes", "domains", "init_from")
    for change in facts.get("changed_data", []):
        counts = ", ".join(f"{change.get(key, 0)} {key}" for key in ("added", "removed", "changed"))
        yield "data changed", f"after epoch {change.get('epoch', '?')}: files {counts}"
    planned = facts.get("epochs_planned")
    done = f"{facts['epochs']} of {planned}" if planned else str(facts["epochs"])
    yield "epochs", f"{done}, in {duration(facts['seconds'])}" if facts["epochs"] else done
    if facts.get("best_epoch") is not None:
        yield "best epoch", str(facts["best_epoch"])
        yield from _scores("  measured then", _single(facts.get("best_metrics", {})))
    if facts.get("metrics"):
        images = "images not seen in training" if facts.get("unseen", True) else "the images that chose the epoch"
        yield "scores", f"on {images}"
        yield from _scores("  this model", _single(facts["metrics"]))
        for name, values in facts.get("baselines", {}).items():
            yield from _scores(f"  {name}", values)
        yield from _classes(facts["metrics"])
    environment = facts.get("environment", {})
    if environment:
        yield "trained on", f"{environment.get('device', '?')} in {environment.get('precision', '?')}"
        yield "trained with", f"gantool {environment.get('gantool', '?')}, torch {environment.get('torch', '?')}"
    if facts.get("compiled"):
        compiled = facts["compiled"]
        yield "compiled", f"{'yes' if compiled['on'] else 'no'}: {compiled.get('reason') or 'as it was asked for'}"
    yield "model", facts.get("model", "none yet")
    yield "checkpoint", facts["checkpoint"]
    yield "page", facts.get("page") or "none yet"


def _single(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if "/" not in name}


def _scores(label: str, values: Mapping[str, float]) -> Iterator[Row]:
    for place, (name, value) in enumerate(values.items()):
        better = f" ({way} is better)" if (way := better_is(name)) else ""
        yield label if place == 0 else "", f"{title_of(name)} {value:.4g}{better}"


def _classes(metrics: Mapping[str, float]) -> Iterator[Row]:
    values = {name.removeprefix("iou/"): value for name, value in metrics.items() if name.startswith("iou/")}
    if values:
        ordered = sorted(values.items(), key=lambda pair: -pair[1])
        yield "  IoU by class", ", ".join(f"{name} {value:.3f}" for name, value in ordered)


def _model(facts: Mapping[str, Any]) -> Iterator[Row]:
    origin = facts["origin"]
    yield "model", facts["model"]
    yield "size of the file", bytes_in_words(facts["bytes"])
    yield "made by", facts["task"]
    if "directions" in facts:
        yield from _listed("translates", list(facts["directions"]))
    yield from _said(facts, "classes")
    if facts.get("colors"):
        yield "colors of the classes", ", ".join(f"{name} {color}" for name, color in facts["colors"].items())
    yield "trained at", f"{facts['size']} px"
    if facts.get("load_size"):
        yield "pictures scaled to", f"{facts['load_size']} px, the shorter side"
    yield "sizes it takes", f"multiples of {facts['multiple_of']} px, from {facts['smallest']} px on"
    yield "trained for", counted(origin["epochs"], "epoch") + (", averaged over time" if origin["ema"] else "")
    yield "trained on", origin["data"] or "unknown data"
    yield "of the run", f"{origin['run'] or 'unknown'}, {_date(origin['created'])}"
    if facts.get("exported"):
        yield "exported", ", ".join(f"{key} {value}" for key, value in facts["exported"].items() if value)
    for name, text in (facts.get("directions") or {}).items():
        yield f"network, {name}", text
    if facts.get("architecture"):
        options = {key: value for key, value in facts["architecture"]["options"].items() if value is not None}
        yield "network", ", ".join([facts["architecture"]["name"], *(f"{key} {one}" for key, one in options.items())])


def _plain(facts: Mapping[str, Any]) -> Iterator[Row]:
    """Everything, in the order that it comes in."""
    for key, value in facts.items():
        name = _NAMES.get(key, key.replace("_", " "))
        if isinstance(value, Mapping):
            for place, (inner, one) in enumerate(value.items()):
                yield name if place == 0 else "", f"{inner} {_text(inner, one)}"
        elif isinstance(value, list):
            yield from _listed(name, value)
        else:
            yield name, _text(key, value)


def _said(facts: Mapping[str, Any], *keys: str) -> Iterator[Row]:
    for key in keys:
        value = facts.get(key)
        if value not in (None, "", []):
            yield _NAMES.get(key, key), ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _listed(name: str, values: list[Any]) -> Iterator[Row]:
    yield name, ", ".join(str(value) for value in values) or "none"


_UNITS: Mapping[str, Callable[[Any], str]] = {
    "bytes": bytes_in_words,
    "width": lambda value: f"{value} px",
    "height": lambda value: f"{value} px",
    "train": lambda value: counted(value, "image"),
    "val": lambda value: counted(value, "image"),
    "test": lambda value: counted(value, "image"),
}


def _text(key: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{inner} {_text(inner, one)}" for inner, one in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return _UNITS[key](value) if key in _UNITS and isinstance(value, int) else str(value)


def _date(text: object) -> str:
    """A moment in UTC, to the minute."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return "unknown"
    return f"{moment:%d %B %Y, %H:%M} UTC".lstrip("0")
