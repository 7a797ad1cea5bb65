"""Working through files: in order, in batches of one size, and past failures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantool.data.images import Picture
from gantool.errors import DataError, OutputError
from gantool.workflows.image_files import Work, Written, keep_loaded, picture_of, work_through
from gantool.workflows.image_jobs import ImageJob

WIDTHS = {"a": 4, "b": 4, "c": 4, "bad": 0, "d": 4, "wide": 9, "full": 4, "odd": 4}
JOBS = [ImageJob(Path(name), {"winter": Path(f"{name}.winter")}) for name in WIDTHS]


def read(job: ImageJob) -> Picture:
    if not WIDTHS[str(job.source)]:
        raise DataError(f"{job.source}: is not an image that can be read.")
    return Picture(np.zeros((3, WIDTHS[str(job.source)], 3), np.uint8), notes=("read",))


def write(job: ImageJob, picture: Picture, made: str) -> Written:
    if str(job.source) == "full":
        raise OutputError("no space left.")
    return Written((picture.pixels.shape[1], 3), (*picture.notes, made))


@pytest.mark.parametrize("behind", [0, 1])
def test_order_batches_and_failures(behind: int) -> None:
    batches: list[list[str]] = []

    def run(pairs: Sequence[tuple[ImageJob, Picture]]) -> list[str]:
        batches.append([str(job.source) for job, _ in pairs])
        if "wide" in batches[-1]:
            raise RuntimeError("out of memory\nand more")
        return [f"made {job.source}" for job, _ in pairs]

    done = list(work_through(JOBS, Work(read, run, write, batch_size=2, behind=behind)))
    assert batches == [["a", "b"], ["c"], ["d"], ["wide"], ["full", "odd"]]
    assert [str(item.source) for item in done] == list(WIDTHS)
    assert {str(item.source): item.error for item in done if item.error} == {
        "bad": "bad: is not an image that can be read.",
        "wide": "wide: out of memory (a smaller --size or --tile may help)",
        "full": "full: no space left.",
    }
    assert done[0].written == Written((4, 3), ("read", "made a"))
    assert done[0].outputs == JOBS[0].outputs
    assert all(not item.outputs for item in done if item.error)


def test_a_model_is_loaded_again_when_its_file_changes(tmp_path: Path) -> None:
    loads: list[str] = []

    def load(options: str) -> int:
        loads.append(options)
        return len(loads)

    path = tmp_path / "model"
    path.write_text("one")
    assert [keep_loaded(load, options, path) for options in ("x", "x", "y")] == [1, 1, 2]
    os.utime(path, ns=(1, 1))
    assert keep_loaded(load, "x", path) == 3


def test_pictures_as_people_hand_them_over(tmp_path: Path) -> None:
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    color = np.repeat(gray[:, :, None], 3, axis=2)
    for image in (
        gray,
        gray[:, :, None],
        color,
        Image.fromarray(gray),
        tmp_path / "gray.png",
        str(tmp_path / "gray.png"),
    ):
        assert np.array_equal(picture_of(image).pixels, color)
    with pytest.raises(DataError, match="The array has type float64"):
        picture_of(gray.astype(float))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="expected \\(height, width, 3\\) or \\(height, width\\)"):
        picture_of(color[None])
