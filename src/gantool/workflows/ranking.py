"""Which images to label next: a table and a page, those that a segmenter is least sure of first, and copies of the
first ones with labels to correct."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image

from gantool._version import __version__
from gantool.arrays import Pixels, hex_color, resized
from gantool.data.images import Picture, read_picture
from gantool.data.regions.places import path_from
from gantool.errors import ModelError, OutputError, UsageError, closest
from gantool.fetch.remote.addresses import require_disk
from gantool.files import atomic
from gantool.metrics.uncertainty import Doubts
from gantool.predict.segmenter import LabelMap, LoadedSegmenter
from gantool.report.pages import thumbnail, write_page
from gantool.shards.members import read_bytes
from gantool.workflows.image_files import ImageOutcome, Work, Written, look_at, work_through
from gantool.workflows.image_jobs import FileOptions, ImageJob, plan_file
from gantool.workflows.label_outputs import LabelPlan, LabelWriter, RegionOptions, label_writer

__all__ = ["RANKS", "RankPlan", "RankedImage", "Ranking", "plan_ranking"]

RANKS = ("uncertainty",)
"""What images can be ranked by."""

_TO_LABEL = "to_label"
_LARGEST = 224  # pixels of a shown picture's longer side
_DOUBTED = 3  # classes named beside an image
_SURE, _TORN = np.array([24, 26, 60], np.float32), np.array([255, 222, 60], np.float32)


@dataclass(frozen=True)
class RankPlan:
    """Where a ranking goes.

    Attributes:
        pictures: folder of the page's pictures.
        top: how many images are copied with labels.
        to_label: folder of those; None for none.
    """

    table: Path
    page: Path
    pictures: Path
    top: int = 0
    to_label: Path | None = None


@dataclass(frozen=True)
class RankedImage:
    """What was seen of one image.

    Attributes:
        entropy, margin: see `Doubts`.
        shares: fraction of the pixels by class.
        doubts: mean entropy by class, of those that any pixel has.
        picture: file name of its picture on the page, and its width and height.
    """

    source: Path
    entropy: float
    margin: float
    shares: Mapping[str, float]
    doubts: Mapping[str, float]
    picture: tuple[str, int, int]


def plan_ranking(files: FileOptions, rank: str, top: int = 0) -> RankPlan:
    """Decide where the table, the page with its pictures, and the copies go.

    Raises:
        OutputError: one of them exists.
        UsageError: nothing to rank by, or options that do not go together.
    """
    if rank not in RANKS:
        raise UsageError(f"--rank {rank}: nothing can be ranked by that.", closest(rank, RANKS))
    if top < 0:
        raise UsageError(f"--top {top}: expected a number of images, 0 or more.")
    if files.skip_existing:
        raise UsageError("--rank looks at all images anew, so it does not go with --skip-existing.", "Leave one out.")
    require_disk(files.output, "--rank writes its page and pictures")
    table, page, pictures = (_plan_file(files, f"{rank}{suffix}") for suffix in (".csv", ".html", ""))
    to_label = _plan_file(files, _TO_LABEL) if top else None
    for folder in (pictures, to_label):
        if folder is not None and folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder}: is a file, expected a folder or nothing.", "Choose another -o.")
    return RankPlan(table, page, pictures, top, to_label)


def _plan_file(files: FileOptions, name: str) -> Path:
    target, _ = plan_file(files, name)
    assert isinstance(target, Path)
    return target


class Ranking:
    """Looks at images and puts the least certain ones first.

    Args:
        segmenter: one with probabilities.

    Raises:
        ModelError: it is a translation to label maps.
    """

    def __init__(self, segmenter: LoadedSegmenter, plan: RankPlan) -> None:
        if not segmenter.card.is_segmenter:
            raise ModelError(
                f"--rank: {segmenter.model.label} is a translation to label maps, which has no probabilities.",
                "Use a segmenter.",
            )
        self.segmenter, self.plan = segmenter, plan
        self._images: list[RankedImage] = []

    @property
    def images(self) -> list[RankedImage]:
        """What was seen so far, the largest mean entropy first."""
        return sorted(self._images, key=lambda one: (-one.entropy, one.margin, str(one.source)))

    def look(self, labels: LabelPlan, regions: RegionOptions) -> Iterator[ImageOutcome]:
        """Segment all images, with a picture for the page and what else is wanted; see `work_through`."""
        classes = [entry.name for entry in self.segmenter.classes]

        def run(pairs: Sequence[tuple[ImageJob, Picture]]) -> list[tuple[LabelMap, Doubts]]:
            made = []
            for job, picture in pairs:
                doubts = Doubts(classes)
                wanted = "probabilities" in job.outputs
                made.append((self.segmenter(picture.pixels, probabilities=wanted, watch=doubts), doubts))
            return made

        large = any("probabilities" in job.outputs for job in labels.jobs)
        look = partial(look_at, copies=1 + len(classes) / 4 if large else 1)
        with label_writer(labels, classes, regions) as write:

            def keep(job: ImageJob, picture: Picture, made: tuple[LabelMap, Doubts]) -> Written:
                return self._keep(job, picture, *made, write)

            yield from work_through(
                labels.jobs,
                Work(
                    look, lambda job: read_picture(job.source), run, keep, self.segmenter.predictor.at_once, behind=0
                ),
            )

    def _keep(
        self, job: ImageJob, picture: Picture, labelled: LabelMap, doubts: Doubts, write: LabelWriter
    ) -> Written:
        written = write(job, picture, labelled)
        shown = _shown(picture.pixels, labelled, doubts)
        return replace(written, last=partial(self._put, job, shown, labelled.shares, doubts, written.last))

    def _put(
        self,
        job: ImageJob,
        shown: Pixels,
        shares: Mapping[str, float],
        doubts: Doubts,
        before: Callable[[], None] | None,
    ) -> None:
        """Put an image at the end of those that were seen.

        Args:
            shown: its picture for the page.
            before: what is to be done first.
        """
        if before is not None:
            before()
        # The ending keeps folder scans from taking it for an image of the user's.
        name = f"{len(self._images) + 1:05d}.overlay.jpg"
        with atomic(self.plan.pictures / name) as temporary:
            Image.fromarray(shown).save(temporary, format="JPEG", quality=80)
        self._images.append(
            RankedImage(
                job.file, doubts.entropy, doubts.margin, shares, doubts.by_class,
                (name, shown.shape[1], shown.shape[0]),
            )
        )  # fmt: skip

    def write(self) -> None:
        """Write the table and the page.

        Raises:
            OutputError: one of them cannot be written.
        """
        images, classes = self.images, [entry.name for entry in self.segmenter.classes]
        columns = ["rank", "image", "entropy", "margin"]
        columns += [f"{what} {name}" for name in classes for what in ("share", "entropy")]
        with atomic(self.plan.table) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(columns)
            for rank, one in enumerate(images, 1):
                values = [value for name in classes for value in (one.shares[name], one.doubts.get(name))]
                numbers = ["" if value is None else f"{value:.6f}" for value in (one.entropy, one.margin, *values)]
                table.writerow([rank, one.source.as_posix(), *numbers])
        write_page(self.plan.page, "ranking.html", self._content(images))

    def copy_top(self) -> LabelPlan:
        """Copy the first images, with the list of classes for labelme; what is left is to write their labels.

        Raises:
            OutputError: one of them cannot be written.
        """
        folder = self.plan.to_label
        assert folder is not None
        names: dict[str, Path] = {}
        for one in self.images[: self.plan.top]:
            stem, count = one.source.stem, 1
            while stem.lower() in names:  # labelme has one file of labels per name
                count += 1
                stem = f"{one.source.stem}-{count}"
            names[stem.lower()] = folder / f"{stem}{one.source.suffix}"
            with atomic(names[stem.lower()]) as temporary:
                temporary.write_bytes(read_bytes(one.source))
        with atomic(folder / "labels.txt") as temporary:
            temporary.write_text("".join(f"{entry.name}\n" for entry in self.segmenter.classes), "utf-8")
        return LabelPlan([ImageJob(path, {"polygons": path.with_suffix(".json")}) for path in names.values()])

    def _content(self, images: Sequence[RankedImage]) -> Mapping[str, object]:
        colors = {entry.name: hex_color(entry.color) for entry in self.segmenter.classes}
        return {
            "version": __version__,
            "title": "Which images to label next",
            "model": self.segmenter.model.label,
            "count": len(images),
            "classes": [(name, colors[name], *_over_all(images, name)) for name in colors],
            "images": [
                {
                    "name": one.source.as_posix(),
                    "link": _link(one.source, self.plan.page.parent),
                    "entropy": f"{one.entropy:.3f}",
                    "margin": f"{one.margin:.3f}",
                    "picture": f"{self.plan.pictures.name}/{one.picture[0]}",
                    "width": one.picture[1],
                    "height": one.picture[2],
                    "doubts": [(name, colors[name], f"{value:.2f}") for name, value in _most_doubted(one)],
                }
                for one in images
            ],
        }


def _over_all(images: Sequence[RankedImage], name: str) -> tuple[str, str]:
    """A class's share of all images, and the mean entropy of its pixels, as text."""
    share = sum(one.shares[name] for one in images)
    doubt = sum(one.shares[name] * one.doubts.get(name, 0.0) for one in images)
    return f"{100 * share / max(len(images), 1):.2f} %", f"{doubt / share:.3f}" if share else ""


def _most_doubted(one: RankedImage) -> list[tuple[str, float]]:
    """The classes that most of an image's uncertainty lies in, with their mean entropies."""
    return sorted(one.doubts.items(), key=lambda pair: -pair[1] * one.shares[pair[0]])[:_DOUBTED]


def _link(image: Path, folder: Path) -> str:
    return quote(path_from(folder, image), safe="/:")


def _shown(pixels: Pixels, labelled: LabelMap, doubts: Doubts) -> Pixels:
    """The image, its labels laid over it, and its entropy from dark to yellow, side by side and small."""
    image = thumbnail(pixels, _LARGEST)
    size = (image.shape[1], image.shape[0])
    labels = np.asarray(Image.fromarray(labelled.mask).resize(size, Image.Resampling.NEAREST))
    entropy = resized(doubts.picture(), size, Image.Resampling.BOX).astype(np.float32) / 255
    heat = np.rint(_SURE + (_TORN - _SURE) * entropy).astype(np.uint8)
    return np.hstack([image, replace(labelled, mask=labels).overlay(image), heat])
