"""Semantic segmentation on a run's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gantool.arrays import IGNORE, Color, Mask, Pixels, color_table
from gantool.cards import Architecture, Card, LabelClass
from gantool.data.datasets import Order, by_shards, shuffled
from gantool.data.labelled import LabelledDataset, LabelledImages
from gantool.engine.batches import EpochBatches, build_batches
from gantool.engine.measurement import Measurement
from gantool.engine.runtime import Runtime
from gantool.engine.task import Batch, Player
from gantool.errors import ModelError, SettingsError, closest, counted
from gantool.losses.segmentation import SegmentationLoss
from gantool.methods.base import Split
from gantool.methods.images import LabelledSplit
from gantool.methods.segmentation.data import LabelledData, build_labelled_data, class_frequencies, preview_labelled
from gantool.methods.segmentation.settings import SegmentationSettings
from gantool.methods.segmentation.task import Segmentation
from gantool.metrics.segmentation import Confusion, Scores
from gantool.models.encoder_weights import find_imagenet_weights, load_encoder_weights
from gantool.models.files import load_segmenter, read_card
from gantool.nets.segmenter_table import SEGMENTERS
from gantool.nets.segmenters import Segmenter, build_segmenter
from gantool.predict.labels import LabelPredictor
from gantool.predict.live import LiveRunner
from gantool.report.confusion import ConfusionMatrix
from gantool.report.gallery import Gallery

__all__ = ["SegmentationMethod"]


class SegmentationMethod:
    """One network that labels every pixel; see `gantool.methods.base.Method`."""

    def __init__(self, settings: SegmentationSettings, model: str, *, fresh: bool) -> None:
        self.settings, self.model = settings, model or settings.model.architecture
        self._check()
        self._weights = self._find_encoder_weights() if fresh else None
        self.data = build_labelled_data(settings)
        self.about = self.data.about
        self.held_out: Sequence[str] = self.data.held_out
        self.files: Sequence[Path] = self.data.files
        self.facts: Mapping[str, Any] = {"classes": list(self.data.classes)}
        self.hint = ""
        self._class_weights()  # says early what is wrong with them

    def _check(self) -> None:
        settings, model = self.settings, self.settings.model
        if model.architecture not in SEGMENTERS:
            raise SettingsError(
                f'model.architecture: there is no "{model.architecture}".', closest(model.architecture, SEGMENTERS)
            )
        if model.encoder is None and (model.freeze_encoder or settings.optimizer.encoder_lr):
            raise SettingsError("model.freeze_encoder and optimizer.encoder_lr: the classic U-Net has no encoder.")
        if model.encoder is None and model.encoder_depth is not None:
            raise SettingsError("model.encoder_depth: the classic U-Net has no encoder.", "Set model.depth.")
        per_rank = settings.train.batch_size // settings.runtime.devices
        if SEGMENTERS[model.architecture].pooled and per_rank < 2:
            raise SettingsError(
                f"train.batch_size: {model.architecture} needs at least 2 images per device, got {per_rank}."
            )
        probe = build_segmenter(**self._options(1))
        if settings.data.size % probe.multiple_of:
            low = max(settings.data.size // probe.multiple_of, 1) * probe.multiple_of
            raise SettingsError(
                f"data.size: must be a multiple of {probe.multiple_of} for {self.model}, got {settings.data.size}.",
                f"Use {low} or {low + probe.multiple_of}.",
            )
        if settings.data.size < probe.smallest:
            raise SettingsError(
                f"data.size: must be at least {probe.smallest} for {self.model}, got {settings.data.size}."
            )

    def _options(self, classes: int) -> dict[str, Any]:
        model = self.settings.model
        options: dict[str, Any] = {"architecture": model.architecture, "classes": classes, "encoder": model.encoder}
        if model.encoder is None:
            return {**options, "width": model.width, "depth": model.depth}
        options |= {"output_stride": model.output_stride, "decoder_width": model.decoder_width}
        return options if model.encoder_depth is None else {**options, "encoder_depth": model.encoder_depth}

    def _find_encoder_weights(self) -> Path | None:
        model = self.settings.model
        if model.encoder_weights == "none":
            return None
        if model.encoder is None:
            raise SettingsError(
                f"--encoder-weights {model.encoder_weights}: the classic U-Net has no encoder.",
                "Take one that has, such as unet-resnet34.",
            )
        if model.encoder_weights == "imagenet":
            return find_imagenet_weights(self.model, model.encoder)
        path = Path(model.encoder_weights)
        if not path.is_file():
            raise ModelError(
                f"--encoder-weights {path}: there is no such file.", "Expected imagenet, none or a file."
            )
        return path

    def task(self, runtime: Runtime, *, fresh: bool) -> Segmentation:
        settings, model, data = self.settings, self.settings.model, self.data
        torch.manual_seed(settings.train.seed)
        options = self._options(1 if model.mode == "binary" else len(data.classes))
        net = build_segmenter(**options)
        if fresh and self._weights is not None and net.encoder is not None:
            load_encoder_weights(net.encoder, self._weights)
        if model.freeze_encoder and net.encoder is not None:
            net.encoder.requires_grad_(False)
        runtime.place([net], channels_last=settings.channels_last(runtime.device.type, runtime.precision))
        torch.manual_seed(settings.train.seed + 1 + runtime.rank)
        card = Card(
            task="segmentation",
            classes=tuple(LabelClass(name=n, color=c) for n, c in zip(data.classes, data.colors, strict=True)),
            mode=model.mode,
            architecture=Architecture(name=options.pop("architecture"), options=options),
            multiple_of=net.multiple_of,
            smallest=net.smallest,
            size=settings.data.size,
            load_size=data.preparation.load_size,
            norm="batch",
        )
        loss = settings.loss
        objective = SegmentationLoss(
            model.mode, dict(loss.terms), self._class_weights_on(runtime), loss.label_smoothing, loss.focal_gamma,
            loss.tversky_alpha, loss.tversky_gamma,
        )  # fmt: skip
        player = Player("segmenter", {"segment": net}, _optimizer(settings, net, runtime))
        frozen = [net.encoder] if model.freeze_encoder and net.encoder is not None else []
        return Segmentation(card, player, objective, frozen=frozen)

    def _class_weights_on(self, runtime: Runtime) -> torch.Tensor | None:
        weights = self._class_weights()
        return None if weights is None else torch.tensor(weights, dtype=torch.float32, device=runtime.device)

    def _class_weights(self) -> list[float] | None:
        """Weights in the order of the classes.

        ``auto`` is ``1 / ln(1.02 + frequency)`` (Paszke et al., "ENet", 2016), scaled to a mean of 1 over the pixels.
        """
        given, names = self.settings.loss.class_weights, self.data.classes
        if given is None:
            return None
        if given == "auto":
            frequencies = class_frequencies(self.data)
            weights = 1 / np.log(1.02 + frequencies)
            return [float(value) for value in weights / (weights * frequencies).sum()]
        assert not isinstance(given, str)
        unknown = next((name for name in given if name not in names), None)
        if unknown is not None:
            raise SettingsError(f'loss.class_weights: there is no class "{unknown}".', closest(unknown, names))
        return [float(given.get(name, 1.0)) for name in names]

    def batches(self, runtime: Runtime) -> EpochBatches:
        seed, counts = self.settings.train.seed, self.data.counts
        order: Order = shuffled
        if self.settings.data.by_shards:
            order = by_shards([self.data.train.name(n) for n in range(len(self.data.train))])
        dataset = LabelledDataset(self.data.train, self.data.preparation, seed=seed, counts=counts, order=order)
        return build_batches(dataset, len(dataset), self.settings, runtime)

    def preview(self) -> Batch:
        return preview_labelled(self.settings, self.data)

    def images(self, split: str) -> LabelledSplit:
        chosen = {"train": self.data.train, "val": self.data.validation, "test": self.data.test}[split]
        where = "built-in sample" if self.settings.data.is_sample else self.settings.data.path
        return LabelledSplit(f"{where}, {split} ({counted(len(chosen), 'image')})", chosen, self.data.classes)

    def measure(self, nets: Mapping[str, nn.Module], split: Split, runtime: Runtime) -> Measurement:
        """One confusion matrix over all images, each at the size of its own mask."""
        net = nets["segment"]
        assert isinstance(net, Segmenter)
        runner = LiveRunner(
            net,
            multiple_of=net.multiple_of,
            smallest=net.smallest,
            device=runtime.device,
            precision=runtime.precision,
        )
        predictor = LabelPredictor(runner, self.settings.model.mode, load_size=self.data.preparation.load_size)
        gallery = Gallery("accuracy", higher_is_better=True)
        images = self.data.test if split == "test" else self.data.validation
        found = _confusion(predictor, images, self.data, gallery)
        values = _flat(found.scores())
        matrix = ConfusionMatrix(self.data.classes, self.data.colors, found.counts)
        return Measurement(values, 1 - values["mean_iou"], gallery=gallery, confusion=matrix)

    def delivered(self, nets: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        return dict(nets)

    def load_weights(self, path: Path, nets: Mapping[str, nn.Module]) -> None:
        """Fill the whole network; of its last layer, where classes differ, those that have a name of there."""
        card = read_card(path)
        theirs = load_segmenter(path, card)
        weights, wanted = theirs.state_dict(), nets["segment"].state_dict()
        names = [one.name for one in card.classes]
        renamed = names != list(self.data.classes)
        other = [
            key
            for key in wanted
            if key not in weights or weights[key].shape != wanted[key].shape or (renamed and _is_head(key))
        ]
        if set(weights) != set(wanted) or not all(_is_head(key) for key in other):
            raise ModelError(
                f"--init-from {path}: is another network than {self.model}.",
                "Name the same architecture, encoder and widths, or --init-from none.",
            )
        groups = theirs.groups or tuple((n,) for n in range(len(names)))
        known = {n: groups[names.index(name)] for n, name in enumerate(self.data.classes) if name in names}
        for key in wanted:
            if key not in other:
                wanted[key] = weights[key]
            elif len(weights[key]) == sum(map(len, groups)) and len(wanted[key]) == len(self.data.classes):
                wanted[key] = _with_rows(wanted[key], weights[key], known)
        nets["segment"].load_state_dict(wanted)


def _is_head(key: str) -> bool:
    return "head" in key


def _with_rows(values: torch.Tensor, others: torch.Tensor, known: Mapping[int, Sequence[int]]) -> torch.Tensor:
    """Replace rows by those of another tensor, the mean where they are several, if the rows are of one size."""
    if values.shape[1:] != others.shape[1:]:
        return values
    out = values.clone()
    for row, theirs in known.items():
        out[row] = others[list(theirs)].mean(0)
    return out


def _confusion(predictor: LabelPredictor, images: LabelledImages, data: LabelledData, gallery: Gallery) -> Confusion:
    """One confusion matrix over all images; the gallery has them by the fraction of right pixels."""
    confusion = Confusion(data.classes)
    for n in range(len(images)):
        pixels, mask = images[n]
        found = predictor(pixels).mask
        confusion.add(mask, found)
        labelled = mask != IGNORE
        if labelled.any():
            accuracy = float((found == mask)[labelled].mean())
            gallery.add(images.name(n), accuracy, _in_colors(pixels, found, mask, data.colors))
    return confusion


def _in_colors(pixels: Pixels, found: Mask, truth: Mask, colors: Sequence[Color]) -> dict[str, Pixels]:
    table = color_table(colors)
    return {"image": pixels, "prediction": table[found], "truth": table[truth]}


def _flat(scores: Scores) -> dict[str, float]:
    """Overall values, and ``iou/CLASS`` for the classes that are there."""
    per_class = {f"iou/{name}": value for name, value in zip(scores.names, scores.iou, strict=True)}
    return {name: value for name, value in (scores.overall() | per_class).items() if not np.isnan(value)}


def _optimizer(settings: SegmentationSettings, net: Segmenter, runtime: Runtime) -> torch.optim.Optimizer:
    """Four groups: encoder and the rest, each with and without decay (none on biases and norms)."""
    optimizer = settings.optimizer
    inside = {id(parameter) for parameter in net.encoder.parameters()} if net.encoder is not None else set()
    groups = []
    for of_encoder in (True, False):
        for decayed in (True, False):
            chosen = [
                parameter
                for parameter in net.parameters()
                if parameter.requires_grad
                and (id(parameter) in inside) == of_encoder
                and (parameter.ndim > 1) == decayed
            ]
            if chosen:
                lr = optimizer.encoder_lr if of_encoder and optimizer.encoder_lr else optimizer.lr
                decay = optimizer.weight_decay if decayed else 0.0
                groups.append({"params": chosen, "lr": lr, "weight_decay": decay})
    if optimizer.name == "sgd":
        return torch.optim.SGD(groups, lr=optimizer.lr, momentum=optimizer.betas[0])
    kind = torch.optim.AdamW if optimizer.name == "adamw" else torch.optim.Adam
    fused = runtime.device.type in ("cpu", "cuda") and not (optimizer.clip_norm and runtime.precision == "fp16")
    return kind(groups, lr=optimizer.lr, betas=optimizer.betas, fused=fused)
