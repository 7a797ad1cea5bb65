"""What models are called in an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from gantool.models.find import FoundModel

__all__ = ["distinct_names"]


def distinct_names(models: Sequence[FoundModel]) -> list[str]:
    """The runs or files that were found, not what was typed: ``cyclegan`` means another run after the next training.

    Models of one name in several places are told apart by their paths.
    """
    paths: dict[str, set[str]] = {}
    for model in models:
        paths.setdefault(model.label, set()).add(str(model.path))
    return [model.label if len(paths[model.label]) == 1 else str(model.path) for model in models]
