"""Run TorchScript and ``.pt2`` files as functions of arrays."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gantool.errors import ModelError
from gantool.nets.archive_checks import checked_archive, read_archive
from gantool.nets.trusted_files import require_own_export

__all__ = ["torch_runner"]


def torch_runner(
    path: Path, form: str, device: torch.device, *, trust: bool = False
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The function of an exported file, ``(N, C, H, W)`` float32 to the same kind of array.

    Args:
        trust: also if this user did not export the file here. What is in it is checked all the same.

    Raises:
        ModelError: not trusted, damaged, or it holds more than a network.
    """
    content = read_archive(path)
    if not trust:
        require_own_export(path, content)
    archive = checked_archive(path, content, form)
    del content  # may be large
    module = _loaded(path, archive, form, device)

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            made = module(torch.from_numpy(np.ascontiguousarray(batch)).to(device))
        return made.float().cpu().numpy()  # type: ignore[no-any-return]

    return run


def _loaded(path: Path, archive: io.BytesIO, form: str, device: torch.device) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript says of itself that it is deprecated
            if form == "torchscript":
                return torch.jit.load(archive, map_location=device).eval()  # type: ignore[no-untyped-call]
            return torch.export.load(archive).module().to(device)
    except Exception as error:  # torch has an error of its own for every kind of damage
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path}: cannot be loaded ({first[:200]}).") from None
