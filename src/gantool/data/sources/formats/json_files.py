"""JSON as annotation tools write it, read strictly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gantool.errors import DataError

__all__ = ["load_json"]


def load_json(path: Path) -> Any:
    """Parse JSON strictly: NaN and infinities are errors.

    Raises:
        DataError: names the file and the place.
    """

    def refuse(word: str) -> Any:
        raise DataError(f"{path}: has the value {word}, which is no number of JSON.")

    try:
        return json.loads(path.read_text("utf-8-sig"), parse_constant=refuse)
    except RecursionError:
        raise DataError(f"{path}: is not valid JSON (nested too deeply).") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: is not valid JSON (line {error.lineno}: {error.msg}).") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from None
