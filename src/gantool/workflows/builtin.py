"""The models in the box."""

from __future__ import annotations

from pathlib import Path

import gantool.models

__all__ = ["builtin_models"]


def builtin_models() -> dict[str, Path]:
    """Model files of the package by name."""
    folder = Path(gantool.models.__file__).parent
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}
