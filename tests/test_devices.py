from __future__ import annotations

import pytest
import torch

from gantool import devices
from gantool.devices import choose_device, choose_precision
from gantool.errors import SettingsError

CPU = torch.device("cpu")


def test_cpu_gets_bf16_only_where_the_hardware_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_cpu_has_bf16", lambda: True)
    assert choose_precision("auto", CPU) == "bf16"
    monkeypatch.setattr(devices, "_cpu_has_bf16", lambda: False)
    assert choose_precision("auto", CPU) == "fp32"


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "fp16")])
def test_an_old_gpu_gets_fp16(native: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return native or including_emulation  # a T4 says yes to emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert choose_precision("auto", torch.device("cuda")) == expected


def test_others() -> None:
    assert choose_precision("auto", torch.device("mps")) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"
    with pytest.raises(SettingsError, match="fp16 needs a CUDA device"):
        choose_precision("fp16", CPU)


@pytest.mark.parametrize("word", ["fp8", "FP16", "", "float32"])
def test_an_unknown_precision_is_no_auto(word: str) -> None:
    with pytest.raises(SettingsError, match="must be auto, fp32, bf16 or fp16, got"):
        choose_precision(word, CPU)


def test_devices_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    for name in ("cuda", "cuda:1", "mps"):
        with pytest.raises(SettingsError, match=r"there is no .* Use --device cpu"):
            choose_device(name)
    for name in ("gpu", "cuda:x", "cuda:²"):
        with pytest.raises(SettingsError, match="must be auto"):
            choose_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(SettingsError, match="there is no cuda:3, only 1"):
        choose_device("cuda:3")
