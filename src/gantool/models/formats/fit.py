"""Whether weights are those of a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gantool.documents import brief
from gantool.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["require_fit"]


def require_fit(path: Path, wanted: Mapping[str, Tensor], have: Mapping[str, Tensor], name: str) -> None:
    """Compare names and shapes of a file's tensors with those of the network ``name``.

    Raises:
        ModelError: the first tensor that is missing, of another shape, of complex numbers, or too many.
    """
    for key, value in wanted.items():
        if key not in have:
            raise ModelError(f"{path}: looks like {name} but has no {key}; it is incomplete or another network.")
        if have[key].shape != value.shape:
            raise ModelError(
                f"{path}: looks like {name} but its {key} has the shape {tuple(have[key].shape)}, "
                f"expected {tuple(value.shape)}."
            )
        if have[key].is_complex():
            raise ModelError(f"{path}: looks like {name} but its {key} has complex numbers.")
    more = next((key for key in have if key not in wanted), None)
    if more is not None:
        raise ModelError(f"{path}: looks like {name} but has more: {brief(more)}.")
