"""The canonical copy of a data set: written beside its final name, and gone on with if that was interrupted."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from gantool.arrays import IGNORE
from gantool.data.images import as_rgb, open_image
from gantool.data.sources.contents import Contents, SourceImage
from gantool.data.sources.labels import LabelledImage, LabelledSet, LabelOptions
from gantool.data.sources.labels.pairing import one_spelling
from gantool.data.threads import in_order
from gantool.data.tiles import tile_corners
from gantool.errors import OutputError
from gantool.files import atomic, safe_name
from gantool.locks import locked
from gantool.shards.members import file_facts
from gantool.workflows.prepare.copying import stays_as_it_is
from gantool.workflows.prepare.options import PrepareOptions
from gantool.workflows.prepare.places import Folder, Place
from gantool.workflows.shares.parts import Parts

__all__ = [
    "WritingPlan",
    "choose_place",
    "choose_target",
    "description",
    "give_name",
    "lock_target",
    "names_of",
    "require_free",
    "write_data_set",
    "write_description",
    "write_image",
    "write_labelled",
]


_MARK = "plan.txt"
_WRITTEN = "written"


@dataclass(frozen=True)
class WritingPlan:
    """What is done to every image; decides whether an interrupted call can be gone on with.

    Attributes:
        images: those to write, as they are split.
    """

    options: PrepareOptions
    labels: LabelOptions
    source: Contents
    images: tuple[SourceImage, ...] = field(repr=False, default=())

    def question(self) -> list[object]:
        """What shares of one job have in common: what is asked for, and the files as they are now."""
        files = [file for image in self.source.images for file in (image.path, image.partner) if file is not None]
        if self.source.labels is not None:
            files += [file for one in self.source.labels.images for file in one.label_files]
        facts = [(str(file), *(file_facts(file) or ())) for file in files]
        return ["prepare", self.key(), self.options.check_only, self.options.dry_run, self.options.link, facts]

    def key(self) -> str:
        """The same for calls that write the same."""
        asked, found = self.options, self.source
        text = json.dumps(
            [found.kind, found.domains, asked.size, asked.tile, asked.stride, asked.split, asked.seed,
             asked.image_format, asked.drop_duplicates, asked.drop_empty, self.classes, repr(self.labels),
             [(str(image.path), image.split, image.domain) for image in self.images]]
        )  # fmt: skip
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names by index; none where there are no labels."""
        return self.source.labels.classes if self.source.labels is not None else ()


def choose_place(name: str, options: PrepareOptions) -> Path:
    """The new data set's folder, ``data/NAME`` unless it is given."""
    return Path(options.output) if options.output is not None else Path("data") / safe_name(name)


def choose_target(name: str, sources: Sequence[Path], options: PrepareOptions) -> Path:
    """The new data set's folder, ``data/NAME`` unless it is given.

    Raises:
        OutputError: it exists, or lies within a source.
    """
    target = choose_place(name, options)
    require_free(target, options)
    for folder in sources:
        if folder.resolve() in (target.resolve(), *target.resolve().parents):
            raise OutputError(f"{target}: lies within its own source {folder}.", "Choose another -o.")
    return target


def require_free(target: Path, options: PrepareOptions) -> None:
    """Refuse a target that exists, unless it may be replaced.

    Raises:
        OutputError: it may not.
    """
    if target.exists() and not (options.overwrite and (target / "dataset.yaml").is_file()):
        raise OutputError(
            f"{target}: exists already.",
            "Choose another -o, or --overwrite a data set that gantool wrote.",
        )


def lock_target(target: Path) -> AbstractContextManager[bool]:
    """Keep other processes from writing there meanwhile; yields whether the file system can do that.

    Raises:
        OutputError: another one is writing it; says which.
    """

    def busy(who: str) -> OutputError:
        return OutputError(f"{target}: is being written by {who}.", "Wait for its end, or choose another -o.")

    return locked(target.with_name(f".{target.name}.lock"), target, busy)


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
    try:
        if parts is not None:
            return _write_share(plan, target, counts, finish, on_progress, parts)
        partial = _begin(target.with_name(f"{target.name}.partial"), plan)
        written = _write_images(plan, partial, range(len(plan.images)), on_progress)
        _finish(plan, partial, target, counts, finish)
        return written
    except OSError as error:
        raise OutputError(
            f"{target}: cannot be written ({error.strerror or error}).", "Choose another -o."
        ) from error


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
    source, labels = plan.source, plan.source.label_of()
    folder = Folder(partial, link=plan.options.link)

    def write(place: int) -> tuple[str, int]:
        image, name = plan.images[place], names[place]
        if source.labels is not None:
            return image.split, _write_once(plan, source.labels, labels[image.path], image.split, name, folder)
        write_image(plan, image, name, folder)
        return image.split, 1

    written: dict[str, int] = {}
    for done, (split, count) in enumerate(in_order(write, places), 1):
        written[split] = written.get(split, 0) + count
        on_progress("writing", done, len(places))
    return written


def _finish(
    plan: WritingPlan,
    partial: Path,
    target: Path,
    counts: Mapping[str, Mapping[str, int]],
    finish: Callable[[Path], None],
) -> None:
    write_description(partial, description(plan.source, counts, plan.options.tile))
    finish(partial)
    for done_mark in partial.rglob(".*.done"):
        done_mark.unlink()
    (partial / _MARK).unlink()
    give_name(partial, target)


def give_name(partial: Path, target: Path) -> None:
    """Let the new data set take the place of an old one; none that is half removed ever has the name."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)  # of a process that was killed here
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def names_of(images: Sequence[SourceImage]) -> list[str]:
    """A file name for every image, possible on every system and used once per folder."""
    used: set[tuple[str, str, str]] = set()
    names = []
    for image in images:
        stem, suffix = safe_name(image.path.stem), image.path.suffix.lower()
        name, number = stem, 1
        while (image.split, image.domain, one_spelling(name).lower()) in used:
            number += 1
            name = f"{stem}-{number}"
        used.add((image.split, image.domain, one_spelling(name).lower()))
        names.append(name + suffix)
    return names


def write_image(plan: WritingPlan, image: SourceImage, name: str, place: Place) -> None:
    """Write an image, or both of a pair, under one name."""
    stem, whole = Path(name).stem, plan.options.size is None
    if image.partner is not None:
        for domain, path in zip(plan.source.domains, (image.path, image.partner), strict=True):
            keep = whole and stays_as_it_is(path)
            _write_whole(plan, path, f"{image.split}/{domain}/{stem}", place, keep=keep)
        return
    if image.domain:
        keep = whole and stays_as_it_is(image.path, plain=False)
        _write_whole(plan, image.path, f"{image.split}/{image.domain}/{stem}", place, keep=keep)
        return
    targets = [f"{image.split}/{part}/{stem}.{plan.options.image_format}" for part in plan.source.domains]
    if all(place.has(target) for target in targets):
        return
    opened = as_rgb(open_image(image.path))
    half = opened.width // 2
    for n, target in enumerate(targets):
        piece = opened.crop((n * half, 0, (n + 1) * half, opened.height))
        place.picture(np.asarray(_scaled(piece, plan.options)), target)


def _write_whole(plan: WritingPlan, path: Path, name: str, place: Place, *, keep: bool) -> None:
    """Write one whole image under a name that lacks its suffix."""
    if keep:
        place.copy(path, f"{name}{path.suffix.lower()}")
        return
    target = f"{name}.{plan.options.image_format}"
    if not place.has(target):
        place.picture(np.asarray(_scaled(as_rgb(open_image(path)), plan.options)), target)


def write_labelled(
    plan: WritingPlan, source: LabelledSet, labelled: LabelledImage, split: str, name: str, place: Place
) -> int:
    """Write an image and its mask, or their tiles, under one name in ``images`` and ``masks``; returns how many."""
    stem = Path(name).stem
    images, masks = f"{split}/images", f"{split}/masks"
    colors = source.palette
    if plan.options.size is None and plan.options.tile is None and stays_as_it_is(labelled.image):
        place.copy(labelled.image, f"{images}/{stem}{labelled.image.suffix.lower()}")
        place.mask(labelled.mask(), colors, f"{masks}/{stem}.png")
        return 1
    opened = _scaled(as_rgb(open_image(labelled.image)), plan.options)
    label = Image.fromarray(labelled.mask()).resize(opened.size, Image.Resampling.NEAREST)
    pixels, mask = np.asarray(opened), np.asarray(label)
    height, width = mask.shape
    count = 0
    tile = plan.options.tile or max(height, width)
    empty = np.zeros(256, dtype=np.uint8)  # 1 for what makes a tile no more interesting
    empty[[IGNORE, *(n for n, name in enumerate(plan.classes) if name.strip("_") == "background")]] = 1
    for top, left in tile_corners(height, width, tile, plan.options.stride):
        part = f"{stem}_{top:05d}_{left:05d}" if plan.options.tile else stem
        if plan.options.drop_empty and not (empty[mask[top : top + tile, left : left + tile]] == 0).any():
            continue
        cut = np.ascontiguousarray(pixels[top : top + tile, left : left + tile])
        place.picture(cut, f"{images}/{part}.{plan.options.image_format}")
        count += 1
        labels = np.ascontiguousarray(mask[top : top + tile, left : left + tile])
        place.mask(labels, colors, f"{masks}/{part}.png")
    return count


def _write_once(
    plan: WritingPlan, source: LabelledSet, labelled: LabelledImage, split: str, name: str, place: Folder
) -> int:
    """The same, unless an interrupted call has written all of it."""
    done = place.root / split / "masks" / f".{Path(name).stem}.done"  # an image is done when all its tiles are
    if done.exists():
        return int(done.read_text("ascii"))
    count = write_labelled(plan, source, labelled, split, name, place)
    _note_done(done, count)
    return count


def _note_done(path: Path, count: int) -> None:
    """Note that all tiles of an image are there, however many they are."""
    with atomic(path) as temporary:
        temporary.write_text(str(count), "ascii")


def _scaled(image: Image.Image, options: PrepareOptions) -> Image.Image:
    size = options.scaled(*image.size)
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def description(source: Contents, counts: Mapping[str, Mapping[str, int]], tile: int | None) -> dict[str, object]:
    """What stands in ``dataset.yaml``."""
    labels = source.labels
    if labels is not None:
        named = [
            {"name": name, "color": list(color)} for name, color in zip(labels.classes, labels.palette, strict=True)
        ]
        what: dict[str, object] = {"classes": named, "ignore": IGNORE, **({"tile": tile} if tile else {})}
    else:
        what = {"domains": list(source.domains)}
    return {
        "format": 1,
        "kind": source.kind,
        **what,
        "source": source.about,
        "images": {split: dict(by_domain) for split, by_domain in counts.items()},
    }


def write_description(folder: Path, facts: Mapping[str, object]) -> None:
    """Write ``dataset.yaml``."""
    with atomic(folder / "dataset.yaml") as temporary, temporary.open("w", encoding="utf-8") as file:
        _yaml().dump(dict(facts), file)


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    return yaml
