"""PSNR, SSIM, MS-SSIM and LPIPS of an image and its truth, by torchmetrics.

SSIM, and its parts on several scales, as Wang et al. 2004 define it: Gaussian window with sigma 1.5, no sample
covariance, mean over the places where the window is inside the image. LPIPS (Zhang et al. 2018,
https://arxiv.org/abs/1801.03924) with AlexNet.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from gantool.arrays import Pixels
from gantool.errors import GantoolError, ModelError
from gantool.fetch.download import download, why_not

__all__ = ["Lpips", "ms_ssim", "psnr", "ssim"]


_WINDOW = 11  # of SSIM
_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # weights of the scales, the finest first
_ALEXNET = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"


def _tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].double()


def psnr(image: Pixels, truth: Pixels) -> float:
    """Peak signal to noise ratio in dB; infinite for equal images."""
    if np.array_equal(image, truth):
        return float("inf")
    return float(peak_signal_noise_ratio(_tensor(image), _tensor(truth), data_range=(0.0, 255.0)))


def ssim(image: Pixels, truth: Pixels) -> float:
    """Structural similarity in [-1, 1], mean over channels; both ``(H, W, C)`` uint8 with sides of at least 11."""
    return _similarity(_tensor(image), _tensor(truth))


def ms_ssim(image: Pixels, truth: Pixels) -> float:
    """Multi-scale structural similarity (Wang et al. 2003) with five scales, in [0, 1]; sides of at least 176.

    The product of contrast and structure on every scale and of the luminance on the coarsest.
    """
    made, wanted = _tensor(image), _tensor(truth)
    product = 1.0
    for weight in _SCALES[:-1]:
        product *= max(_contrast(made, wanted), 0.0) ** weight
        made, wanted = avg_pool2d(made, 2), avg_pool2d(wanted, 2)
    return float(product * max(_similarity(made, wanted), 0.0) ** _SCALES[-1])


def _similarity(image: Tensor, truth: Tensor) -> float:
    _, places = structural_similarity_index_measure(
        image, truth, sigma=1.5, kernel_size=_WINDOW, data_range=255.0, return_full_image=True
    )
    # torchmetrics also averages over the border, where the window sees reflected pixels; the definition does not.
    border = _WINDOW // 2
    return float(places[..., border : places.shape[-2] - border, border : places.shape[-1] - border].mean())


def _contrast(image: Tensor, truth: Tensor) -> float:
    """Contrast and structure alone; these torchmetrics averages where the window is inside the image."""
    _, contrast = structural_similarity_index_measure(
        image, truth, sigma=1.5, kernel_size=_WINDOW, data_range=255.0, return_contrast_sensitivity=True
    )
    return float(contrast.mean())


class Lpips:
    """Learned perceptual distance with AlexNet; 0 for equal images.

    Raises:
        ModelError: AlexNet's ImageNet weights are neither in torch's cache nor to be had; says what to do.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        target = Path(torch.hub.get_dir()) / "checkpoints" / _ALEXNET.rsplit("/", 1)[1]
        try:
            download(_ALEXNET, target)
        except GantoolError as error:
            raise ModelError(
                f"AlexNet's weights are not in the cache and cannot be downloaded ({why_not(error)})",
                f"Get {_ALEXNET} in another way and put it at {target}.",
            ) from None
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        self.device = torch.device(device)
        self._measure = LearnedPerceptualImagePatchSimilarity(net_type="alex").to(self.device)

    @torch.no_grad()
    def __call__(self, image: Pixels, truth: Pixels) -> float:
        """Distance of two ``(H, W, C)`` uint8 images with sides of at least 32."""
        pair = [
            _tensor(np.repeat(one, 3, axis=2) if one.shape[2] == 1 else one).float().div_(127.5).sub_(1)
            for one in (image, truth)
        ]
        value = self._measure(*(one.to(self.device) for one in pair))
        self._measure.reset()
        return float(value)
