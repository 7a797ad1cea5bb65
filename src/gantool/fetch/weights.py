"""Read files of weights that anybody may have written: as data, with nothing in them executed.

Free of torch until a file is read.
"""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantool.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SUFFIXES", "read_data", "read_weights"]

SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")
"""Of files that may hold a state dict."""

_WRAPPERS = ("state_dict", "model_state_dict", "model", "generator")
_PREFIXES = ("module.", "_orig_mod.", "net.")


def read_data(path: Path, *, where: str = "", damaged: str = "cannot be read") -> Any:
    """What ``torch.save`` or safetensors wrote, on the CPU.

    Args:
        where: how messages name the file; its path if empty.
        damaged: what they say of a file that cannot be read.

    Raises:
        ModelError: missing, damaged, or more than data.
    """
    import torch
    from safetensors.torch import load_file

    where = where or str(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about foreign pickles, which are refused below anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"{where}: there is no such file.") from None
    except pickle.UnpicklingError:
        raise ModelError(
            f"{where}: holds more than data (it would run code); refused.",
            "Save the weights alone: torch.save(net.state_dict(), FILE).",
        ) from None
    except Exception as error:  # a damaged archive raises whatever its reader happens to meet
        detail = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise ModelError(f"{where}: {damaged} ({detail}).") from None


def read_weights(path: Path, *, where: str = "") -> dict[str, Tensor]:
    """The tensors of a state dict by name, without wrappers around them and prefixes such as ``module.``.

    Raises:
        ModelError: as `read_data`, or not a set of weights.
    """
    from torch import Tensor

    found = read_data(path, where=where)
    for key in _WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not found or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in found.items()
    ):  # fmt: skip
        raise ModelError(f"{where or path}: is not a set of weights.")
    # In any order: of a network that was compiled and then copied to several devices, or the other way round.
    while prefix := next((one for one in _PREFIXES if all(key.startswith(one) for key in found)), None):
        found = {key.removeprefix(prefix): value for key, value in found.items()}
    return dict(found)
