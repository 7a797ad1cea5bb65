"""Small networks that make vectors of features to compare."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

__all__ = ["PatchProjection"]


class PatchProjection(nn.Module):
    """A two-layer perceptron for each of some layers of a generator (Park et al. 2020, section 3, H_l).

    Names of weights are those of contrastive-unpaired-translation (``mlp_0.0.weight``).

    Args:
        channels: of the layers.
        width: of the vectors, hidden ones and results.
    """

    def __init__(self, channels: Sequence[int], width: int = 256) -> None:
        super().__init__()
        self.count = len(channels)
        for place, size in enumerate(channels):
            self.add_module(f"mlp_{place}", nn.Sequential(nn.Linear(size, width), nn.ReLU(), nn.Linear(width, width)))

    def forward(self, features: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """Vectors of patches, ``(N, P, width)`` for each layer, of any length.

        Args:
            features: ``(N, C, H, W)`` of every layer.
            places: ``(P,)`` int64 for every layer, indices into ``H * W`` pixels.
        """
        return [
            self.get_submodule(f"mlp_{layer}")(values.flatten(2).index_select(2, where).transpose(1, 2))
            for layer, (values, where) in enumerate(zip(features, places, strict=True))
        ]
