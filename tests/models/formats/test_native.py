"""gantool's own file: weights in 8 bits come back within half a step of their channel."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gantool.cards import Architecture, Card, LabelClass
from gantool.errors import ModelError
from gantool.models.files import load_segmenter, read_card
from gantool.models.formats.native import KEY, in_8_bits
from gantool.nets.segmenters import build_segmenter

OPTIONS = {"classes": 2, "width": 16, "depth": 2}
CARD = Card(
    task="segmentation",
    classes=(LabelClass(name="a", color=(0, 0, 0)), LabelClass(name="b", color=(255, 0, 0))),
    architecture=Architecture(name="unet", options=OPTIONS),
    multiple_of=4,
    smallest=4,
)


def test_weights_in_8_bits(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = build_segmenter("unet", **OPTIONS)  # type: ignore[arg-type]
    with torch.no_grad():
        net.net.down[1][0].weight[3] = 0  # type: ignore[index, union-attr]
    packed = in_8_bits(net.state_dict())
    save_file(
        {f"segment/{key}": value for key, value in packed.items()}, tmp_path / "m.safetensors", {KEY: CARD.to_json()}
    )
    back = load_segmenter(tmp_path / "m.safetensors", read_card(tmp_path / "m.safetensors")).state_dict()
    small = 0
    for key, value in net.state_dict().items():
        if packed[key].dtype == torch.int8:
            step = value.abs().amax(dim=(1, 2, 3), keepdim=True) / 127
            assert ((back[key] - value).abs() <= 0.5001 * step).all()
            assert float(back[key].abs().max()) == pytest.approx(float(value.abs().max())), "the largest is kept"
        else:
            small += 1
            assert torch.allclose(back[key].float(), value.float(), rtol=1e-3, atol=1e-6)
    assert small and any(key.endswith("/scale") for key in packed)
    size = sum(value.numel() * value.element_size() for value in packed.values())
    assert size < 0.35 * sum(value.numel() * value.element_size() for value in net.state_dict().values())


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="bias: does not fit"):
        in_8_bits({"bias": torch.tensor([1e9])})
    state = {
        f"segment/{key}": value for key, value in in_8_bits(build_segmenter("unet", **OPTIONS).state_dict()).items()
    }  # type: ignore[arg-type]
    name = next(key for key in state if key.endswith("/scale"))
    state[name] = torch.ones(7)
    save_file(state, tmp_path / "m.safetensors", {KEY: CARD.to_json()})
    with pytest.raises(ModelError, match="its weights do not fit unet"):
        load_segmenter(tmp_path / "m.safetensors", CARD)
