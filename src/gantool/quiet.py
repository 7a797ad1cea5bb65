"""Silence the messages of libraries."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet", "stop_telemetry"]


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings and no log meanwhile, also of loggers of a library's own making; what goes wrong is raised."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def stop_telemetry() -> None:
    """Keep ONNX Runtime, which is about to be imported, from telling its makers what it is used for.

    From 1.32 on it otherwise writes a number of this machine and every session into the user's cache, and sends them.
    Whoever has set these variables is left alone.
    """
    for name in ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"):
        os.environ.setdefault(name, "1")
