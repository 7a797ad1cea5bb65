"""Which devices torch would find on this machine, found out without importing it.

`gantool.devices` asks torch itself; this one answers at once, even where torch does not start.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

__all__ = [
    "Gpu",
    "automatic_device",
    "automatic_precision",
    "cuda_gpus",
    "has_mps",
    "threads_to_compute",
    "usable_cores",
]

_MAJOR = 75  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
_MOST_THREADS = 256
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_tile"})


@dataclass(frozen=True)
class Gpu:
    """A CUDA device.

    Attributes:
        major: first number of its compute capability.
    """

    name: str
    major: int


def automatic_device() -> str:
    """What ``--device auto`` means: ``cuda``, ``mps`` or ``cpu``."""
    return "cuda" if cuda_gpus() else "mps" if has_mps() else "cpu"


def automatic_precision() -> str:
    """What ``--precision auto`` means in a training on that device."""
    gpus = cuda_gpus()
    if gpus:
        return "bf16" if gpus[0].major >= 8 else "fp16"
    return "bf16" if not has_mps() and _cpu_computes_bf16() else "fp32"


def cuda_gpus() -> list[Gpu]:
    """The CUDA devices; none where the installed torch, or the driver, cannot use them.

    Devices of AMD, which torch calls CUDA devices too where it is built for them, are not looked for.
    """
    built_for = _cuda_of_torch()
    driver = _driver() if built_for else None
    if driver is None or driver.cuInit(0) != 0:
        return []
    version, count = ctypes.c_int(), ctypes.c_int()
    if driver.cuDriverGetVersion(ctypes.byref(version)) or version.value // 1000 < built_for:
        return []
    driver.cuDeviceGetCount(ctypes.byref(count))
    return [_gpu(driver, number) for number in range(count.value)]


def _gpu(driver: Any, number: int) -> Gpu:
    device, major, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(256)
    driver.cuDeviceGet(ctypes.byref(device), number)
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device)
    return Gpu(name.value.decode(errors="replace"), major.value)


def _driver() -> Any:
    """The library that every CUDA driver has; None where there is no driver."""
    try:
        return ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return None


def _cuda_of_torch() -> int:
    """The first number of the CUDA version that the installed torch is built for; 0 for none."""
    try:
        text = Path(str(distribution("torch").locate_file("torch/version.py"))).read_text("utf-8")
    except (PackageNotFoundError, OSError):
        return 0
    found = re.search(r"^cuda\b.*= '(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


def has_mps() -> bool:
    """Whether this is a Mac whose graphics torch uses."""
    if platform.system() != "Darwin" or platform.machine() != "arm64":
        return False
    return int(platform.mac_ver()[0].partition(".")[0] or 0) >= 14


def _cpu_computes_bf16() -> bool:
    """Whether the processor has instructions for it, as far as the system tells."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return False
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return flags is not None and not _BF16_FLAGS.isdisjoint(flags[1].split())


def usable_cores() -> int:
    """The cores that this process may use, which in a container or a job are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_to_compute() -> int:
    """``OMP_NUM_THREADS``, as for torch, or the cores that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if wanted.isascii() and wanted.isdigit() and 0 < int(wanted) <= _MOST_THREADS:
        return int(wanted)
    return min(usable_cores(), _MOST_THREADS)
