"""Inception features as FID and KID take them.

The network is the Inception of 2015 whose TensorFlow file Heusel et al. 2017 used. It differs from torchvision's in
three places: average pooling does not count the border, the last block pools by maximum, and there are 1008 classes.
The names of its weights are those of ``pt_inception-2015-12-05-6726825d.pth`` (from pytorch-fid), which most FID
programs use.

How images come to its 299x299 pixels moves FID by several points (Parmar et al. 2022,
https://arxiv.org/abs/2104.11222): ``clean`` is their antialiased bicubic filter in floating point, ``legacy`` is
bilinear without antialiasing, as in pytorch-fid. A number without the mode means nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision.models import inception as blocks

from gantool.arrays import Pixels
from gantool.errors import GantoolError, ModelError
from gantool.fetch.cache import cache_folder
from gantool.fetch.download import download, why_not
from gantool.fetch.weights import read_weights

__all__ = ["Inception", "InceptionFeatures", "Resize", "content_key", "find_inception_weights", "load_inception"]

Resize = Literal["clean", "legacy"]

URL = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
FILE_NAME = URL.rsplit("/", 1)[1]
_DIGEST_START = "6726825d"  # the file's name ends with the start of its SHA-256
_SIDE = 299


def _average(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class _BlockA(blocks.InceptionA):  # type: ignore[misc]
    def _forward(self, x: Tensor) -> list[Tensor]:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return [self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)), double, self.branch_pool(_average(x))]


class _BlockC(blocks.InceptionC):  # type: ignore[misc]
    def _forward(self, x: Tensor) -> list[Tensor]:
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_1(x)
        for layer in (self.branch7x7dbl_2, self.branch7x7dbl_3, self.branch7x7dbl_4, self.branch7x7dbl_5):
            double = layer(double)
        return [self.branch1x1(x), single, double, self.branch_pool(_average(x))]


class _BlockE(blocks.InceptionE):  # type: ignore[misc]
    def __init__(self, in_channels: int, *, largest: bool) -> None:
        super().__init__(in_channels)
        self.largest = largest

    def _forward(self, x: Tensor) -> list[Tensor]:
        single = self.branch3x3_1(x)
        single = torch.cat([self.branch3x3_2a(single), self.branch3x3_2b(single)], 1)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        double = torch.cat([self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)], 1)
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.largest else _average(x)
        return [self.branch1x1(x), single, double, self.branch_pool(pooled)]


class Inception(nn.Module):
    """Map ``(N, 3, 299, 299)`` in [-1, 1] to pool features ``(N, 2048)``."""

    def __init__(self) -> None:
        super().__init__()
        conv = blocks.BasicConv2d
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.Mixed_5b = _BlockA(192, pool_features=32)
        self.Mixed_5c = _BlockA(256, pool_features=64)
        self.Mixed_5d = _BlockA(288, pool_features=64)
        self.Mixed_6a = blocks.InceptionB(288)
        self.Mixed_6b = _BlockC(768, channels_7x7=128)
        self.Mixed_6c = _BlockC(768, channels_7x7=160)
        self.Mixed_6d = _BlockC(768, channels_7x7=160)
        self.Mixed_6e = _BlockC(768, channels_7x7=192)
        self.Mixed_7a = blocks.InceptionD(768)
        self.Mixed_7b = _BlockE(1280, largest=False)
        self.Mixed_7c = _BlockE(2048, largest=True)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x: Tensor) -> Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = F.max_pool2d(x, 3, stride=2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = F.max_pool2d(x, 3, stride=2)
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                x = block(x)
        return x.mean(dim=(2, 3))


class InceptionFeatures:
    """Pool features of uint8 images."""

    def __init__(self, net: Inception, resize: Resize = "clean", device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.net = net.eval().to(self.device)
        self.resize = resize

    @torch.no_grad()
    def __call__(self, images: Sequence[Pixels]) -> NDArray[np.float64]:
        """``(H, W, C)`` uint8 images of any sizes to ``(N, 2048)``."""
        prepare = _clean if self.resize == "clean" else _legacy
        batch = torch.stack([prepare(pixels) for pixels in images])
        return self.net(batch.to(self.device)).double().cpu().numpy()  # type: ignore[no-any-return]


def content_key(pixels: Pixels) -> float:
    """A number in [0, 1) that depends on the image alone."""
    return int.from_bytes(hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).digest()[:6], "big") / 2**48


def _color(pixels: Pixels) -> Pixels:
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def _clean(pixels: Pixels) -> Tensor:
    planes = []
    for channel in range(3):
        plane = Image.fromarray(_color(pixels)[:, :, channel].astype(np.float32))
        planes.append(np.asarray(plane.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)))
    return (torch.from_numpy(np.stack(planes)) - 128) / 128


def _legacy(pixels: Pixels) -> Tensor:
    image = torch.from_numpy(np.array(_color(pixels))).permute(2, 0, 1)[None].float() / 255
    return (2 * F.interpolate(image, (_SIDE, _SIDE), mode="bilinear", align_corners=False) - 1)[0]


def find_inception_weights(given: Path | None = None) -> Path:
    """The file of weights: the one given, the one in the cache, or a download.

    Raises:
        ModelError: none is to be had; says where to get it and where to put it.
    """
    if given is not None:
        if not given.is_file():
            raise ModelError(f"--inception-weights {given}: there is no such file.")
        return given
    target = cache_folder() / "weights" / FILE_NAME
    try:
        return download(URL, target, sha256=_DIGEST_START)
    except GantoolError as error:
        raise ModelError(
            f"the Inception weights are not in the cache and cannot be downloaded ({why_not(error)})",
            f"Get {URL} in another way and name it: --inception-weights FILE, or put it at {target}.",
        ) from None


def load_inception(path: Path) -> Inception:
    """Load the network; nothing in the file is executed.

    Raises:
        ModelError: not readable as data alone, or other weights.
    """
    where = f"--inception-weights {path}"
    state = read_weights(path, where=where)
    net = Inception()
    wanted = net.state_dict()
    have = {key: value for key, value in state.items() if key in wanted}
    wrong = [
        key
        for key, value in wanted.items()
        if not key.endswith("num_batches_tracked") and (key not in have or have[key].shape != value.shape)
    ]
    if wrong:
        raise ModelError(
            f"{where}: are not the weights of FID's Inception ({wrong[0]} is missing or has another shape).",
            f"The right file is {FILE_NAME}; torchvision's own Inception gives other numbers.",
        )
    net.load_state_dict({**wanted, **have})
    return net.eval()
