"""How the built-in model does on test photographs: SWD, KID of a segmenter's features, and kept structure.

    python benchmarks/seasons.py data/yosemite --features runs/unet-resnet18-1/model.safetensors

SWD and KID compare translated photographs with real ones of the target season, and the untranslated ones with the
same. KID takes the mean of the last stage of a segmenter's encoder as features, because both sides share them and no
download is needed. Structure is the SSIM of the gradient of luminance before and after.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gantool.data.images import find_images, read_pixels
from gantool.metrics.distribution import FeatureSet
from gantool.metrics.inception import content_key
from gantool.metrics.perceptual import ssim
from gantool.metrics.sliced import PatchSet, sliced_distance
from gantool.nets.card_files import read_card
from gantool.nets.model_file import load_segmenter
from gantool.workflows.translate import load_translator

Pixels = NDArray[np.uint8]


class Judge:
    """Patches and features of a set of images."""

    def __init__(self, encoder: nn.Module | None) -> None:
        self.patches, self.features, self.encoder = PatchSet(256), FeatureSet(), encoder

    def add(self, pixels: Pixels) -> None:
        self.patches.add(pixels)
        if self.encoder is not None:
            values = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
            with torch.no_grad():
                last = self.encoder(values)[-1].mean(dim=(2, 3))
            self.features.add(last.numpy(), np.array([content_key(pixels)]))


def some(paths: Sequence[Path], count: int | None) -> list[Path]:
    kept = min(count or len(paths), len(paths))
    return [paths[n * len(paths) // kept] for n in range(kept)]


def edges(pixels: Pixels) -> Pixels:
    light = pixels.astype(np.float64) @ (0.299, 0.587, 0.114)
    across, down = np.gradient(light)
    return np.clip(2 * np.hypot(across, down), 0, 255).astype(np.uint8)[:, :, None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="seasons")
    parser.add_argument("--features", type=Path)
    parser.add_argument("--count", type=int, help="at most so many images of each season, evenly spread")
    arguments = parser.parse_args()
    encoder = None
    if arguments.features is not None:
        encoder = load_segmenter(arguments.features, read_card(arguments.features)).encoder
    test = {name: some(find_images(arguments.data / "test" / name), arguments.count) for name in ("summer", "winter")}
    for source, target in (("summer", "winter"), ("winter", "summer")):
        translator = load_translator(target, model=arguments.model)
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
        print(f"{source} to {target}")
        for name, judge in (("translated", made), ("untranslated", plain)):
            swd = sliced_distance(real.patches, judge.patches).overall
            print(f"  SWD {name:13} {swd.value:.4f} ({swd.low:.4f} to {swd.high:.4f})")
            if encoder is not None:
                kid = judge.features.kernel(real.features)
                print(f"  KID {name:13} {kid.value:.5f} ({kid.low:.5f} to {kid.high:.5f})")
        print(f"  SSIM of edges {np.mean(kept):.3f}")


if __name__ == "__main__":
    main()
