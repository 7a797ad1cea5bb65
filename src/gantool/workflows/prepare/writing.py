"""The canonical copy of a data set: written beside its final name, and gone on with if that was interrupted."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from gantool.data.parallel.helpers import in_order_by_helpers
from gantool.data.sources.contents import SourceImage
from gantool.data.sources.labels import LabelledImage
from gantool.files import atomic, is_temporary
from gantool.workflows.prepare.options import PrepareOptions
from gantool.workflows.prepare.places import Folder
from gantool.workflows.prepare.plan import WritingPlan, description, names_of, write_description
from gantool.workflows.prepare.rendering import LabelStyle, write_image, write_labelled
from gantool.workflows.prepare.target import give_name, lock_target, require_free, writing_to
from gantool.workflows.shares.parts import Parts

__all__ = ["write_data_set"]

_MARK = "plan.txt"
_WRITTEN = "written"


def write_data_set(
    plan: WritingPlan,
    target: Path,
    counts: Mapping[str, Mapping[str, int]],
    finish: Callable[[Path], None],
    on_progress: Callable[[str, int, int], None],
    parts: Parts | None = None,
) -> dict[str, int] | None:
    """Write everything beside the target, call ``finish`` with that folder, and give it its name.

    Args:
        parts: for a share, which writes its images; the last one also those of shares that have gone, and finishes.

    Returns:
        The files of images by split; for images with labels these are tiles if they were cut. None for a share that
        is not the last.

    Raises:
        OutputError: the target's folder cannot be written to, or the disk is full.
    """
    with writing_to(target):
        if parts is not None:
            return _write_share(plan, target, counts, finish, on_progress, parts)
        partial = _begin(target.with_name(f"{target.name}.partial"), plan)
        written = _write_images(plan, partial, range(len(plan.images)), on_progress)
        _finish(plan, partial, target, counts, finish)
        return written


def _write_share(
    plan: WritingPlan,
    target: Path,
    counts: Mapping[str, Mapping[str, int]],
    finish: Callable[[Path], None],
    on_progress: Callable[[str, int, int], None],
    parts: Parts,
) -> dict[str, int] | None:
    partial = _begin(target.with_name(f"{target.name}.{parts.key[:8]}.partial"), plan)
    parts.hand_in(_write_images(plan, partial, parts.share.places(len(plan.images)), on_progress), _WRITTEN)
    with parts.finishing(_WRITTEN) as gone:
        if gone is None:
            return None
        total = Counter[str]()
        for place in range(parts.share.count):
            if place in gone:
                places = replace(parts.share, place=place).places(len(plan.images))
                total.update(_write_images(plan, partial, places, on_progress))
            else:
                total.update(parts.handed_in(place, _WRITTEN))
        with lock_target(target):
            require_free(target, plan.options)  # unless another job was faster
            _finish(plan, partial, target, counts, finish)
        return dict(total)


def _begin(partial: Path, plan: WritingPlan) -> Path:
    """The folder beside the target, without what a call with other options left."""
    mark = partial / _MARK
    if (
        partial.exists()
        and (not mark.is_file() or mark.read_text("utf-8") != plan.key())
        and plan.options.share.is_alone
    ):
        shutil.rmtree(partial)
    partial.mkdir(parents=True, exist_ok=True)
    with atomic(mark) as temporary:
        temporary.write_text(plan.key(), "utf-8")
    return partial


def _write_images(
    plan: WritingPlan, partial: Path, places: Sequence[int], on_progress: Callable[[str, int, int], None]
) -> dict[str, int]:
    """Write the images at some places, as far as they are not there; returns the files by split."""
    names = names_of(plan.images)
    chosen = [(plan.images[place], names[place]) for place in places]
    folder = Folder(partial, link=plan.options.link)
    written: dict[str, int] = {}
    with closing(_writing(plan, folder, chosen)) as writing:
        for done, (split, count) in enumerate(writing, 1):
            written[split] = written.get(split, 0) + count
            on_progress("writing", done, len(places))
    return written


def _writing(
    plan: WritingPlan, folder: Folder, chosen: Sequence[tuple[SourceImage, str]]
) -> Generator[tuple[str, int], None, None]:
    """Write images under their names; yields the split of each, and its number of files."""
    if plan.source.labels is None:
        writer = _Writer(plan.options, plan.source.domains, folder)
        files = (path for image, _ in chosen for path in (image.path, image.partner) if path is not None)
        return in_order_by_helpers(writer, chosen, files)
    labels = plan.source.label_of()
    labelled = [(labels[image.path], image.split, name) for image, name in chosen]
    all_files = (file for one, _, _ in labelled for file in (one.image, *one.label_files))
    return in_order_by_helpers(_LabelWriter(LabelStyle.of(plan), folder), labelled, all_files)


@dataclass(frozen=True)
class _Writer:
    """Writes images without labels, also in another process."""

    options: PrepareOptions
    domains: Sequence[str]
    folder: Folder

    def __call__(self, one: tuple[SourceImage, str]) -> tuple[str, int]:
        image, name = one
        write_image(self.options, self.domains, image, name, self.folder)
        return image.split, 1


@dataclass(frozen=True)
class _LabelWriter:
    """Writes images and their masks, or their tiles, also in another process."""

    style: LabelStyle
    folder: Folder

    def __call__(self, one: tuple[LabelledImage, str, str]) -> tuple[str, int]:
        """Write one, unless an interrupted call has written all of it."""
        labelled, split, name = one
        done = self.folder.root / split / "masks" / f".{Path(name).stem}.done"  # an image is when all its tiles are
        if done.exists():
            return split, int(done.read_text("ascii"))
        count = write_labelled(self.style, labelled, split, name, self.folder)
        _note_done(done, count)
        return split, count


def _finish(
    plan: WritingPlan,
    partial: Path,
    target: Path,
    counts: Mapping[str, Mapping[str, int]],
    finish: Callable[[Path], None],
) -> None:
    write_description(partial, description(plan.source, counts, plan.options.tile))
    finish(partial)
    for hidden in [*partial.rglob(".*")]:
        if hidden.suffix == ".done" or is_temporary(hidden.name):  # marks, and what killed processes left
            hidden.unlink()
    (partial / _MARK).unlink()
    give_name(partial, target)


def _note_done(path: Path, count: int) -> None:
    """Note that all tiles of an image are there, however many they are."""
    with atomic(path) as temporary:
        temporary.write_text(str(count), "ascii")
