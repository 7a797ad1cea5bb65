"""gantool: image-to-image translation and semantic segmentation, from the command line and from Python.

Every verb of the command line is a function here: ``gantool.train(...)``, ``gantool.translate(...)``. They are
loaded when first used, so that ``import gantool`` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gantool._version import __version__

if TYPE_CHECKING:
    from gantool.workflows.evaluate import evaluate
    from gantool.workflows.export import export
    from gantool.workflows.prepare import prepare
    from gantool.workflows.segment import segment
    from gantool.workflows.train import train
    from gantool.workflows.translate import translate


__all__ = ["__version__", "evaluate", "export", "prepare", "segment", "train", "translate"]

_VERBS = ("evaluate", "export", "prepare", "segment", "train", "translate")


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return getattr(import_module(f"gantool.workflows.{name}"), name)
    raise AttributeError(f"module 'gantool' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
