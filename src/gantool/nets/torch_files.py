"""Run TorchScript and ``.pt2`` files as functions of arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["torch_runner"]


def torch_runner(path: Path, form: str, device: torch.device) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The function of an exported file, ``(N, C, H, W)`` float32 to the same kind of array."""
    module: Any
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript says of itself that it is deprecated
        if form == "torchscript":
            module = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
        else:
            module = torch.export.load(path).module().to(device)

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            made = module(torch.from_numpy(np.ascontiguousarray(batch)).to(device))
        return made.float().cpu().numpy()  # type: ignore[no-any-return]

    return run
