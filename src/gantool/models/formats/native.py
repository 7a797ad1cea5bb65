"""gantool's own model file: safetensors with one group of tensors per network and the card in its metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from gantool.cards import Card, Direction
from gantool.documents import brief
from gantool.errors import ModelError
from gantool.files import atomic
from gantool.nets.registry import build_generator

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["KEY", "in_8_bits", "load", "matches", "read_card", "save_model"]

KEY = "gantool"
"""Name of the card in a file's metadata."""

_SCALE = "/scale"
_LARGE = 4096  # smaller weights are not worth it


def matches(path: Path) -> bool:
    """Whether it is a safetensors file with a card.

    Raises:
        ModelError: it is damaged.
    """
    return path.suffix.lower() == ".safetensors" and path.is_file() and KEY in _metadata(path)


def read_card(path: Path) -> Card:
    metadata = _metadata(path)
    if KEY not in metadata:
        raise ModelError(f"{path}: is a safetensors file, but not one of gantool's (it has no card).")
    return Card.from_json(metadata[KEY], str(path))


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="np") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: is damaged or no safetensors file ({brief(error, 160)}).") from None


def save_model(path: Path, nets: Mapping[str, nn.Module], card: Card) -> None:
    """Write ``nets`` (tensors prefixed ``<name>/``) and ``card`` atomically."""
    from safetensors.torch import save

    tensors = {
        f"{prefix}/{key}": value.detach().cpu().contiguous()
        for prefix, net in nets.items()
        for key, value in net.state_dict().items()
    }
    with atomic(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={KEY: card.to_json()}))


def load(path: Path, card: Card, direction: Direction | None) -> nn.Module:
    """Build the network of a direction, or the segmenter, and fill it."""
    from gantool.nets.segmenters import build_segmenter

    architecture = direction.architecture if direction is not None else card.architecture
    assert architecture is not None
    name, prefix = architecture.name, f"{direction.net}/" if direction is not None else "segment/"
    build: Callable[..., nn.Module] = build_generator if direction is not None else build_segmenter
    try:
        net = build(name, **architecture.options)
    except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError) as error:
        raise ModelError(f"{path}: the {name} of its card cannot be built ({brief(error)}).") from None
    _fill(net, path, prefix, name)
    return net


def _fill(net: nn.Module, path: Path, prefix: str, name: str) -> None:
    try:
        with safe_open(path, framework="pt") as file:
            state = {key.removeprefix(prefix): file.get_tensor(key) for key in file.keys() if key.startswith(prefix)}  # noqa: SIM118
        if any(value.is_complex() for value in state.values()):
            raise ModelError(f"{path}: its weights do not fit {name} (some are complex numbers).")
        net.load_state_dict(_from_8_bits(state))
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: is damaged ({error}).") from None
    except RuntimeError as error:
        first = str(error).splitlines()[1:2]
        detail = first[0].strip().rstrip(".") if first else "shapes differ"
        raise ModelError(f"{path}: its weights do not fit {name} ({detail[:160]}).") from None


def in_8_bits(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in a quarter to a half of the room: large ones as int8 with a scale per channel, others as float16.

    A weight ``(out, ...)`` is its int8 values times ``KEY/scale``, float32 ``(out, 1, ...)``; the error of a value is
    at most 1/254 of the largest of its channel.

    Raises:
        ValueError: a value does not fit into float16.
    """
    import torch

    packed: dict[str, Tensor] = {}
    for key, value in state.items():
        if not value.is_floating_point():
            packed[key] = value
            continue
        if value.ndim > 1 and value.numel() >= _LARGE:
            scale = value.abs().amax(dim=tuple(range(1, value.ndim)), keepdim=True).clamp(min=1e-12) / 127
            packed[key], packed[key + _SCALE] = (value / scale).round().to(torch.int8), scale
            continue
        packed[key] = value.half()
        if not bool(torch.isfinite(packed[key]).all()):
            raise ValueError(f"{key}: does not fit into float16")
    return packed


def _from_8_bits(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Undo `in_8_bits`; weights without a scale are as they are."""
    for name in [name for name in state if name.endswith(_SCALE) and name.removesuffix(_SCALE) in state]:
        scale = state.pop(name)
        state[name.removesuffix(_SCALE)] = state[name.removesuffix(_SCALE)].float() * scale.float()
    return state
