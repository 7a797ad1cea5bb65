"""Where downloads live."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """``GANTOOL_CACHE``, or the platform's folder for caches; not made here."""
    chosen = os.environ.get("GANTOOL_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("gantool", appauthor=False))
