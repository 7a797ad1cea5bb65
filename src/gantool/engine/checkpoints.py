"""Checkpoints: everything that is needed to go on exactly, in one file that is written at once or not at all."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gantool.errors import ModelError, RunError
from gantool.fetch.weights import read_data
from gantool.files import atomic

__all__ = ["CHECKPOINT_FORMAT", "load_checkpoint", "random_state", "restore_random_state", "save_checkpoint"]

CHECKPOINT_FORMAT = 1


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write ``state`` (tensors, numbers, text, lists, dictionaries) atomically; an older file survives a failure."""
    try:
        with atomic(path) as temporary:
            try:
                torch.save({"format": CHECKPOINT_FORMAT, **state}, temporary)
            except RuntimeError as error:
                # torch reports a full disk as a RuntimeError of its own archive writer.
                raise OSError(28, "no space left on the device, or the disk failed") from error
    except Exception as error:
        if path.exists():
            error.add_note(f"The previous {path.name} is still there.")
        raise


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU without running any code that a pickle may carry.

    Raises:
        RunError: missing, damaged, from a newer gantool, or with more than data in it.
    """
    if not path.is_file():
        raise RunError(f"{path}: there is no checkpoint to resume from.")
    try:
        state: Any = read_data(path, damaged="the checkpoint is damaged")
    except ModelError as error:
        raise RunError(error.message) from None
    if not isinstance(state, dict) or not isinstance(state.get("format"), int):
        raise RunError(f"{path}: is not a checkpoint of gantool.")
    if state["format"] > CHECKPOINT_FORMAT:
        raise RunError(f"{path}: was written by a newer gantool.", "Update: pip install --upgrade gantool.")
    return state


def random_state(device: torch.device) -> dict[str, Any]:
    """The state of every global random generator that a training on ``device`` draws from."""
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": [name, torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, cached],
    }
    if device.type == "cuda":  # asking a GPU that is not trained on would start it
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Undo what happened to the generators since `random_state`."""
    torch.set_rng_state(state["torch"])
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    if "cuda" in state and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
