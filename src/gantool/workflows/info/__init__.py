"""``gantool info``: what is here."""

from __future__ import annotations

import platform
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gantool._version import __version__
from gantool.arrays import hex_color
from gantool.cards import Architecture
from gantool.data.images import SUFFIXES, open_image, picture_from
from gantool.data.sources.find import find_source
from gantool.data.sources.names import resolve_data
from gantool.data.sources.sharded import images_of
from gantool.errors import DataError, ModelError, UsageError, counted
from gantool.fetch.cache import cache_folder
from gantool.fetch.remote.addresses import is_address
from gantool.hardware import automatic_device, automatic_precision, cuda_gpus, has_mps, usable_cores
from gantool.models.files import is_model_folder, read_card
from gantool.models.find import bundled_models, find_model
from gantool.models.history import history_of
from gantool.models.pretrained import cached_pretrained
from gantool.models.runs import Run, list_runs
from gantool.shards.members import is_member

__all__ = ["describe", "describe_machine"]

_PACKAGES = (
    "torch",
    "torchvision",
    "lightning-fabric",
    "segmentation-models-pytorch",
    "torchmetrics",
    "pillow",
    "numpy",
)


def describe_machine(runs: Path) -> dict[str, Any]:
    """Versions, devices, and the models that can be had without a network; torch is not imported for it."""
    devices = [f"cuda:{n} {gpu.name}" for n, gpu in enumerate(cuda_gpus())]
    if has_mps():
        devices.append("mps")
    return {
        "describes": "machine",
        "gantool": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "device": automatic_device(),
        "precision for training": automatic_precision(),
        "devices": [*devices, f"cpu with {counted(usable_cores(), 'core')}"],
        "cache": str(cache_folder()),
        "data sets downloaded": [entry.name for entry in _entries(cache_folder() / "downloads")],
        "built-in models": list(bundled_models()),
        "official weights downloaded": cached_pretrained(),
        "runs": [run.name for run in list_runs(runs)],
    }


def _entries(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []


def describe(subject: str, runs: Path) -> dict[str, Any]:
    """Describe a model, run, data set or image by path or name.

    Raises:
        UsageError: it is none of these.
    """
    if is_address(subject):
        return {**_dataset(resolve_data(subject)), "data set": subject}
    path = Path(subject)
    if path.is_file() or is_member(path):
        return _image(path) if path.suffix.lower() in SUFFIXES else _model(path)
    if is_model_folder(path):
        return _model(path)
    if path.is_dir() and not Run(path).exists:
        return _dataset(path)
    for run in (Run(path), Run(runs / subject)):
        if run.exists:
            return _run(run)
    try:
        return _model(find_model(subject, runs).path)
    except ModelError:
        raise UsageError(
            f"{subject}: is no file, data set, run or model here.", "gantool info without argument lists the runs."
        ) from None


def _model(path: Path) -> dict[str, Any]:
    card = read_card(path)
    facts: dict[str, Any] = {
        "describes": "model",
        "model": str(path),
        "bytes": path.stat().st_size,
        **card.model_dump(mode="json"),
    }
    classes = card.classes or [entry for domain in card.domains for entry in domain.classes]
    if classes:
        facts["colors"] = {entry.name: hex_color(entry.color) for entry in classes}
    if card.is_segmenter:
        facts["classes"] = [entry.name for entry in card.classes]
        del facts["domains"], facts["directions"]
        return facts
    facts["domains"] = {domain.name: f"{domain.channels} channels" for domain in card.domains}
    facts["directions"] = {f"{d.source} to {d.target}": _network(d.architecture) for d in card.directions}
    for key in ("classes", "mode", "architecture", "load_size"):
        del facts[key]
    return facts


def _network(architecture: Architecture) -> str:
    """``resnet_light, width 16, norm instance``"""
    return ", ".join([architecture.name, *(f"{key} {value}" for key, value in architecture.options.items())])


def _run(run: Run) -> dict[str, Any]:
    facts: dict[str, Any] = {"describes": "run", "run": str(run.path), **run.facts()}
    facts |= history_of(run).as_json()
    facts["checkpoint"] = str(run.checkpoint) if run.checkpoint.is_file() else "none"
    facts["samples"] = len(list(run.samples.glob("*.png"))) if run.samples.is_dir() else 0
    if run.model.is_file():
        facts["model"] = str(run.model)
    return facts


def _dataset(path: Path) -> dict[str, Any]:
    source = find_source(path)
    facts: dict[str, Any] = {"describes": "data set", "data set": str(path)}
    in_shards: dict[str, Any] = {}
    if source.shards is not None:
        in_shards = {"shards": len(source.shards.shards), "bytes": source.shards.size}
        if source.shards.kind == "images":
            counts = {split: len(images) for split, images in images_of(source.shards).items()}
            return {**facts, "kind": "images", **counts, **in_shards}
    if source.labels is not None:
        splits = Counter(one.split for one in source.labels.images)
        return {
            **facts,
            "kind": source.kind,
            "layout": source.about,
            "classes": list(source.labels.classes),
            **dict(splits),
            **in_shards,
        }
    files = source.domains()
    return {
        **facts,
        "kind": source.kind or "paired or unpaired",
        "layout": files.layout,
        "held out": files.held_out,
        **{d.name: {"train": len(d.train), "test": len(d.test)} for d in (files.a, files.b)},
        **in_shards,
    }


def _image(path: Path) -> dict[str, Any]:
    try:
        image = open_image(path)
    except DataError as error:
        raise UsageError(error.message) from None
    picture = picture_from(image)
    return {
        "describes": "image",
        "image": str(path),
        "mode": image.mode,
        "width": image.width,
        "height": image.height,
        "alpha": picture.alpha is not None,
        "kept with results": sorted(picture.extra),
        "cannot be kept": list(picture.notes),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
