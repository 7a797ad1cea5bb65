"""The exact command that leads out of having no model yet."""

from __future__ import annotations

from pathlib import Path

from gantool.errors import ModelError, closest
from gantool.nets.segmenter_table import split_name

__all__ = ["how_to_train"]


def how_to_train(model: str) -> str | None:
    """What to type to get a segmenter of that kind; None if the name is none of a segmenter.

    The command names the only prepared set under ``./data``, and goes without ImageNet weights where they can be had
    neither from the cache nor from the network.
    """
    parts = split_name(model)
    if parts is None:
        return None
    if parts[1] is not None and not parts[1].startswith("tu-"):
        from gantool.nets.segmenters import encoder_names

        known = encoder_names()
        if parts[1] not in known:
            return f'There is no encoder "{parts[1]}". {closest(parts[1], known)}'
    data = _prepared_set()
    otherwise = "or leave --model out: the built-in landscape tells sky, mountain, tree, ground and water"
    command = f"gantool train {model}"
    if parts[1] is not None and not _has_weights(model, parts[1]):
        command += " --encoder-weights none"
    if data:
        return f"Train one first: {command} --data {data}; {otherwise}."
    return (
        f"Train one first: {command} (on the built-in sample; with --data DATA on images of your own), {otherwise}."
    )


def _has_weights(model: str, encoder: str) -> bool:
    from gantool.models.encoder_weights import has_imagenet_weights

    try:
        return has_imagenet_weights(model, encoder)
    except (ModelError, KeyError):
        return False


def _prepared_set() -> str | None:
    """The name of the only segmentation set under ``./data``."""
    from gantool.yaml_documents import load_yaml

    found = []
    for path in sorted(Path("data").glob("*/dataset.yaml")):
        try:
            tree = load_yaml(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(tree, dict) and tree.get("kind") == "segmentation":
            found.append(path.parent.name)
    return found[0] if len(found) == 1 else None
