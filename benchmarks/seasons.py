"""How the built-in model does on test photographs: SWD, KID of a segmenter's features, and kept structure.

    python benchmarks/seasons.py data/yosemite [--features runs/unet-resnet18-1/model.safetensors] [--json FILE]

SWD and KID compare translated photographs with real ones of the target season, and the untranslated ones with the
same. How much closer the translated ones are gets an interval of its own: in every resampling of the photographs
both distances are of the same ones. KID takes the mean of the last stage of a segmenter's encoder as features,
because both sides share them and no download is needed. Structure is the SSIM of the gradient of luminance before
and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from measured import Row, argument_parser, finish
from numpy.typing import NDArray
from torch import nn

from gantool.arrays import Pixels
from gantool.data.images import find_images, read_pixels
from gantool.metrics.distribution import kernel_distance
from gantool.metrics.estimates import Estimate
from gantool.metrics.perceptual import ssim
from gantool.metrics.sliced import PatchSet, sliced_distance
from gantool.models.files import load_segmenter, read_card
from gantool.workflows.translate import TranslateOptions, load_translator


class Judge:
    """Patches and features of a set of images."""

    def __init__(self, encoder: nn.Module | None) -> None:
        self.patches, self.encoder = PatchSet(256), encoder
        self.features: list[NDArray[np.float32]] = []

    def add(self, pixels: Pixels) -> None:
        self.patches.add(pixels)
        if self.encoder is not None:
            values = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
            with torch.no_grad():
                last = self.encoder(values)[-1].mean(dim=(2, 3))
            self.features.append(last.numpy()[0])


def some(paths: Sequence[Path], count: int | None) -> list[Path]:
    kept = min(count or len(paths), len(paths))
    return [paths[n * len(paths) // kept] for n in range(kept)]


def edges(pixels: Pixels) -> Pixels:
    light = pixels.astype(np.float64) @ (0.299, 0.587, 0.114)
    across, down = np.gradient(light)
    return np.clip(2 * np.hypot(across, down), 0, 255).astype(np.uint8)[:, :, None]


def kernel_distances(real: Judge, others: Sequence[Judge], count: int = 100) -> list[Estimate]:
    """KID of each to the real ones; intervals from halves of the images, the same halves for all.

    Halves, drawn without replacement, vary around the whole as the whole varies.
    """
    target, features = np.array(real.features), [np.array(other.features) for other in others]
    rng = np.random.default_rng(0)
    size = min(len(target), len(features[0])) // 2
    halves = [[rng.choice(len(one), size, False) for one in (features[0], target)] for _ in range(count)]
    return [
        Estimate.around(kernel_distance(one, target), [kernel_distance(one[a], target[b]) for a, b in halves])
        for one in features
    ]


def rows_of(where: str, name: str, made: Estimate, plain: Estimate) -> list[Row]:
    """Both distances, and by how much the translated photographs are closer, with its interval."""
    closer, base = plain.minus(made), f"{where}: {name} of the untranslated"
    note = f"closer by {closer.value:.4f} ({closer.low:.4f} to {closer.high:.4f})"
    noise = (made.high - made.low) / 2 / made.value
    return [
        Row(base, plain.value, name),
        Row(f"{where}: {name} of the translated", made.value, name, made.value / plain.value, base, noise, note),
    ]


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="seasons")
    parser.add_argument("--features", type=Path)
    parser.add_argument("--count", type=int, help="at most so many images of each season, evenly spread")
    arguments = parser.parse_args()
    rows: list[Row] = []
    encoder = None
    if arguments.features is not None:
        encoder = load_segmenter(arguments.features, read_card(arguments.features)).encoder
    test = {name: some(find_images(arguments.data / "test" / name), arguments.count) for name in ("summer", "winter")}
    for source, target in (("summer", "winter"), ("winter", "summer")):
        translator = load_translator(TranslateOptions(target, arguments.model))
        real, made, plain = Judge(encoder), Judge(encoder), Judge(encoder)
        kept = []
        for path in test[target]:
            real.add(read_pixels(path))
        for path in test[source]:
            pixels = read_pixels(path)
            result = translator(pixels)
            made.add(result)
            plain.add(pixels)
            kept.append(ssim(edges(result), edges(pixels)))
        where = f"{source} to {target}"
        patches = (sliced_distance(real.patches, judge.patches).overall for judge in (made, plain))
        rows += rows_of(where, "SWD", *patches)
        if encoder is not None:
            rows += rows_of(where, "KID", *kernel_distances(real, (made, plain)))
        rows.append(Row(f"{where}: structure kept in edges", float(np.mean(kept)), "SSIM"))
    finish(rows, arguments.json)


if __name__ == "__main__":
    main()
