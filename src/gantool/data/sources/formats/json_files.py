"""JSON as annotation tools write it, read strictly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gantool.errors import DataError

__all__ = ["load_json"]


def load_json(path: Path) -> Any:
    """Parse JSON strictly: NaN, infinities and halves of characters, which no file can hold, are errors.

    Raises:
        DataError: names the file and the place.
    """

    def refuse(word: str) -> Any:
        raise DataError(f"{path}: has the value {word}, which is no number of JSON.")

    try:
        text = path.read_text("utf-8-sig")
        tree = json.loads(text, parse_constant=refuse)
        if "\\ud" in text.lower():
            _require_characters(path, tree)
        return tree
    except RecursionError:
        raise DataError(f"{path}: is not valid JSON (nested too deeply).") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: is not valid JSON (line {error.lineno}: {error.msg}).") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from None


def _require_characters(path: Path, tree: Any) -> None:
    try:
        json.dumps(tree, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = str(error.object)[error.start : error.end].encode("ascii", "backslashreplace").decode()
        raise DataError(f"{path}: has a name with {half}, which is half a character.") from None
