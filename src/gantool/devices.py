"""Which device and which precision a name such as ``auto`` stands for on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gantool.errors import SettingsError

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16", "fp16"]

_PRECISIONS = ("auto", "fp32", "bf16", "fp16")

__all__ = ["Precision", "choose_device", "choose_precision", "has_amx", "require_precision"]


def choose_device(device: str) -> torch.device:
    """Return the device that ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps`` stands for here.

    Raises:
        SettingsError: it does not exist on this machine.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = device.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not (index.isascii() and index.isdigit())):
        raise SettingsError(f"runtime.device: must be auto, cpu, cuda, cuda:N or mps, got {device!r}.")
    if kind == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            "runtime.device: there is no CUDA device here (or its driver does not work).", "Use --device cpu."
        )
    if kind == "cuda" and index and int(index) >= torch.cuda.device_count():
        raise SettingsError(f"runtime.device: there is no {device}, only {torch.cuda.device_count()} CUDA devices.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise SettingsError("runtime.device: there is no MPS device here.", "Use --device cpu.")
    return torch.device(device)


def choose_precision(precision: str, device: torch.device) -> Precision:
    """Return what ``auto`` means on this device: bf16 only where the hardware computes it.

    An emulated bf16 is slower than fp32: a T4 gets fp16, a CPU without AVX512-BF16 or AMX gets fp32.

    Raises:
        SettingsError: there is no such precision, or not on this device.
    """
    import torch

    require_precision(precision)
    if precision == "fp16" and device.type != "cuda":
        raise SettingsError(f"runtime.precision: fp16 needs a CUDA device, not {device.type}.", "Use auto.")
    if precision in ("fp32", "bf16", "fp16"):
        return precision  # type: ignore[return-value]
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device.type == "cpu" and _cpu_has_bf16():
        return "bf16"
    return "fp32"


def require_precision(precision: str) -> None:
    """Refuse what is neither a precision nor ``auto``.

    Raises:
        SettingsError: it is not.
    """
    if precision not in _PRECISIONS:
        raise SettingsError(f"runtime.precision: must be auto, fp32, bf16 or fp16, got {precision!r}.")


def has_amx() -> bool:
    """Whether the processor multiplies matrices of bf16 by itself (AMX)."""
    return _cpu_has("_is_amx_tile_supported")


def _cpu_has_bf16() -> bool:
    return _cpu_has("_is_avx512_bf16_supported") or has_amx()


def _cpu_has(probe: str) -> bool:
    import torch

    return bool(getattr(torch.cpu, probe, lambda: False)())
