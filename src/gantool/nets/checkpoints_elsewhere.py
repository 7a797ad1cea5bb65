"""Weights that other programs wrote: what network are they of?

State dicts of the reference implementation of CycleGAN and pix2pix (``latest_net_G_A.pth``), and segmenters of
segmentation-models-pytorch (a state dict, or a folder of ``save_pretrained``), are recognized by their keys and
shapes. Files are loaded as data; nothing in them is executed.
"""

from __future__ import annotations

import json
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gantool.arrays import class_colors
from gantool.cards import Architecture, Card, Direction, Domain, LabelClass, Origin
from gantool.errors import ModelError
from gantool.nets.deterministic import with_instance_norm
from gantool.nets.registry import GENERATORS, build_generator
from gantool.nets.segmenter_table import SEGMENTERS
from gantool.nets.segmenters import Segmenter, build_segmenter

__all__ = [
    "Foreign",
    "domains_of_name",
    "foreign_card",
    "is_smp",
    "load_foreign_net",
    "load_foreign_segmenter",
    "read_foreign",
    "read_state",
    "smp_card",
]

SUFFIXES = (".pth", ".pt", ".bin", ".safetensors")

_ENCODERS = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "mobilenet_v2", "efficientnet-b0",
    "efficientnet-b1", "efficientnet-b2", "efficientnet-b3", "efficientnet-b4", "vgg11", "vgg13", "vgg16", "vgg19",
    "vgg16_bn", "densenet121", "resnext50_32x4d", "se_resnet50", "mit_b0", "mit_b1", "mit_b2", "xception",
)  # fmt: skip


@dataclass(frozen=True)
class Foreign:
    """A generator's architecture as its weights tell it, and the weights under gantool's names."""

    architecture: Architecture
    norm: str
    multiple_of: int
    state: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file, without wrappers and prefixes such as ``module.``.

    Raises:
        ModelError: unreadable, not a set of weights, or more than data.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found: Any = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no such file.") from None
    except pickle.UnpicklingError:
        raise ModelError(
            f"{path}: holds more than data and would run code when opened; refused.",
            "Save the weights alone: torch.save(net.state_dict(), FILE).",
        ) from None
    except Exception as error:
        raise ModelError(f"{path}: cannot be read ({(str(error).splitlines() or ['damaged'])[0][:160]}).") from None
    for key in ("state_dict", "model_state_dict", "model", "generator"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not found or not all(isinstance(value, Tensor) for value in found.values()):
        raise ModelError(f"{path}: is not a set of weights.")
    for prefix in ("module.", "_orig_mod.", "net."):
        if all(key.startswith(prefix) for key in found):
            found = {key.removeprefix(prefix): value for key, value in found.items()}
    return dict(found)


def read_foreign(path: Path, *, running_statistics: bool = False) -> Foreign:
    """Recognize a generator of the reference implementation.

    Args:
        running_statistics: run a U-Net's batch norm with the averages in the file, as the reference does with
            ``--eval``, and not with the statistics of the one image, as it does without.

    Raises:
        ModelError: a discriminator, another network, or a file that is none.
    """
    state = read_state(path)
    if "model.model.0.weight" in state:
        found = _unet(path, state, running_statistics)
    elif "model.1.weight" in state and state["model.1.weight"].dim() == 4 and state["model.1.weight"].shape[-1] == 7:
        found = _resnet(path, state, first=1)
    elif "model.0.weight" in state and state["model.0.weight"].shape[-1] == 7:
        found = _resnet(path, state, first=0)
    elif "model.0.weight" in state or "net.0.weight" in state or ("0.weight" in state and "2.weight" in state):
        raise ModelError(f"{path}: is a discriminator, which translates nothing.", "Name the generator's file.")
    else:
        raise ModelError(
            f"{path}: are the weights of an unknown network (its first tensor is {next(iter(state))}).",
            "Known are gantool's own files, and generators of the reference CycleGAN and pix2pix.",
        )
    _try(path, found)
    return found


def _resnet(path: Path, state: Mapping[str, Tensor], *, first: int) -> Foreign:
    """``first`` is the place of the first convolution: behind a padding layer, or at once with zero padding."""
    blocks = {int(match[1]) for key in state if (match := re.match(r"model\.(\d+)\.conv_block\.", key))}
    inner = {int(match[1]) for key in state if (match := re.match(r"model\.\d+\.conv_block\.(\d+)\.weight", key))
             if state[key].dim() == 4}  # fmt: skip
    count = len(blocks)
    padded = {frozenset({1, 5}): ("reflect", False), frozenset({1, 6}): ("reflect", True),
              frozenset({0, 3}): ("zeros", False), frozenset({0, 4}): ("zeros", True)}  # fmt: skip
    kind = padded.get(frozenset(inner))
    if kind is None or f"resnet_{count}blocks" not in GENERATORS:
        raise ModelError(f"{path}: is a ResNet generator with {count} blocks of an unknown kind.")
    norm = _norm(state, f"model.{first + 1}")
    last = max(int(key.split(".")[1]) for key in state)
    start = state[f"model.{first}.weight"]
    options = {
        "in_channels": int(start.shape[1]),
        "out_channels": int(state[f"model.{last}.weight"].shape[0]),
        "width": int(start.shape[0]),
        "norm": norm,
        "padding": kind[0],
        "dropout": kind[1],
    }
    return Foreign(Architecture(name=f"resnet_{count}blocks", options=options), norm, 4, _clean(state, norm))


def _unet(path: Path, state: Mapping[str, Tensor], running_statistics: bool) -> Foreign:
    downs = [key for key in state if re.fullmatch(r"model\.model\.(0|(?:\d\.model\.)+1)\.weight", key)]
    levels = len([key for key in downs if state[key].dim() == 4 and state[key].shape[-1] == 4])
    name = f"unet_{2**levels}"
    if name not in GENERATORS:
        raise ModelError(f"{path}: is a U-Net generator with {levels} levels, which gantool does not have.")
    norm = _norm(state, "model.model.1.model.2")
    start = state["model.model.0.weight"]
    options = {
        "in_channels": int(start.shape[1]),
        "out_channels": int(state["model.model.3.weight"].shape[1]),
        "width": int(start.shape[0]),
        "norm": norm,
    }
    cleaned = _clean(state, norm)
    notes: tuple[str, ...] = ()
    if norm == "batch" and not running_statistics:
        # The reference runs pix2pix with the statistics of the one image; see `gantool.nets.deterministic`.
        net = build_generator(name, **options)
        _fill(path, net, cleaned, name)
        cleaned = with_instance_norm(net).state_dict()
        options["norm"] = norm = "instance_affine"
        notes = ("batch norm is run as instance norm, which is how the reference runs it",)
    return Foreign(Architecture(name=name, options=options), norm, 2**levels, cleaned, notes)


def _norm(state: Mapping[str, Tensor], key: str) -> str:
    """Old checkpoints carry running statistics of instance norm, which has none in use."""
    return "batch" if f"{key}.weight" in state else "instance"


def _clean(state: Mapping[str, Tensor], norm: str) -> dict[str, Tensor]:
    running = ("running_mean", "running_var", "num_batches_tracked")
    return {key: value for key, value in state.items() if norm == "batch" or not key.endswith(running)}


def _try(path: Path, found: Foreign) -> None:
    with torch.device("meta"):
        net = build_generator(found.architecture.name, **found.architecture.options)
    _compare(path, net.state_dict(), found.state, found.architecture.name)


def _fill(path: Path, net: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    _compare(path, net.state_dict(), state, name)
    net.load_state_dict(dict(state))


def _compare(path: Path, wanted: Mapping[str, Tensor], have: Mapping[str, Tensor], name: str) -> None:
    for key, value in wanted.items():
        if key not in have:
            raise ModelError(f"{path}: looks like {name} but has no {key}; it is incomplete or another network.")
        if have[key].shape != value.shape:
            raise ModelError(
                f"{path}: looks like {name} but its {key} has the shape {tuple(have[key].shape)}, "
                f"expected {tuple(value.shape)}."
            )
    more = next((key for key in have if key not in wanted), None)
    if more is not None:
        raise ModelError(f"{path}: looks like {name} but has more: {more}.")


def load_foreign_net(path: Path, *, running_statistics: bool = False) -> nn.Module:
    """The generator of a foreign checkpoint, in eval mode, on the CPU; see `read_foreign`."""
    found = read_foreign(path, running_statistics=running_statistics)
    net = build_generator(found.architecture.name, **found.architecture.options)
    net.load_state_dict(dict(found.state))
    return net.eval()


def domains_of_name(path: Path) -> tuple[str, str]:
    """Source and target as the file's name tells them; ``A`` and ``B`` or ``input`` and ``output`` otherwise.

    >>> domains_of_name(Path("summer2winter_yosemite.pth"))
    ('summer', 'winter')
    >>> domains_of_name(Path("latest_net_G_B.pth"))
    ('B', 'A')
    """
    stem = path.stem
    if re.search(r"net_G_A$", stem):
        return "A", "B"
    if re.search(r"net_G_B$", stem):
        return "B", "A"
    if match := re.fullmatch(r"style_([A-Za-z]+)", stem):
        return "photo", match[1]
    names = re.findall(r"(?<![A-Za-z])([A-Za-z]+?)2([A-Za-z]+)", stem)
    if names:
        source, target = names[-1]
        return source, target
    return "input", "output"


def foreign_card(path: Path, *, running_statistics: bool = False) -> Card:
    """A card for a foreign generator; its domains are what the file's name says. See `read_foreign`."""
    found = read_foreign(path, running_statistics=running_statistics)
    source, target = domains_of_name(path)
    options = found.architecture.options
    return Card(
        task="pix2pix" if found.architecture.name.startswith("unet") else "cyclegan",
        domains=(
            Domain(name=source, channels=options["in_channels"]),
            Domain(name=target, channels=options["out_channels"]),
        ),
        directions=(Direction(source=source, target=target, net=f"to_{target}", architecture=found.architecture),),
        multiple_of=found.multiple_of,
        size=256,
        norm=found.norm,
        origin=Origin(run=path.stem, data=f"checkpoint {path.name}"),
    )


# -- segmenters of segmentation-models-pytorch ---------------------------------------------------------------------


def is_smp(path: Path) -> bool:
    """Whether this is a folder of ``save_pretrained``, or a state dict with an encoder and a segmentation head."""
    if path.is_dir():
        return (path / "config.json").is_file() and (path / "model.safetensors").is_file()
    try:
        state = read_state(path)
    except ModelError:
        return False
    return any(key.startswith("encoder.") for key in state) and "segmentation_head.0.weight" in state


def smp_card(path: Path) -> Card:
    """A card for such a segmenter; classes have numbers for names.

    Raises:
        ModelError: no architecture and encoder that gantool knows fits.
    """
    architecture, options = _of_config(path) if path.is_dir() else _of_state(path)
    count = options["classes"]
    names = [f"class_{n}" for n in range(max(count, 2))]
    spec = SEGMENTERS[architecture]
    return Card(
        task="segmentation",
        classes=tuple(LabelClass(name=n, color=c) for n, c in zip(names, class_colors(len(names)), strict=True)),
        mode="binary" if count == 1 else "multiclass",
        architecture=Architecture(name=architecture, options=options),
        multiple_of=spec.multiple_of,
        smallest=spec.smallest,
        norm="batch",
        origin=Origin(run=path.stem, data=f"checkpoint {path.name}"),
    )


def _of_config(folder: Path) -> tuple[str, dict[str, Any]]:
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        title, encoder = str(config["_model_class"]), str(config["encoder_name"])
        classes = int(config["classes"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ModelError(f"{folder}: its config.json is none of segmentation-models-pytorch.") from None
    name = next((key for key, spec in SEGMENTERS.items() if spec.title == title), None)
    if name is None or config.get("in_channels", 3) != 3:
        raise ModelError(f"{folder}: is a {title} of {config.get('in_channels')} channels, which gantool cannot use.")
    return name, {"classes": classes, "encoder": encoder}


def _of_state(path: Path) -> tuple[str, dict[str, Any]]:
    state = read_state(path)
    classes = int(state["segmentation_head.0.weight"].shape[0])
    shapes = {key: value.shape for key, value in state.items()}
    for encoder in _ENCODERS:
        for name, spec in SEGMENTERS.items():
            if not spec.title:
                continue
            try:
                with torch.device("meta"), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    net = build_segmenter(name, classes=classes, encoder=encoder).net
            except (ModelError, NotImplementedError, RuntimeError):
                continue
            own = net.state_dict()
            encoder_fits = all(shapes.get(k) == v.shape for k, v in own.items() if k.startswith("encoder."))
            if not encoder_fits:
                break  # no architecture has another encoder of this name
            if {key: value.shape for key, value in own.items()} == shapes:
                return name, {"classes": classes, "encoder": encoder}
    raise ModelError(
        f"{path}: is a segmenter of segmentation-models-pytorch, but of no usual architecture and encoder.",
        "Save it with save_pretrained, which writes down what it is.",
    )


def load_foreign_segmenter(path: Path, card: Card) -> Segmenter:
    """Build and fill it, in eval mode, on the CPU."""
    assert card.architecture is not None
    net = build_segmenter(card.architecture.name, **card.architecture.options)
    state = read_state(path / "model.safetensors" if path.is_dir() else path)
    _fill(path, net.net, state, card.architecture.name)
    net.eval()
    return net
