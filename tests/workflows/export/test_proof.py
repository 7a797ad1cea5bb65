"""The sizes at which a file is held against its model."""

from __future__ import annotations

import pytest
from exported_files import card_for

from gantool.workflows.export.proof import proof_plan


@pytest.mark.parametrize(("multiple", "smallest", "least"), [(4, 16, 16), (32, 32, 32), (64, 16, 64), (4, 38, 40)])
def test_the_least_height_and_width_are_tried(multiple: int, smallest: int, least: int) -> None:
    card = card_for("onnx").model_copy(update={"multiple_of": multiple, "smallest": smallest})
    plan = proof_plan(card, None)
    sizes = [size for size, _ in plan]
    assert len(set(sizes)) == len(plan) == 4
    assert min(height for height, _ in sizes) == min(width for _, width in sizes) == least
    assert all(side % multiple == 0 for size in sizes for side in size)
    assert {count for _, count in plan} == {1, 2}
    assert proof_plan(card, (64, 96)) == [((64, 96), 1)]
