"""A buffer of earlier fakes for the discriminator.

Shrivastava et al. 2017 (https://arxiv.org/abs/1612.07828), section 2.3; the CycleGAN paper keeps 50 images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["ImagePool"]


class ImagePool:
    """Half of the time, once it is full, hands out an old image and keeps the new one in its place.

    Its random numbers are its own, so that everything that decides its behavior is in its state.

    Args:
        size: how many images it holds; 0 hands every image straight through.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self._images: list[Tensor] = []
        self._random = torch.Generator().manual_seed(seed)

    def exchange(self, images: Tensor) -> Tensor:
        """Return ``images`` ``(N, C, H, W)`` or older ones in their places, detached."""
        images = images.detach()
        if self.size == 0:
            return images
        out = []
        for image in images:
            if len(self._images) < self.size:
                self._images.append(image.clone())
                out.append(image)
            elif torch.rand((), generator=self._random) < 0.5:
                place = int(torch.randint(self.size, (), generator=self._random))
                out.append(self._images[place])
                self._images[place] = image.clone()
            else:
                out.append(image)
        return torch.stack(out)

    def state_dict(self) -> dict[str, Any]:
        return {"images": list(self._images), "random": self._random.get_state()}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device | str = "cpu") -> None:
        """Go on as the pool that `state_dict` told of would have.

        Raises:
            ValueError: it is no state of a pool.
        """
        images: list[Tensor] = [image.to(device) for image in state["images"]][: self.size]
        if len({image.shape for image in images}) > 1 or any(image.dim() != 3 for image in images):
            raise ValueError("the images of a pool are not of one shape")
        self._images = images
        self._random.set_state(state["random"])
