"""What is told without torch is what torch says."""

from __future__ import annotations

import ctypes
import os
import platform
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gantool import hardware
from gantool.devices import choose_device, choose_precision
from gantool.hardware import Gpu, automatic_device, automatic_precision, cuda_gpus, has_mps, usable_cores


def test_torch_says_the_same() -> None:
    device = choose_device("auto")
    assert automatic_device() == device.type
    if platform.system() != "Windows":
        assert automatic_precision() == choose_precision("auto", device)
    assert has_mps() == torch.backends.mps.is_available()
    names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    assert [gpu.name for gpu in cuda_gpus()] == names
    built_for = int((torch.version.cuda or "0").partition(".")[0])
    assert hardware._cuda_of_torch() == built_for
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


def driver(gpus: list[tuple[bytes, int]], *, version: int = 13010, broken: int = 0) -> Any:
    """A CUDA driver with these names and compute capabilities."""

    def name_of(name: Any, size: int, device: Any) -> int:
        name.value = gpus[device.value - 40][0][: size - 1]
        return 0

    def attribute(value: Any, number: int, device: Any) -> int:
        value._obj.value = gpus[device.value - 40][1] if number == 75 else -1
        return 0

    def give(what: int) -> Any:
        def call(pointer: Any) -> int:
            pointer._obj.value = what
            return 0

        return call

    def device_of(pointer: Any, number: int) -> int:
        pointer._obj.value = 40 + number  # a handle, not the number itself
        return 0

    return SimpleNamespace(
        cuInit=lambda flags: broken, cuDriverGetVersion=give(version), cuDeviceGetCount=give(len(gpus)),
        cuDeviceGet=device_of, cuDeviceGetName=name_of, cuDeviceGetAttribute=attribute,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("built_for", "made", "expected", "precision"),
    [
        (13, driver([(b"H100", 9), (b"T4", 7)]), [Gpu("H100", 9), Gpu("T4", 7)], "bf16"),
        (12, driver([(b"T4", 7)]), [Gpu("T4", 7)], "fp16"),
        (13, driver([(b"H100", 9)], version=12080), [], None),  # too old for this torch
        (0, driver([(b"H100", 9)]), [], None),  # torch without CUDA
        (13, driver([(b"H100", 9)], broken=100), [], None),
        (13, None, [], None),
    ],
)
def test_what_a_driver_tells(
    built_for: int, made: Any, expected: list[Gpu], precision: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "_cuda_of_torch", lambda: built_for)
    monkeypatch.setattr(hardware, "_driver", lambda: made)
    assert cuda_gpus() == expected
    if expected:
        assert (automatic_device(), automatic_precision()) == ("cuda", precision)
    else:
        assert automatic_device() in ("cpu", "mps")


def test_a_missing_driver_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert hardware._driver() is None


@pytest.mark.parametrize(
    ("system", "machine", "version", "expected"),
    [("Darwin", "arm64", "15.1", True), ("Darwin", "arm64", "13.6", False), ("Darwin", "x86_64", "15.1", False),
     ("Darwin", "arm64", "", False), ("Linux", "arm64", "", False)],
)  # fmt: skip
def test_a_mac(system: str, machine: str, version: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "mac_ver", lambda: (version, ("", "", ""), machine))
    assert has_mps() is expected
