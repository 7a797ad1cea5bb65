"""The proof of an export: the file against the model, on images of several sizes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from gantool.arrays import Floats, Pixels, color_table, resized, to_levels, to_values
from gantool.cards import Card, Domain
from gantool.data.sample import draw_scene
from gantool.errors import MismatchError, counted
from gantool.models.files import format_of
from gantool.models.formats.onnx_file import open_onnx
from gantool.models.formats.torch_archive import torch_runner
from gantool.predict.runner import SMALLEST_SIDE

__all__ = ["PRECISIONS", "Check", "Examples", "Proof", "file_runner", "fixed_size", "live_runner", "proof_plan"]

Runner = Callable[[NDArray[Any]], NDArray[Any]]

# Largest relative error, and smallest share of pixels with the same class.
_BOUNDS = {"fp32": (1e-4, 0.9999), "fp16": (3e-2, 0.99), "int8": (1.0, 0.8)}
PRECISIONS = tuple(_BOUNDS)
_TIMED = 3


@dataclass(frozen=True)
class Check:
    """The file against the model at one size.

    Attributes:
        relative_error: largest difference as a fraction of the largest value.
        agreement: share of pixels with the same class; None for pictures.
        levels: mean difference of pictures in levels of 255; None for logits.
    """

    height: int
    width: int
    batch: int
    relative_error: float
    agreement: float | None
    levels: float | None


def fixed_size(card: Card) -> tuple[int, int]:
    """The size that a file of one size takes: that of the training's crops."""
    side = max(-(-card.size // card.multiple_of) * card.multiple_of, card.smallest)
    return side, side


def proof_plan(card: Card, static: tuple[int, int] | None) -> list[tuple[tuple[int, int], int]]:
    """Sizes ``(height, width)`` and how many images of each; the first is the exporter's example."""
    if static is not None:
        return [(static, 1)]
    first, low, narrow, large = _free_sizes(card)
    # Two images keep the exporter from taking 1 for a constant.
    return [(first, 2), (low, 1), (narrow, 2), (large, 1)]


def _free_sizes(card: Card) -> tuple[tuple[int, int], ...]:
    """None of them alike; the first is twice the multiple or more, as one would be taken for a constant 1.

    The next two have the least height and the least width that pictures are padded to.
    """
    multiple = card.multiple_of
    least = -(-max(card.smallest, SMALLEST_SIDE) // multiple) * multiple
    if multiple >= 64:
        double, triple = 2 * multiple, 3 * multiple
        return (double, triple), (least, double), (double, least), (triple, double)
    small = max(-(-64 // multiple) * multiple, card.smallest)
    step = multiple * max(round(12 / multiple), 1)
    large = small + max(-(-320 // multiple), 1) * multiple
    return (small, small), (least, small + 3 * step), (small + step, least), (large, large + step)


@dataclass(frozen=True)
class Examples:
    """Inputs of a network: photos of the user, or else drawn scenes.

    Attributes:
        domain: what the network takes; None for a segmenter.
    """

    domain: Domain | None
    photos: Sequence[Pixels] = ()

    def batch(self, size: tuple[int, int], count: int, *, first: int = 0) -> Floats:
        """``(count, C, H, W)`` in [-1, 1], beginning with image number ``first``."""
        height, width = size
        one = [self._values(first + n, width, height) for n in range(count)]
        # Stacked, the planes keep the order in memory that they had; exporters take another order for a constraint.
        return np.ascontiguousarray(np.stack(one), dtype=np.float32)

    def _values(self, number: int, width: int, height: int) -> Floats:
        if self.photos:
            picture = resized(self.photos[number % len(self.photos)], (width, height), Image.Resampling.BICUBIC)
        else:
            scene = draw_scene(number, size=(width, height))
            picture = scene.winter if number % 2 else scene.summer
            if self.domain is not None and self.domain.classes:
                colors = [entry.color for entry in self.domain.classes]
                picture = color_table(colors)[scene.mask % len(colors)]
        values = to_values(picture.transpose(2, 0, 1))
        gray = self.domain is not None and self.domain.channels == 1
        return np.asarray(values.mean(0, keepdims=True) if gray else values, dtype=np.float32)


def live_runner(net: nn.Module) -> Runner:
    """The function of a network."""

    @torch.no_grad()
    def run(batch: NDArray[Any]) -> NDArray[Any]:
        made: Tensor = net(torch.from_numpy(np.ascontiguousarray(batch)))
        return made.cpu().numpy()

    return run


def file_runner(file: Path, card: Card) -> Runner:
    """The function of an exported file, or of weights that are read back."""
    format = format_of(file)
    if format.load is not None:
        return live_runner(format.load(file, card, card.directions[0]).eval())
    if format.name == "onnx":
        session, _ = open_onnx(file, "cpu")
        name = session.get_inputs()[0].name
        return lambda batch: np.asarray(session.run(None, {name: batch})[0])
    return torch_runner(file, format.name, torch.device("cpu"), trust=True)  # written by this process just now


@dataclass(frozen=True)
class Proof:
    """How a file is held against its model.

    Attributes:
        labels: whether outputs are classes.
        pixels: whether the file takes and gives uint8.
    """

    labels: bool
    pixels: bool = False
    precision: str = "fp32"

    def inputs(self, batch: Floats) -> NDArray[Any]:
        """``(N, C, H, W)`` in [-1, 1] as the file takes it."""
        return to_levels(batch.transpose(0, 2, 3, 1)) if self.pixels else batch

    def compare(self, model: Runner, file: Runner, batch: Floats) -> Check:
        """Run both.

        Raises:
            MismatchError: the file does not run, or gives something of another kind.
        """
        inputs = self.inputs(batch)
        count, (height, width) = len(batch), batch.shape[2:]
        expected = model(inputs)
        try:
            made = file(inputs)
        except Exception as error:  # every runtime has errors of its own
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise MismatchError(
                f"The file does not run with {count} images of {width}x{height} ({first[:160]})."
            ) from None
        if made.shape != expected.shape or not np.isfinite(made.astype(np.float64)).all():
            raise MismatchError(
                f"The file gives the shape {made.shape} for {expected.shape}, or values that are no numbers."
            )
        return Check(height, width, count, *self._differences(made.astype(np.float64), expected.astype(np.float64)))

    def _differences(
        self, made: NDArray[np.float64], expected: NDArray[np.float64]
    ) -> tuple[float, float | None, float | None]:
        difference = np.abs(made - expected)
        largest = 255.0 if self.pixels else max(np.abs(expected).max(), 1e-12)
        if not self.labels:
            return float(difference.max() / largest), None, float(difference.mean() * (1 if self.pixels else 127.5))
        if self.pixels:
            return 0.0, float((made == expected).mean()), None
        return float(difference.max() / largest), float((_classes(made) == _classes(expected)).mean()), None

    def require_agreement(self, path: Path, checks: Sequence[Check]) -> None:
        """Refuse a file that does something else than the model.

        Raises:
            MismatchError: it does.
        """
        error, agreement = _BOUNDS[self.precision]
        # Of uint8 pictures one level may differ, where a value lies between two.
        allowed = max(error, 1.01 / 255) if self.pixels else error
        for check in checks:
            problem = ""
            if check.agreement is not None and check.agreement < agreement:
                problem = f"the same class at {check.agreement:.2%} of the pixels, needed {agreement:.2%}"
            elif (check.agreement is None or self.precision == "fp32") and check.relative_error > allowed:
                problem = f"relative error {check.relative_error:.2g}, allowed {allowed:.2g}"
            if problem:
                raise MismatchError(
                    f"{path}: differs from the model at {check.width}x{check.height}, "
                    f"{counted(check.batch, 'image')} ({problem}); "
                    "it was not kept.",
                    "Try another --format or --precision, or --static-size.",
                )

    def timed(self, run: Runner, batch: Floats) -> float:
        """Milliseconds for the first image, the median of a few runs."""
        one = self.inputs(batch[:1])
        run(one)
        times = []
        for _ in range(_TIMED):
            started = time.perf_counter()
            run(one)
            times.append(time.perf_counter() - started)
        return round(1000 * sorted(times)[len(times) // 2], 2)


def _classes(logits: NDArray[Any]) -> NDArray[Any]:
    return logits.argmax(1) if logits.shape[1] > 1 else logits[:, 0] > 0
