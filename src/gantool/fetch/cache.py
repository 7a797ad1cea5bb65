"""Where downloads live."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """``GANTOOL_CACHE``, or the platform's folder for caches; not made here."""
    chosen = os.environ.get("GANTOOL_CACHE")
    if chosen:
        return Path(chosen)
    import platformdirs

    return platformdirs.user_cache_path("gantool", appauthor=False)
