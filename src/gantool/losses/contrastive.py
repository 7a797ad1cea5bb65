"""The contrastive loss of CUT (PatchNCE): which patch of the result belongs to which patch of the source.

Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", 2020 (https://arxiv.org/abs/2007.15651),
equations 2 to 4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["patch_nce", "unit"]

_SHORTEST = 1e-7


def unit(vectors: Tensor) -> Tensor:
    """``(..., D)`` scaled to length 1 in float32.

    Vectors shorter than 1e-7 have no direction: they become 0 with a gradient of 0, where dividing would give a
    gradient of 10^7 or NaN.
    """
    vectors = vectors.float()
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    scaled: Tensor = vectors / length.clamp_min(_SHORTEST)
    out: Tensor = scaled * (length > _SHORTEST)
    return out


def patch_nce(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """The PatchNCE loss: how hard it is to find each query's own key among those of its picture; a scalar in float32.

    The mean over all patches of ``-log softmax(q . k / temperature)`` at the query's own position; ln P where nothing
    distinguishes the P patches of a picture.

    Args:
        queries: ``(N, P, D)`` of length 1, the features of the result's patches.
        keys: the same for the source, at the same positions; no gradient flows into them.
        temperature: the smaller, the more the most similar other patches count (tau).
    """
    with torch.autocast(queries.device.type, enabled=False):
        logits = queries.float() @ keys.detach().float().transpose(1, 2) / temperature
    own = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[0], -1)
    return F.cross_entropy(logits.flatten(0, 1), own.flatten())
