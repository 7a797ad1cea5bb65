"""Numbers, names and arrays in one file, without pickles: what a share hands in."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from gantool.errors import OutputError
from gantool.files import atomic

__all__ = ["load_tree", "save_tree"]

_ARRAY = "array "


def save_tree(path: Path, tree: Any) -> None:
    """Write nested dicts and lists of text, numbers and arrays.

    Raises:
        OutputError: the file cannot be written.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    text = json.dumps(_without_arrays(tree, arrays))
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, text=np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8), **arrays)  # type: ignore[arg-type]


def load_tree(path: Path) -> Any:
    """Read what `save_tree` wrote; tuples come back as lists.

    Raises:
        FileNotFoundError: there is no such file.
        OutputError: it is damaged.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            text = file["text"].tobytes().decode("utf-8", "surrogatepass")
            return _with_arrays(json.loads(text), file)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise OutputError(f"{path}: is damaged ({error}).", "Delete it and run its share again.") from None


def _without_arrays(value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {_ARRAY: name}
    if isinstance(value, dict):
        return {key: _without_arrays(entry, arrays) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(entry, arrays) for entry in value]
    return value


def _with_arrays(value: Any, file: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {_ARRAY}:
            return file[value[_ARRAY]]
        return {key: _with_arrays(entry, file) for key, entry in value.items()}
    if isinstance(value, list):
        return [_with_arrays(entry, file) for entry in value]
    return value
