"""The contrastive loss, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from gantool.losses.contrastive import patch_nce, unit


def test_patches_that_cannot_be_told_apart_cost_the_logarithm_of_their_number() -> None:
    same = torch.zeros(2, 5, 3)
    same[..., 0] = 1
    assert patch_nce(same, same).item() == pytest.approx(math.log(5))


def test_two_patches_by_hand() -> None:
    queries = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    keys = torch.tensor([[[0.6, 0.8], [0.0, 1.0]]])
    # The first query is 0.6 from its own key and 0 from the other, the second 1 and 0.8.
    losses = [math.log(1 + math.exp((0.0 - 0.6) / 0.5)), math.log(1 + math.exp((0.8 - 1.0) / 0.5))]
    assert patch_nce(queries, keys, 0.5).item() == pytest.approx(sum(losses) / 2)


def test_other_pictures_of_a_batch_are_no_negatives() -> None:
    torch.manual_seed(0)
    queries, keys = (unit(torch.randn(3, 7, 4)) for _ in range(2))
    alone = [patch_nce(queries[n : n + 1], keys[n : n + 1]).item() for n in range(3)]
    assert patch_nce(queries, keys).item() == pytest.approx(sum(alone) / 3)


def test_only_queries_learn() -> None:
    queries, keys = (unit(torch.randn(1, 4, 3)).requires_grad_() for _ in range(2))
    patch_nce(queries, keys).backward()
    assert queries.grad is not None
    assert keys.grad is None


def test_it_is_computed_in_float32() -> None:
    vectors = torch.randn(1, 8, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = patch_nce(unit(vectors.bfloat16()), unit(vectors.bfloat16()))
    assert found.dtype == torch.float32
    assert found.item() == patch_nce(unit(vectors.bfloat16()), unit(vectors.bfloat16())).item()


def test_vectors_of_no_length_have_no_direction() -> None:
    """The paper's own code divides 0 by 0 in their gradient."""
    vectors = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-9, 0.0]], requires_grad=True)
    found = unit(vectors)
    assert found.flatten().tolist() == pytest.approx([0.6, 0.8, 0, 0, 0, 0])
    (found * torch.tensor([[1.0, 2.0]])).sum().backward()
    assert vectors.grad is not None
    # By hand: (w - (w . u) u) / |v| with w = (1, 2) and u = (0.6, 0.8).
    by_hand = [(1 - 2.2 * 0.6) / 5, (2 - 2.2 * 0.8) / 5]
    assert vectors.grad[0].tolist() == pytest.approx(by_hand)
    assert vectors.grad[1:].abs().max() == 0
