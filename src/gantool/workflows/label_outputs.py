"""What `segment` can write of a label map: pictures, numbers, and the files of annotation tools."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import IGNORE
from gantool.data.images import Picture, write_picture
from gantool.data.masks import write_mask
from gantool.errors import OutputError, UsageError, closest
from gantool.fetch.remote.outbox import on_disk_first
from gantool.files import ByteStream, Target, atomic, folder_of, put
from gantool.predict.segmenter import LabelMap
from gantool.workflows.image_files import Written
from gantool.workflows.image_jobs import FileOptions, ImageJob, name_with_ending, plan_file, plan_jobs

if TYPE_CHECKING:
    from gantool.data.regions.coco import Add

__all__ = ["OUTPUTS", "LabelPlan", "LabelWriter", "RegionOptions", "label_writer", "plan_labels"]

OUTPUTS: Mapping[str, str] = {
    "mask": "mask.png",
    "overlay": "overlay.png",
    "color": "color.png",
    "probabilities": "probabilities.npz",
    "classes": "classes.json",
    "polygons": "json",
    "coco": "coco.json",
}
"""What can be written, and what its file is called."""

_BESIDE = ("polygons",)  # labelme looks for the image in the folder of its file
_OF_FILES = ("polygons", "coco")  # name the image's file
_PICTURES = {"overlay", "color"}
_COCO = f"segments.{OUTPUTS['coco']}"


@dataclass(frozen=True)
class RegionOptions:
    """What is done to the regions of label maps.

    Attributes:
        min_area: smaller regions, in pixels, become part of what surrounds them.
        fill_holes: what lies within a region becomes part of it.
        simplify: how many pixels away the outlines of polygons may come to lie.

    Raises:
        UsageError: a number below 0.
    """

    min_area: int = 0
    fill_holes: bool = False
    simplify: float = 0.0

    def __post_init__(self) -> None:
        for option, value in (("--min-area", self.min_area), ("--simplify", self.simplify)):
            if not 0 <= value < 1e6:
                raise UsageError(f"{option} {value:g}: expected a number of pixels, 0 or more.")

    def applied(self, result: LabelMap) -> LabelMap:
        """The label map without small regions first, then without holes."""
        if self.min_area <= 1 and not self.fill_holes:
            return result
        from gantool.data.regions.regions import drop_small, fill_holes

        mask = drop_small(result.mask, self.min_area) if self.min_area > 1 else result.mask
        mask = fill_holes(mask) if self.fill_holes else mask
        return result if mask is result.mask else replace(result, mask=mask)


@dataclass(frozen=True)
class LabelPlan:
    """Which images are segmented, and what is written.

    Attributes:
        skipped: outputs that exist and are left.
        coco: the file of all images, if there is one.
        seen_from: the folder, or its address, that images are named from in it; None for its own.
    """

    jobs: Sequence[ImageJob]
    skipped: Sequence[Target] = ()
    coco: Target | None = None
    seen_from: Path | str | None = None


def plan_labels(
    files: FileOptions,
    outputs: Sequence[str],
    regions: RegionOptions,
    stdin: TextIO | None = None,
    *,
    ranked: bool = False,
    outlined: bool = False,
) -> LabelPlan:
    """Find inputs and decide outputs; see `plan_jobs`.

    Args:
        ranked: look at images of which nothing is written, too.
        outlined: outlines are also written elsewhere.

    Raises:
        UsageError, DataError, OutputError: with the remedy.
    """
    for name in outputs:
        if name not in OUTPUTS:
            raise UsageError(f"--outputs: there is no output {name!r}.", closest(name, OUTPUTS))
    if regions.simplify and not outlined and not {"polygons", "coco"} & set(outputs):
        raise UsageError("--simplify: there are no outlines to simplify.", "Ask for --outputs polygons or coco.")
    _check_streamed(files, outputs)
    coco, there = plan_file(files, _COCO) if "coco" in outputs else (None, False)
    endings = {kind: _ending(kind, files.format) for kind in outputs if kind != "coco"}
    needs_files = [kind for kind in outputs if kind in _OF_FILES]
    jobs, skipped = plan_jobs(
        files,
        lambda path: {kind: name_with_ending(path, ending) for kind, ending in endings.items()},
        beside=_BESIDE,
        stdin=stdin,
        every=ranked or (coco is not None and not there),
        files_only="--rank" if ranked else f"--outputs {needs_files[0]}" if needs_files else "",
    )
    if coco is not None:
        taken = {_same(path): job.source for job in jobs for path in job.outputs.values()}
        if _same(coco) in taken:
            raise OutputError(f"{coco}: is also the output of {taken[_same(coco)]}.", "Leave one of them out.")
    return LabelPlan(jobs, [*skipped, coco] if coco is not None and there else skipped, None if there else coco)


def _same(target: Target) -> Path | str:
    return target.resolve() if isinstance(target, Path) else target.name


def _check_streamed(files: FileOptions, outputs: Sequence[str]) -> None:
    """Refuse formats and streams that cannot hold what is asked for."""
    if files.format is not None and not _PICTURES & set(outputs):
        raise UsageError(
            f"--format {files.format}: is for overlay and color; masks are PNG, which keeps their indices.",
            "Leave it out, or ask for --outputs overlay.",
        )
    unfit = [kind for kind in outputs if kind in _OF_FILES]
    if files.output == "-" and unfit:
        raise UsageError(f"-o -: {unfit[0]} is a file beside its image.", "Leave -o out, or name a folder.")


def _ending(kind: str, format: str | None) -> str:
    return f"{kind}.{format}" if format is not None and kind in _PICTURES else OUTPUTS[kind]


class LabelWriter:
    """Writes what is wanted of one label map after the other.

    Args:
        add: where regions go that are written for all images together.
    """

    def __init__(self, regions: RegionOptions, add: Add | None = None) -> None:
        self._regions, self._add = regions, add

    def __call__(self, job: ImageJob, picture: Picture, result: LabelMap) -> Written:
        """Write one; see `Work.write`."""
        result = self._regions.applied(result)
        for kind, path in job.outputs.items():
            self._write(kind, path, job, picture, result)
        size = (picture.pixels.shape[1], picture.pixels.shape[0])
        last = partial(self._add, job.file, result.mask) if self._add is not None else None
        return Written(size, picture.notes, result.shares, last)

    def _write(self, kind: str, path: Target, job: ImageJob, picture: Picture, result: LabelMap) -> None:
        if kind == "mask":
            write_mask(path, result.mask, result.colors[:IGNORE])
        elif kind == "overlay":
            write_picture(path, result.overlay(picture.pixels), picture)
        elif kind == "color":
            write_picture(path, result.color())
        elif kind == "polygons":
            from gantool.data.regions.labelme import write_labelme

            write_labelme(path, result.mask, result.classes, job.file, simplify=self._regions.simplify)
        elif kind == "probabilities":
            assert result.probabilities is not None
            _write_probabilities(path, result.probabilities, result.classes)
        else:
            content = {"classes": list(result.classes), "shares": dict(result.shares)}
            put(path, (json.dumps(content, indent=2) + "\n").encode())


def _write_probabilities(target: Target, values: NDArray[np.float16], classes: Sequence[str]) -> None:
    if isinstance(target, ByteStream):
        buffer = io.BytesIO()
        np.savez_compressed(buffer, probabilities=values, classes=np.array(classes))
        put(target, buffer.getvalue())
        return
    with atomic(target) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, probabilities=values, classes=np.array(classes))


@contextmanager
def label_writer(plan: LabelPlan, classes: Sequence[str], regions: RegionOptions) -> Iterator[LabelWriter]:
    """Yield what writes all that is planned; the file of all images is complete at the end.

    Raises:
        OutputError: that file cannot be written.
    """
    if plan.coco is None:
        yield LabelWriter(regions)
        return
    from gantool.data.regions.coco import open_coco

    seen_from = plan.seen_from or folder_of(plan.coco)
    with (
        on_disk_first(plan.coco) as path,
        open_coco(path, classes, simplify=regions.simplify, seen_from=seen_from) as add,
    ):
        yield LabelWriter(regions, add)
