"""The model file: safetensors with one group of tensors per network and the card in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from gantool.cards import Card
from gantool.errors import ModelError
from gantool.files import atomic
from gantool.nets.card_files import form_of, read_card
from gantool.nets.checkpoints_elsewhere import load_foreign_net, load_foreign_segmenter
from gantool.nets.registry import build_generator
from gantool.nets.segmenters import Segmenter, build_segmenter

__all__ = ["load_net", "load_segmenter", "read_card", "save_model"]


def save_model(path: Path, nets: Mapping[str, nn.Module], card: Card) -> None:
    """Write ``nets`` (tensors prefixed ``<name>/``) and ``card`` atomically."""
    tensors: dict[str, Tensor] = {}
    for prefix, net in nets.items():
        for key, value in net.state_dict().items():
            tensors[f"{prefix}/{key}"] = value.detach().cpu().contiguous()
    with atomic(path) as temporary:
        save_file(tensors, temporary, metadata={"gantool": card.to_json()})


def load_net(path: Path, card: Card, target: str) -> nn.Module:
    """Build the network that translates to ``target`` and fill it with the file's weights, in eval mode, on the CPU.

    Raises:
        ModelError: no such direction, or tensors that do not fit the architecture on the card.
    """
    direction = card.direction(target)
    if form_of(path) == "checkpoint":
        return load_foreign_net(path, running_statistics=card.norm == "batch")
    net = build_generator(direction.architecture.name, **direction.architecture.options)
    _fill(net, path, f"{direction.net}/", direction.architecture.name)
    return net.eval()


def load_segmenter(path: Path, card: Card) -> Segmenter:
    """Build the segmenter that the card describes and fill it, in eval mode, on the CPU.

    Raises:
        ModelError: a translation model, or tensors that do not fit.
    """
    if card.task != "segmentation" or card.architecture is None:
        known = " or ".join(direction.target for direction in card.directions)
        raise ModelError(
            f"{path}: is a translation model, it has no classes.", f"Use it with gantool translate --to {known}."
        )
    if form_of(path) == "smp":
        return load_foreign_segmenter(path, card)
    net = build_segmenter(card.architecture.name, **card.architecture.options)
    _fill(net, path, "segment/", card.architecture.name)
    net.eval()
    return net


def _fill(net: nn.Module, path: Path, prefix: str, name: str) -> None:
    try:
        with safe_open(path, framework="pt") as file:
            state = {key.removeprefix(prefix): file.get_tensor(key) for key in file.keys() if key.startswith(prefix)}  # noqa: SIM118
        net.load_state_dict(state)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: is damaged ({error}).") from None
    except RuntimeError as error:
        first = str(error).splitlines()[1:2]
        detail = first[0].strip().rstrip(".") if first else "shapes differ"
        raise ModelError(f"{path}: its weights do not fit {name} ({detail[:160]}).") from None
