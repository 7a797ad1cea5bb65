"""From settings to a CycleGAN that can be trained: images, networks, optimizers, card and measurements."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader

from gantool.cards import Architecture, Card, Direction, Domain, Origin
from gantool.data.augment import Preparation, to_tensor
from gantool.data.datasets import ArrayImages, FileImages, Images, PositionBatches, UnpairedDataset
from gantool.data.images import problems
from gantool.data.layouts import UnpairedFiles, find_unpaired, resolve_data_path
from gantool.data.sample import SEASONS, Scene, draw_scene
from gantool.engine.runtime import Runtime
from gantool.errors import DataError, SettingsError, closest
from gantool.metrics.paired import histogram_matcher, l1_ratio, median_image
from gantool.nets.layers import initialize
from gantool.nets.registry import DISCRIMINATORS, GENERATORS, NetworkSpec, build_discriminator, build_generator
from gantool.settings import Settings
from gantool.tasks.base import Batch, Player
from gantool.tasks.cyclegan import CycleGan, CycleGanWeights

Pixels = NDArray[np.uint8]

__all__ = ["UnpairedData", "build_batches", "build_data", "build_task", "check_networks"]

# Scene numbers of the three splits of the built-in sample; training sides never share a scene either.
_VALIDATION_SCENES, _TEST_SCENES = 1_000_000, 2_000_000
_SMALLEST_SIDE = 8


@dataclass(frozen=True)
class PairedTruth:
    """Test images of both domains that show the same things; only drawn scenes have that."""

    a: Sequence[Pixels]
    b: Sequence[Pixels]


@dataclass(frozen=True)
class UnpairedData:
    """The images of a run.

    Attributes:
        names: of both domains.
        about: what was recognized, for the user.
        train, test: images per domain.
        validation: paired truth that decides which epoch is best.
        truth: paired truth for the final number, seen by nothing else.
        held_out: files taken from training as a test split.
    """

    names: tuple[str, str]
    about: str
    train: tuple[Images, Images]
    test: tuple[Images, Images]
    preparation: Preparation
    validation: PairedTruth | None = None
    truth: PairedTruth | None = None
    held_out: tuple[Path, ...] = ()


# -- checks that need no data -------------------------------------------------------------------------------------


def check_networks(settings: Settings) -> None:
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
    multiple = generator.multiple_of
    if data.size % multiple:
        low = data.size // multiple * multiple
        near = [size for size in (low, low + multiple) if size >= 16]
        raise SettingsError(
            f"data.size: must be a multiple of {multiple} for {model.generator}, got {data.size}.",
            f"Use {' or '.join(str(size) for size in near)}.",
        )
    layers = _discriminator_layers(settings)
    if layers is not None and data.size < 4 * 2**layers:
        raise SettingsError(
            f"data.size: must be at least {4 * 2**layers} for a discriminator of {layers} layers, got {data.size}.",
            "Choose a larger --size, or model.discriminator=n_layers with fewer model.discriminator_layers.",
        )
    if data.load_size is not None and data.load_size < data.size:
        raise SettingsError(f"data.load_size: must be at least data.size ({data.size}), got {data.load_size}.")
    if settings.augment.preprocess in ("none", "scale_width") and settings.train.batch_size > 1:
        raise SettingsError(
            f"augment.preprocess: {settings.augment.preprocess} leaves images of different sizes, "
            "which needs train.batch_size 1."
        )
    if settings.runtime.tensorboard and find_spec("tensorboard") is None:
        raise SettingsError(
            "runtime.tensorboard: the tensorboard package is missing.",
            'Install it: pip install "gantool[tensorboard]".',
        )
    if settings.runtime.compile and not any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl", "icpx")):
        raise SettingsError(
            "runtime.compile: needs a C++ compiler, none was found.", "Install one, or leave --compile out."
        )


def _discriminator_layers(settings: Settings) -> int | None:
    return {"basic": 3, "n_layers": settings.model.discriminator_layers}.get(settings.model.discriminator)


def _spec(table: Mapping[str, NetworkSpec], key: str, name: str) -> NetworkSpec:
    if name not in table:
        raise SettingsError(f'{key}: there is no "{name}".', closest(name, table))
    return table[name]


# -- data -----------------------------------------------------------------------------------------------------------


def build_data(settings: Settings) -> UnpairedData:
    """Find, check and open the images.

    Raises:
        DataError: names the folder or every file that cannot be used.
    """
    data = settings.data
    load_size = data.load_size or (
        round(data.size * 286 / 256)
        if "resize" in settings.augment.preprocess or "scale" in settings.augment.preprocess
        else data.size
    )
    preparation = Preparation(
        settings.augment.preprocess,
        load_size,
        data.size,
        settings.augment.flip,
        GENERATORS[settings.model.generator].multiple_of,
    )
    if data.path == "sample" and not data.domains:
        return _sample_data(settings, preparation)
    root = None if data.domains else resolve_data_path(data.path)
    files = find_unpaired(root, domains=data.domains, holdout=data.holdout)
    return _file_data(settings, files, preparation)


def _sample_data(settings: Settings, preparation: Preparation) -> UnpairedData:
    data, seed = settings.data, settings.train.seed
    side = preparation.load_size

    def scenes(first: int, count: int) -> list[Scene]:
        return [draw_scene(first + n, size=side, seed=seed) for n in range(count)]

    def truth(first: int) -> PairedTruth:
        drawn = [draw_scene(first + n, size=data.size, seed=seed) for n in range(data.test_scenes)]
        return PairedTruth([scene.summer for scene in drawn], [scene.winter for scene in drawn])

    gray_a, gray_b = data.channels
    if (gray_a, gray_b) != (3, 3):
        raise SettingsError("data.channels: the built-in sample has 3 channels in both domains.")
    # With align the scenes of both sides are the same ones, otherwise no scene is on both sides.
    other = 0 if data.align else data.scenes
    validation = truth(_VALIDATION_SCENES)
    return UnpairedData(
        names=SEASONS,
        about=f"built-in sample, {data.scenes} drawn scenes per season",
        train=(
            ArrayImages([scene.summer for scene in scenes(0, data.scenes)]),
            ArrayImages([scene.winter for scene in scenes(other, data.scenes)]),
        ),
        test=(ArrayImages(validation.a), ArrayImages(validation.b)),
        preparation=preparation,
        validation=validation,
        truth=truth(_TEST_SCENES),
    )


def _file_data(settings: Settings, files: UnpairedFiles, preparation: Preparation) -> UnpairedData:
    data = settings.data
    train = [list(domain.train[: data.max_images]) for domain in (files.a, files.b)]
    test = [list(domain.test) for domain in (files.a, files.b)]
    if data.align and len(train[0]) != len(train[1]):
        raise DataError(
            f"data.align: needs as many images of {files.a.name} as of {files.b.name}, "
            f"got {len(train[0])} and {len(train[1])}."
        )
    found = list(itertools.islice(problems([*train[0], *train[1], *test[0], *test[1]], _SMALLEST_SIDE), 200))
    if found:
        listed = "\n  ".join(found[:20])
        more = f"\n  and {len(found) - 20} more" if len(found) > 20 else ""
        raise DataError(f"{len(found)} images cannot be used:\n  {listed}{more}\n", "Repair or remove them.")
    if data.align:
        _require_same_sizes(train)
    channels = data.channels
    return UnpairedData(
        names=(files.a.name, files.b.name),
        about=(
            f"{files.layout}: {len(train[0])} {files.a.name} and {len(train[1])} {files.b.name}, "
            f"{len(test[0])} and {len(test[1])} {'held out' if files.held_out else 'for testing'}"
        ),
        train=(FileImages(train[0], channels[0]), FileImages(train[1], channels[1])),
        test=(FileImages(test[0], channels[0]), FileImages(test[1], channels[1])),
        preparation=preparation,
        held_out=(*files.a.test, *files.b.test) if files.held_out else (),
    )


def _require_same_sizes(train: list[list[Path]]) -> None:
    from gantool.data.images import open_image

    for a, b in zip(*train, strict=True):
        size_a, size_b = open_image(a).size, open_image(b).size
        if size_a != size_b:
            raise DataError(
                f"data.align: {a} has {size_a[0]}x{size_a[1]} pixels, its partner {b} has {size_b[0]}x{size_b[1]}."
            )


class EpochBatches:
    """Batches of this rank, read by worker processes where that helps."""

    def __init__(self, dataset: UnpairedDataset, batch_size: int, workers: int, runtime: Runtime) -> None:
        self._positions = PositionBatches(len(dataset), batch_size, rank=runtime.rank, world_size=runtime.world_size)
        self._loader = DataLoader(
            dataset,
            batch_sampler=self._positions,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=runtime.device.type == "cuda",
            # Without its own generator the loader would draw from the global one, once per iterator, and a run
            # that goes on in the middle of an epoch would differ.
            generator=torch.Generator(),
        )

    @property
    def steps_per_epoch(self) -> int:
        return self._positions.steps

    def epoch(self, epoch: int, first_step: int) -> Iterator[Batch]:
        self._positions.epoch, self._positions.first_step = epoch, first_step
        return iter(self._loader)


def build_batches(settings: Settings, data: UnpairedData, runtime: Runtime) -> EpochBatches:
    """Return the training batches of this rank."""
    dataset = UnpairedDataset(*data.train, data.preparation, seed=settings.train.seed, align=settings.data.align)
    workers = settings.runtime.workers
    if workers is None:
        import os

        workers = 0 if runtime.device.type == "cpu" else min(8, (os.cpu_count() or 2) // settings.runtime.devices)
    return EpochBatches(dataset, settings.train.batch_size, workers, runtime)


def preview_batch(settings: Settings, data: UnpairedData) -> dict[str, Tensor]:
    """The first test images of both domains (training images where there are none), prepared without chance."""
    batch = {}
    for name, test, train in zip(("a", "b"), data.test, data.train, strict=True):
        images = test if len(test) else train
        count = min(settings.train.sample_images, len(images))
        views = [data.preparation.testing(images[n]) for n in range(count)]
        # Uncropped images can differ in size; a grid needs one size.
        views = [view for view in views if view.shape == views[0].shape]
        batch[name] = torch.stack([to_tensor(view) for view in views])
    rows = min(len(images) for images in batch.values())
    return {name: images[:rows] for name, images in batch.items()}


# -- networks -------------------------------------------------------------------------------------------------------


def build_task(settings: Settings, names: tuple[str, str], runtime: Runtime) -> CycleGan:
    """Build networks and optimizers on the runtime's device; the first weights follow ``train.seed``."""
    model, runtime_settings = settings.model, settings.runtime
    a, b = names
    torch.manual_seed(settings.train.seed)
    channels = dict(zip(names, settings.data.channels, strict=True))
    directions = (_direction(settings, a, b, channels), _direction(settings, b, a, channels))
    to_b, to_a = (build_generator(d.architecture.name, **d.architecture.options) for d in directions)
    d_a, d_b = (_discriminator(settings, channels[name]) for name in names)
    nets = [to_b, to_a, d_a, d_b]
    for net in nets:
        initialize(net, model.init, model.init_gain)
    runtime.place(nets, channels_last=runtime_settings.channels_last)
    if runtime_settings.compile:
        for net in nets:
            net.compile()
    torch.manual_seed(settings.train.seed + 1 + runtime.rank)
    loss, lr = settings.loss, settings.optimizer.lr
    card = Card(
        task="cyclegan",
        domains=tuple(Domain(name=name, channels=channels[name]) for name in names),
        directions=directions,
        multiple_of=GENERATORS[model.generator].multiple_of,
        size=settings.data.size,
        norm=model.norm,
    )
    return CycleGan(
        card,
        _player(settings, "generators", {"to_b": to_b, "to_a": to_a}, lr, runtime),
        _player(settings, "discriminators", {"b": d_b, "a": d_a}, settings.optimizer.discriminator_lr or lr, runtime),
        CycleGanWeights(
            loss.adversarial, loss.cycle_a, loss.cycle_b, loss.cycle_distance, loss.identity, loss.gradient_penalty
        ),
        pool_size=settings.train.pool_size,
        batch_calls=runtime_settings.batch_calls and model.norm != "batch",
        seed=settings.train.seed + 2 * runtime.rank,
    )


def _direction(settings: Settings, source: str, target: str, channels: Mapping[str, int]) -> Direction:
    model = settings.model
    spec = GENERATORS[model.generator]
    options: dict[str, Any] = {
        "in_channels": channels[source],
        "out_channels": channels[target],
        "width": model.width,
    }
    for key in ("norm", "padding", "activation", "dropout"):
        if key in spec.options:
            options[key] = getattr(model, key)
    architecture = Architecture(name=model.generator, options=options)
    return Direction(source=source, target=target, net=f"to_{target}", architecture=architecture)


def _discriminator(settings: Settings, channels: int) -> nn.Module:
    model = settings.model
    options: dict[str, Any] = {"in_channels": channels, "width": model.discriminator_width, "norm": model.norm}
    if model.discriminator == "n_layers":
        options["layers"] = model.discriminator_layers
    return build_discriminator(model.discriminator, **options)


def _player(settings: Settings, name: str, nets: dict[str, nn.Module], lr: float, runtime: Runtime) -> Player:
    optimizer = settings.optimizer
    parameters = [parameter for net in nets.values() for parameter in net.parameters()]
    if optimizer.name == "sgd":
        return Player(name, nets, torch.optim.SGD(parameters, lr=lr, momentum=optimizer.betas[0]))
    # Fused is the same arithmetic in one pass, three times as fast on a CPU; it cannot clip scaled fp16 gradients.
    fused = runtime.device.type in ("cpu", "cuda") and not (optimizer.clip_norm and runtime.precision == "fp16")
    return Player(name, nets, torch.optim.Adam(parameters, lr=lr, betas=optimizer.betas, fused=fused))


# -- measurements ---------------------------------------------------------------------------------------------------


def make_evaluate(
    settings: Settings, data: UnpairedData, runtime: Runtime
) -> Callable[[Mapping[str, nn.Module]], dict[str, float]] | None:
    """Return what measures networks on the validation scenes, or None where there is no truth.

    The first value is the mean of the L1 ratios of both directions, which decides which epoch is best.
    """
    if data.validation is None:
        return None
    count = settings.metrics.images
    truth = PairedTruth(data.validation.a[:count], data.validation.b[:count])

    def evaluate(nets: Mapping[str, nn.Module]) -> dict[str, float]:
        ratios = ratios_to_truth(nets, data.names, truth, runtime.device)
        return {"l1_ratio": sum(ratios.values()) / len(ratios), **ratios}

    return evaluate


def ratios_to_truth(
    nets: Mapping[str, nn.Module], names: tuple[str, str], truth: PairedTruth, device: torch.device
) -> dict[str, float]:
    """L1(translated, truth) / L1(untranslated, truth) in both directions."""
    a, b = names
    return {
        f"l1_ratio_to_{b}": l1_ratio(_translated(nets[f"to_{b}"], truth.a, device), truth.a, truth.b),
        f"l1_ratio_to_{a}": l1_ratio(_translated(nets[f"to_{a}"], truth.b, device), truth.b, truth.a),
    }


def baseline_ratios(data: UnpairedData) -> dict[str, dict[str, float]]:
    """The same ratios for the median training image and for per-channel histogram matching."""
    assert data.truth is not None
    out: dict[str, dict[str, float]] = {}
    sides = ((data.truth.a, data.truth.b, 1), (data.truth.b, data.truth.a, 0))
    for inputs, truths, side in sides:
        training = [data.preparation.testing(data.train[side][n]) for n in range(len(data.train[side]))]
        constant = median_image(training)
        matcher = histogram_matcher(training)
        key = f"l1_ratio_to_{data.names[side]}"
        out.setdefault("median training image", {})[key] = l1_ratio([constant] * len(truths), inputs, truths)
        out.setdefault("histogram matching", {})[key] = l1_ratio([matcher(x) for x in inputs], inputs, truths)
    return out


def _translated(net: nn.Module, images: Sequence[Pixels], device: torch.device) -> list[Pixels]:
    with torch.no_grad():
        results = [net(to_tensor(image)[None].to(device))[0].float().cpu() for image in images]
    return [((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy() for x in results]


def with_origin(card: Card, *, run: str, data: str, created: str, version: str, epochs: int, ema: bool) -> Card:
    """Return the card with where its weights come from."""
    origin = Origin(run=run, data=data, created=created, gantool=version, epochs=epochs, ema=ema)
    return card.model_copy(update={"origin": origin})
