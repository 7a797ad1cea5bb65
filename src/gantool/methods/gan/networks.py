"""What GAN methods share: networks that fit the settings, their first weights, and players."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gantool.engine.runtime import Runtime
from gantool.engine.task import Player
from gantool.errors import ModelError, SettingsError, closest
from gantool.methods.gan.settings import GanSettings, Model
from gantool.models.files import load_net, read_card
from gantool.nets.layers import initialize, with_spectral_norm
from gantool.nets.patchgan import MultiScaleDiscriminator
from gantool.nets.registry import DISCRIMINATORS, GENERATORS, NetworkSpec, build_discriminator
from gantool.nets.resnet import recompute_blocks

__all__ = [
    "check_settings",
    "fill_from_file",
    "fill_generator",
    "generator_options",
    "initialize_all",
    "make_discriminator",
    "make_player",
    "place",
]

_AVERAGES = ("running_mean", "running_var", "num_batches_tracked")


def check_settings(settings: GanSettings) -> None:
    """Refuse what no network could be built for.

    Raises:
        SettingsError: names the key.
    """
    model, data = settings.model, settings.data
    generator = _spec(GENERATORS, "model.generator", model.generator)
    _spec(DISCRIMINATORS, "model.discriminator", model.discriminator)
    for key, default in (("padding", "reflect"), ("activation", "relu")):
        if key not in generator.options and getattr(model, key) != default:
            raise SettingsError(f"model.{key}: {model.generator} has no such option, leave it at {default}.")
    if settings.runtime.checkpointing and not model.generator.startswith("resnet"):
        raise SettingsError(f"runtime.checkpointing: {model.generator} has no residual blocks.")
    multiple = generator.multiple_of
    if data.size % multiple:
        low = data.size // multiple * multiple
        near = [size for size in (low, low + multiple) if size >= 16]
        raise SettingsError(
            f"data.size: must be a multiple of {multiple} for {model.generator}, got {data.size}.",
            f"Use {' or '.join(str(size) for size in near)}.",
        )
    layers = _discriminator_layers(settings)
    scales = model.discriminator_scales
    least = 2 ** (scales - 1) * (4 * 2**layers if layers is not None else 1)
    if data.size < least:
        several = f" at {scales} scales" if scales > 1 else ""
        raise SettingsError(
            f"data.size: must be at least {least} for a discriminator of {layers} layers{several}, got {data.size}.",
            "Choose a larger --crop, or model.discriminator=n_layers with fewer model.discriminator_layers.",
        )
    if data.load_size is not None and data.load_size < data.size:
        raise SettingsError(f"data.load_size: must be at least data.size ({data.size}), got {data.load_size}.")
    if not settings.one_size and settings.train.batch_size > 1:
        raise SettingsError(
            f"augment.preprocess: {settings.augment.preprocess} leaves images of different sizes, "
            "which needs train.batch_size 1."
        )


def _discriminator_layers(settings: GanSettings) -> int | None:
    layers = {"basic": 3, "basic_antialias": 3, "n_layers": settings.model.discriminator_layers}
    return layers.get(settings.model.discriminator)


def _spec(table: Mapping[str, NetworkSpec], key: str, name: str) -> NetworkSpec:
    if name not in table:
        raise SettingsError(f'{key}: there is no "{name}".', closest(name, table))
    return table[name]


def generator_options(model: Model, in_channels: int, out_channels: int) -> dict[str, Any]:
    """The keywords that the generator of these settings is built with."""
    options: dict[str, Any] = {"in_channels": in_channels, "out_channels": out_channels, "width": model.width}
    for key in ("norm", "padding", "activation", "dropout"):
        if key in GENERATORS[model.generator].options:
            options[key] = getattr(model, key)
    return options


def fill_generator(net: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a generator the weights of another of its kind.

    One that was delivered with instance norm has no averages of a batch norm; they begin anew.

    Raises:
        RuntimeError: the weights are another network's.
    """
    averages = {key: value for key, value in net.state_dict().items() if key.endswith(_AVERAGES)}
    net.load_state_dict({**averages, **weights})


def fill_from_file(path: Path, nets: Mapping[str, nn.Module]) -> None:
    """Fill the only generator of a method, ``to_TARGET``, from a model file; one from elsewhere has one direction.

    Raises:
        ModelError: the file has another network, or none to that domain.
    """
    card = read_card(path)
    for name, net in nets.items():
        target = card.directions[0].target if card.from_elsewhere else name.removeprefix("to_")
        weights = load_net(path, card, target).state_dict()
        try:
            fill_generator(net, weights)
        except RuntimeError:
            raise ModelError(
                f"--init-from {path}: is another network than the settings ask for.",
                "Set model.generator, model.width and model.norm to the same.",
            ) from None


def make_discriminator(settings: GanSettings, channels: int) -> nn.Module:
    """The discriminator of images with so many channels, without norm where that is spectral, which comes later."""
    model = settings.model
    norm = model.discriminator_norm or model.norm
    options: dict[str, Any] = {
        "in_channels": channels, "width": model.discriminator_width, "norm": "none" if norm == "spectral" else norm
    }  # fmt: skip
    if model.discriminator == "n_layers":
        options["layers"] = model.discriminator_layers
    if model.discriminator_scales == 1:
        return build_discriminator(model.discriminator, **options)
    return MultiScaleDiscriminator(
        [build_discriminator(model.discriminator, **options) for _ in range(model.discriminator_scales)]
    )


def initialize_all(
    settings: GanSettings, generators: Sequence[nn.Module], discriminators: Sequence[nn.Module]
) -> None:
    """Give all networks their first weights, and the discriminators their spectral norm if they have one."""
    model = settings.model
    for net in (*generators, *discriminators):
        initialize(net, model.init, model.init_gain)
    if model.discriminator_norm == "spectral":
        for net in discriminators:
            with_spectral_norm(net)


def place(settings: GanSettings, nets: Sequence[nn.Module], runtime: Runtime) -> None:
    """Move networks to the device and start the random numbers of this rank's training."""
    runtime.place(nets, channels_last=settings.channels_last(runtime.device.type, runtime.precision))
    if settings.runtime.checkpointing:
        for net in nets:
            recompute_blocks(net)
    torch.manual_seed(settings.train.seed + 1 + runtime.rank)


def make_player(settings: GanSettings, name: str, nets: dict[str, nn.Module], lr: float, runtime: Runtime) -> Player:
    """Networks with an optimizer of their own on the runtime's device."""
    optimizer = settings.optimizer
    parameters = [parameter for net in nets.values() for parameter in net.parameters()]
    if optimizer.name == "sgd":
        return Player(name, nets, torch.optim.SGD(parameters, lr=lr, momentum=optimizer.betas[0]))
    # Fused is the same arithmetic in one pass, three times as fast on a CPU; it cannot clip scaled fp16 gradients.
    fused = runtime.device.type in ("cpu", "cuda") and not (optimizer.clip_norm and runtime.precision == "fp16")
    return Player(name, nets, torch.optim.Adam(parameters, lr=lr, betas=optimizer.betas, fused=fused))
