"""Generators of the reference implementation of CycleGAN and pix2pix (``latest_net_G_A.pth``), read and written.

So are those of contrastive unpaired translation, whose project grew out of it and names weights as it does. They are
recognized by the keys and shapes of their state dicts. Free of torch until weights are read.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gantool.cards import LARGEST_OPTION, Architecture, Card, Direction, Domain, Origin
from gantool.documents import brief
from gantool.errors import ModelError
from gantool.fetch.weights import SUFFIXES, read_weights
from gantool.models.formats.blur_filters import with_filters, without_filters
from gantool.models.formats.fit import require_fit
from gantool.nets.registry import GENERATORS, build_generator

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Generator", "domains_of_name", "load", "matches", "read_card", "read_generator", "write"]

# Places of the convolutions in a residual block: padding, and whether it has dropout.
_BLOCKS = {
    frozenset({1, 5}): ("reflect", False),
    frozenset({1, 6}): ("reflect", True),
    frozenset({0, 3}): ("zeros", False),
    frozenset({0, 4}): ("zeros", True),
}

_NORMS = ("instance", "batch", "instance_affine")  # the last becomes a batch norm


@dataclass(frozen=True)
class Generator:
    """A generator's architecture as its weights tell it, and the weights under gantool's names."""

    architecture: Architecture
    state: Mapping[str, Tensor]

    @property
    def norm(self) -> str:
        return str(self.architecture.options["norm"])


def matches(path: Path) -> bool:
    """Whether its name is that of a set of weights."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def read_generator(path: Path, *, running_statistics: bool = False) -> Generator:
    """Recognize a generator of the reference implementation.

    Args:
        running_statistics: run batch norm with the averages in the file, as the reference does with ``--eval``, and
            not with the statistics of the one image, as it does without.

    Raises:
        ModelError: a discriminator, another network, or a file that is none.
    """
    import torch

    state = read_weights(path)
    if "model.model.0.weight" in state:
        found = _unet(path, state)
    elif _kernel(state, "model.1.weight") == 7:
        found = _resnet(path, state, first=1)
    elif _kernel(state, "model.0.weight") == 7:
        found = _resnet(path, state, first=0)
    elif any(key.startswith("mlp_0.") for key in state):
        raise ModelError(f"{path}: compares patches in a training (net_F).", "Name the generator's file (net_G).")
    elif "model.0.weight" in state or "net.0.weight" in state or ("0.weight" in state and "2.weight" in state):
        raise ModelError(f"{path}: is a discriminator, which translates nothing.", "Name the generator's file.")
    else:
        raise ModelError(
            f"{path}: are the weights of an unknown network (its first tensor is {brief(next(iter(state)))}).",
            "Known are gantool's own files, and generators of the reference CycleGAN, pix2pix and CUT.",
        )
    with torch.device("meta"):
        net = build_generator(found.architecture.name, **found.architecture.options)
    require_fit(path, net.state_dict(), found.state, found.architecture.name)
    return found if found.norm != "batch" or running_statistics else _with_instance_norm(found)


def _kernel(state: Mapping[str, Tensor], key: str) -> int:
    """Side of a convolution's kernel; 0 where that is none."""
    return int(state[key].shape[3]) if key in state and state[key].dim() == 4 else 0


def _channels(path: Path, state: Mapping[str, Tensor], key: str) -> tuple[int, int]:
    """The first two sides of a convolution's weights, which are its channels.

    Raises:
        ModelError: there is no such convolution.
    """
    if not _kernel(state, key) or not all(1 <= side <= LARGEST_OPTION for side in state[key].shape):
        raise ModelError(f"{path}: is a damaged generator ({key} is missing or no convolution).")
    first, second = state[key].shape[:2]
    return int(first), int(second)


def _resnet(path: Path, state: Mapping[str, Tensor], *, first: int) -> Generator:
    """``first`` is the place of the first convolution: behind a padding layer, or at once with zero padding."""
    blocks = {int(match[1]) for key in state if (match := re.match(r"model\.(\d{1,4})\.conv_block\.", key))}
    inner = {int(match[1]) for key in state if (match := re.match(r"model\.\d+\.conv_block\.(\d{1,4})\.weight", key))
             if state[key].dim() == 4}  # fmt: skip
    blurs = {int(key.split(".")[1]) for key in state if re.fullmatch(r"model\.\d{1,4}\.filt", key)}
    kind, name = _BLOCKS.get(frozenset(inner)), f"resnet_{len(blocks)}blocks{'_antialias' if blurs else ''}"
    if blurs and len(blurs) != 4:
        raise ModelError(
            f"{path}: is a generator that is anti-aliased only where it halves or only where it doubles.",
            "gantool has those that are anti-aliased in both, and in neither.",
        )
    if kind is None or name not in GENERATORS:
        raise ModelError(f"{path}: is a ResNet generator with {len(blocks)} blocks of an unknown kind.")
    if (kind[0] == "zeros") != (first == 0):
        raise ModelError(
            f"{path}: is a ResNet generator that pads its blocks with zeros and the picture by reflection.",
            "gantool has no such network; it reads those that pad by reflection alone.",
        )
    norm = _norm(state, f"model.{first}.bias", f"model.{first + 1}.weight")
    last = max(int(match[1]) for key in state if (match := re.match(r"model\.(\d{1,4})\.", key)))
    width, in_channels = _channels(path, state, f"model.{first}.weight")
    options = {
        "in_channels": in_channels,
        "out_channels": _channels(path, state, f"model.{last}.weight")[0],
        "width": width,
        "norm": norm,
        "padding": kind[0],
        "dropout": kind[1],
    }
    return _generator(path, name, options, state)


def _unet(path: Path, state: Mapping[str, Tensor]) -> Generator:
    downs = [key for key in state if re.fullmatch(r"model\.model\.(0|(?:\d\.model\.)+1)\.weight", key)]
    levels = len([key for key in downs if _kernel(state, key) == 4])
    name = f"unet_{2 ** min(levels, 99)}"
    if name not in GENERATORS:
        raise ModelError(f"{path}: is a U-Net generator with {levels} levels, which gantool does not have.")
    norm = _norm(state, "model.model.0.bias", "model.model.1.model.2.weight")
    width, in_channels = _channels(path, state, "model.model.0.weight")
    options = {
        "in_channels": in_channels,
        "out_channels": _channels(path, state, "model.model.3.weight")[1],
        "width": width,
        "norm": norm,
    }
    return _generator(path, name, options, state)


def _with_instance_norm(found: Generator) -> Generator:
    """As the reference tests: with the statistics of the one image; see `gantool.nets.deterministic`."""
    from gantool.nets.deterministic import with_instance_norm

    name, options = found.architecture.name, found.architecture.options
    net = build_generator(name, **options)
    net.load_state_dict(dict(found.state))
    changed = Architecture(name=name, options={**options, "norm": "instance_affine"})
    return Generator(changed, with_instance_norm(net).state_dict())


def _norm(state: Mapping[str, Tensor], bias: str, scale: str) -> str:
    """Batch norm scales; only in front of instance norm do convolutions have a bias, without norm they have neither.

    Args:
        bias: key of the first convolution's.
        scale: key of the first norm's.
    """
    return "batch" if scale in state else "instance" if bias in state else "none"


def _generator(path: Path, name: str, options: dict[str, object], state: Mapping[str, Tensor]) -> Generator:
    """Under gantool's names.

    Old checkpoints carry running statistics of instance norm, which has none in use. Without norm gantool's
    convolutions have biases, which are 0 here.
    """
    import torch

    norm = options["norm"]
    running = ("running_mean", "running_var", "num_batches_tracked")
    kept = {key: value for key, value in state.items() if norm == "batch" or not key.endswith(running)}
    kept = without_filters(path, kept)
    if norm == "none":
        with torch.device("meta"):
            wanted = build_generator(name, **options).state_dict()
        kept |= {
            key: torch.zeros(value.shape)
            for key, value in wanted.items()
            if key.endswith(".bias") and key not in kept
        }
    return Generator(Architecture(name=name, options=options), kept)


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


def read_card(path: Path, *, running_statistics: bool = False) -> Card:
    """A card for such a generator; its domains are what the file's name says. See `read_generator`."""
    found = read_generator(path, running_statistics=running_statistics)
    source, target = domains_of_name(path)
    name, options = found.architecture.name, found.architecture.options
    return Card(
        task=_method(name),
        domains=(
            Domain(name=source, channels=options["in_channels"]),
            Domain(name=target, channels=options["out_channels"]),
        ),
        directions=(Direction(source=source, target=target, net=f"to_{target}", architecture=found.architecture),),
        multiple_of=GENERATORS[name].multiple_of,
        size=256,
        norm=found.norm,
        origin=Origin(run=path.stem, data=f"checkpoint {path.name}"),
    )


def _method(network: str) -> str:
    """The method whose published generators are of this kind."""
    return "pix2pix" if network.startswith("unet") else "cut" if network.endswith("_antialias") else "cyclegan"


def load(path: Path, card: Card, direction: Direction | None) -> nn.Module:
    """Build the generator and fill it; with the running statistics of batch norm where the card says so."""
    found = read_generator(path, running_statistics=card.norm == "batch")
    net = build_generator(found.architecture.name, **found.architecture.options)
    net.load_state_dict(dict(found.state))
    return net


def write(path: Path, net: nn.Module, card: Card, example: Tensor, opset: int | None = None) -> None:
    """Write the weights of a card's direction under the reference's names.

    A network with affine instance norm becomes one with batch norm of the same scale and shift, which the reference
    tests with the statistics of the one image.

    Raises:
        ModelError: the reference has no such network.
    """
    import torch

    (direction,) = card.directions
    _require_in_reference(direction.architecture)
    state = {key: value.detach().cpu().clone() for key, value in net.state_dict().items()}
    if direction.architecture.name.endswith("_antialias"):
        state = with_filters(net, state)
    if direction.architecture.options.get("norm") == "instance_affine":
        for key in [key for key, module in net.named_modules() if isinstance(module, torch.nn.InstanceNorm2d)]:
            count = len(state[f"{key}.weight"])
            state[f"{key}.running_mean"] = torch.zeros(count)
            state[f"{key}.running_var"] = torch.ones(count)
            state[f"{key}.num_batches_tracked"] = torch.tensor(0)
    content = io.BytesIO()  # torch itself ends the process where the disk is full
    torch.save(state, content)
    path.write_bytes(content.getbuffer())


def _require_in_reference(architecture: Architecture) -> None:
    name, options = architecture.name, architecture.options
    if not re.fullmatch(r"resnet_[69]blocks(_antialias)?|unet_(128|256)", name):
        raise ModelError(
            f"{name}: the reference implementation has no such network.",
            "It has resnet_9blocks, resnet_6blocks, unet_256 and unet_128; that of CUT has resnet_9blocks_antialias "
            "and resnet_6blocks_antialias.",
        )
    # Whatever its blocks do, the reference pads the picture by reflection; without norm it has no biases.
    for option, only in (("padding", ("reflect",)), ("activation", ("relu",)), ("norm", _NORMS)):
        value = options.get(option, only[0])
        if value not in only:
            raise ModelError(f"{name}: the reference implementation has no such network with {option}={value}.")
