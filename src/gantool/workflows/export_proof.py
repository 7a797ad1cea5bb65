"""The proof of an export: the file against the model, on images of several sizes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from gantool.arrays import Pixels
from gantool.cards import Card, Direction
from gantool.data.sample import draw_scene
from gantool.errors import MismatchError
from gantool.nets.card_files import open_onnx
from gantool.nets.torch_files import torch_runner

__all__ = [
    "BOUNDS",
    "Check",
    "as_pixels",
    "compare",
    "file_runner",
    "fixed_size",
    "judge",
    "proof_inputs",
    "proof_plan",
    "proof_sizes",
    "run_live",
    "timed",
]


# Largest relative error, and smallest share of pixels with the same class.
BOUNDS = {"fp32": (1e-4, 0.9999), "fp16": (3e-2, 0.99), "int8": (1.0, 0.8)}
_TIMED = 3


@dataclass(frozen=True)
class Check:
    """The file against the model at one size.

    Attributes:
        relative_error: largest difference as a share of the largest value.
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
    side = max(-(-card.size // card.multiple_of) * card.multiple_of, card.smallest)
    return side, side


def proof_sizes(card: Card) -> list[tuple[int, int]]:
    """Three sizes, none of them alike; the first is the exporter's example, at least twice the multiple.

    A dimension of one multiple would be taken for a constant 1.
    """
    multiple = card.multiple_of
    if multiple >= 64:
        return [(2 * multiple, 3 * multiple), (multiple, 2 * multiple), (3 * multiple, 2 * multiple)]
    small = max(-(-64 // multiple) * multiple, card.smallest)
    step = multiple * max(round(12 / multiple), 1)
    large = small + max(-(-320 // multiple), 1) * multiple
    return [(small, small), (small + step, small + 3 * step), (large, large + step)]


def proof_plan(sizes: Sequence[tuple[int, int]], static: bool) -> Iterator[tuple[tuple[int, int], int]]:
    if static:
        yield sizes[0], 1
        return
    # The first is the example of the export; two images keep the exporter from taking 1 for a constant.
    for number, size in enumerate(sizes):
        yield size, 1 if number == 2 else 2
        if number == 0:
            yield size, 1


def proof_inputs(
    card: Card, part: Direction | None, images: Sequence[Pixels], size: tuple[int, int], count: int
) -> NDArray[np.float32]:
    """Images ``(count, C, H, W)`` in [-1, 1]: some of those given, else drawn scenes."""
    height, width = size
    domain = card.domain(_source(card, part)) if part is not None else None
    batch = []
    for n in range(count):
        if images:
            scaled = Image.fromarray(images[n % len(images)]).resize((width, height), Image.Resampling.BICUBIC)
            picture = np.asarray(scaled)
        else:
            scene = draw_scene(n, size=(width, height))
            picture = scene.winter if n % 2 else scene.summer
            if domain is not None and domain.classes:
                colors = np.array([entry.color for entry in domain.classes], np.uint8)
                picture = colors[scene.mask % len(colors)]
        values = picture.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1
        batch.append(values.mean(0, keepdims=True) if domain is not None and domain.channels == 1 else values)
    # Stacked, the planes keep the order in memory that they had; exporters take another order for a constraint.
    return np.ascontiguousarray(np.stack(batch), dtype=np.float32)


def _source(card: Card, part: Direction) -> str:
    known = [domain.name for domain in card.domains]
    return part.source if part.source in known else known[0]


def as_pixels(batch: NDArray[np.float32]) -> Pixels:
    return np.asarray(np.rint((batch.transpose(0, 2, 3, 1) + 1) * 127.5), dtype=np.uint8)


def file_runner(file: Path, format: str) -> Callable[[NDArray[Any]], NDArray[Any]]:
    if format == "onnx":
        session, _ = open_onnx(file, "cpu")
        name = session.get_inputs()[0].name
        return lambda batch: np.asarray(session.run(None, {name: batch})[0])
    return torch_runner(file, format, torch.device("cpu"), trust=True)  # written by this process just now


@torch.no_grad()
def run_live(net: nn.Module, batch: NDArray[Any]) -> NDArray[Any]:
    made: Tensor = net(torch.from_numpy(np.ascontiguousarray(batch)))
    return made.cpu().numpy()


def compare(
    live: nn.Module,
    run: Callable[[NDArray[Any]], NDArray[Any]],
    batch: NDArray[np.float32],
    labels: bool,
    pixels: bool,
) -> Check:
    inputs: NDArray[Any] = as_pixels(batch) if pixels else batch
    count, (height, width) = len(batch), batch.shape[2:]
    expected = run_live(live, inputs)
    try:
        made = run(inputs)
    except Exception as error:  # every runtime has errors of its own
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise MismatchError(
            f"The file does not run with {count} images of {width}x{height} ({first[:160]})."
        ) from None
    if made.shape != expected.shape or not np.isfinite(made.astype(np.float64)).all():
        raise MismatchError(
            f"The file gives the shape {made.shape} for {expected.shape}, or values that are no numbers."
        )
    difference = np.abs(made.astype(np.float64) - expected)
    relative = float(difference.max() / max(np.abs(expected.astype(np.float64)).max(), 1e-12))
    agreement = levels = None
    if labels:
        one, other = (x if pixels else _classes(x) for x in (made, expected))
        agreement = float((one == other).mean())
    else:
        levels = float(difference.mean() * (1 if pixels else 127.5))
    if pixels:
        relative = 0.0 if labels else float(difference.max() / 255)
    return Check(height, width, count, relative, agreement, levels)


def _classes(logits: NDArray[Any]) -> NDArray[Any]:
    return logits.argmax(1) if logits.shape[1] > 1 else logits[:, 0] > 0


def judge(path: Path, checks: Sequence[Check], precision: str, *, pixels: bool = False) -> None:
    """Refuse a file that does something else than the model."""
    error, agreement = BOUNDS[precision]
    for check in checks:
        where = f"{check.width}x{check.height}, {check.batch} image{'s' if check.batch > 1 else ''}"
        if check.agreement is not None and check.agreement < agreement:
            raise MismatchError(
                f"{path}: differs from the model at {where} (the same class at {check.agreement:.2%} of the pixels, "
                f"needed {agreement:.2%}); it was not kept.",
                "Try another --format or --precision, or --static-size.",
            )
        loose = check.agreement is not None and precision != "fp32"
        # Of uint8 pictures one level may differ, where a value lies between two.
        allowed = max(error, 1.01 / 255) if pixels else error
        if not loose and check.relative_error > allowed:
            raise MismatchError(
                f"{path}: differs from the model at {where} (relative error {check.relative_error:.2g}, allowed "
                f"{allowed:.2g}); it was not kept.",
                "Try another --format or --precision, or --static-size.",
            )


def timed(run: Callable[[NDArray[Any]], object], batch: NDArray[Any]) -> float:
    """Seconds for the first image, the median of a few runs."""
    one = batch[:1]
    try:
        run(one)
    except Exception:  # a file for uint8 images; its time says the same
        one = as_pixels(one)
        run(one)
    times = []
    for _ in range(_TIMED):
        started = time.perf_counter()
        run(one)
        times.append(time.perf_counter() - started)
    return sorted(times)[len(times) // 2]
