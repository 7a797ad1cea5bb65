"""The sizes at which a file is held against its model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from exported_files import card_for

from gantool.errors import MismatchError
from gantool.workflows.export.proof import Check, Proof, proof_plan

DOCS = Path(__file__).parents[3] / "docs" / "export.md"


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


def test_pictures_in_int8_have_a_bound_and_the_documentation_says_which() -> None:
    proof = Proof(labels=False, precision="int8")
    fine = Check(64, 64, 1, relative_error=0.99, agreement=None, levels=20.0)
    proof.require_agreement(Path("x.onnx"), [fine])
    with pytest.raises(MismatchError, match=r"relative error 1.1, allowed 1\b"):
        proof.require_agreement(Path("x.onnx"), [fine, replace(fine, relative_error=1.1)])
    row = next(line for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| `int8`"))
    assert "for pictures the largest difference is less than the largest value" in row
