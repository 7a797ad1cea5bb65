"""The canonical copy of a data set: written beside its final name, and gone on with if that was interrupted."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from gantool.arrays import IGNORE, class_colors
from gantool.data.images import open_image
from gantool.data.masks import write_mask
from gantool.data.sources.contents import Contents, SourceImage
from gantool.data.sources.labels import LabelledImage, LabelledSet, LabelOptions
from gantool.data.tiles import tile_corners
from gantool.errors import OutputError
from gantool.files import atomic, safe_name
from gantool.workflows.prepare.options import PrepareOptions

__all__ = ["WritingPlan", "choose_target", "write_data_set"]

_COPIED = frozenset({".jpg", ".jpeg", ".png", ".webp"})  # kept as they are where nothing about them must change


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

    def key(self) -> str:
        """The same for calls that write the same."""
        asked, found = self.options, self.source
        text = json.dumps(
            [found.kind, found.domains, asked.size, asked.tile, asked.stride, asked.split, asked.seed,
             asked.drop_duplicates, asked.drop_empty, self.classes, repr(self.labels),
             [(str(image.path), image.split, image.domain) for image in self.images]]
        )  # fmt: skip
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names by index; none where there are no labels."""
        return self.source.labels.classes if self.source.labels is not None else ()


def choose_target(name: str, sources: Sequence[Path], options: PrepareOptions) -> Path:
    """The new data set's folder, ``data/NAME`` unless it is given.

    Raises:
        OutputError: it exists, or lies within a source.
    """
    target = Path(options.output) if options.output is not None else Path("data") / safe_name(name)
    if target.exists() and not (options.overwrite and (target / "dataset.yaml").is_file()):
        raise OutputError(
            f"{target}: exists already.",
            "Choose another -o, or --overwrite a data set that gantool wrote.",
        )
    for folder in sources:
        if folder.resolve() in (target.resolve(), *target.resolve().parents):
            raise OutputError(f"{target}: lies within its own source {folder}.", "Choose another -o.")
    return target


def write_data_set(
    plan: WritingPlan,
    target: Path,
    counts: Mapping[str, Mapping[str, int]],
    finish: Callable[[Path], None],
    on_progress: Callable[[str, int, int], None],
) -> None:
    """Write everything beside the target, call ``finish`` with that folder, and give it its name."""
    partial = target.with_name(f"{target.name}.partial")
    mark = partial / "plan.txt"
    if partial.exists() and (not mark.is_file() or mark.read_text("utf-8") != plan.key()):
        shutil.rmtree(partial)  # of a call with other options
    partial.mkdir(parents=True, exist_ok=True)
    with atomic(mark) as temporary:
        temporary.write_text(plan.key(), "utf-8")
    names = _names(plan.images)
    source, labels = plan.source, plan.source.label_of()
    for done, (image, name) in enumerate(zip(plan.images, names, strict=True), 1):
        if source.labels is not None:
            _write_labelled(plan, source.labels, labels[image.path], image.split, name, partial)
        else:
            _write_image(plan, image, name, partial)
        on_progress("writing", done, len(plan.images))
    with atomic(partial / "dataset.yaml") as temporary, temporary.open("w", encoding="utf-8") as file:
        _yaml().dump(_description(source, counts, plan.options.tile), file)
    finish(partial)
    for done_mark in partial.rglob(".*.done"):
        done_mark.unlink()
    mark.unlink()
    if plan.options.overwrite and target.exists():
        shutil.rmtree(target)
    partial.rename(target)


def _names(images: Sequence[SourceImage]) -> list[str]:
    """A file name for every image, possible on every system and used once per folder."""
    used: set[tuple[str, str, str]] = set()
    names = []
    for image in images:
        stem, suffix = safe_name(image.path.stem), image.path.suffix.lower()
        name, number = stem, 1
        while (image.split, image.domain, name.lower()) in used:
            number += 1
            name = f"{stem}-{number}"
        used.add((image.split, image.domain, name.lower()))
        names.append(name + suffix)
    return names


def _write_image(plan: WritingPlan, image: SourceImage, name: str, root: Path) -> None:
    if plan.source.kind == "unpaired" and plan.options.size is None and image.path.suffix.lower() in _COPIED:
        target = root / image.split / image.domain / name
        if not target.exists():
            with atomic(target) as temporary:
                shutil.copyfile(image.path, temporary)
        return
    parts = [image.domain] if image.domain else list(plan.source.domains)
    targets = [root / image.split / part / f"{Path(name).stem}.png" for part in parts]
    if all(target.exists() for target in targets):
        return
    opened = open_image(image.path).convert("RGB")
    half = opened.width // 2
    if image.partner is not None:
        pieces = [opened, open_image(image.partner).convert("RGB")]
    elif image.domain:
        pieces = [opened]
    else:
        pieces = [opened.crop((n * half, 0, (n + 1) * half, opened.height)) for n in (0, 1)]
    for piece, target in zip(pieces, targets, strict=True):
        with atomic(target) as temporary:
            _scaled(piece, plan.options.size).save(temporary, format="PNG")


def _write_labelled(
    plan: WritingPlan, source: LabelledSet, labelled: LabelledImage, split: str, name: str, root: Path
) -> None:
    """Write an image and its mask, or their tiles, under one name in ``images`` and ``masks``."""
    stem = Path(name).stem
    images, masks = root / split / "images", root / split / "masks"
    done = masks / f".{stem}.done"  # an image is done when all its tiles are
    if done.exists():
        return
    colors = class_colors(256)
    if source.colors is not None:
        colors[: len(source.colors)] = source.colors
    opened = _scaled(open_image(labelled.image).convert("RGB"), plan.options.size)
    label = Image.fromarray(labelled.mask()).resize(opened.size, Image.Resampling.NEAREST)
    pixels, mask = np.asarray(opened), np.asarray(label)
    height, width = mask.shape
    tile = plan.options.tile or max(height, width)
    empty = np.zeros(256, dtype=np.uint8)  # 1 for what makes a tile no more interesting
    empty[[IGNORE, *(n for n, name in enumerate(plan.classes) if name.strip("_") == "background")]] = 1
    for top, left in tile_corners(height, width, tile, plan.options.stride):
        part = f"{stem}_{top:05d}_{left:05d}" if plan.options.tile else stem
        if plan.options.drop_empty and not (empty[mask[top : top + tile, left : left + tile]] == 0).any():
            continue
        with atomic(images / f"{part}.png") as temporary:
            Image.fromarray(pixels[top : top + tile, left : left + tile]).save(temporary, format="PNG")
        write_mask(masks / f"{part}.png", np.ascontiguousarray(mask[top : top + tile, left : left + tile]), colors)
    done.touch()


def _scaled(image: Image.Image, size: int | None) -> Image.Image:
    if size is None or min(image.size) == size:
        return image
    grow = size / min(image.size)
    return image.resize(
        (max(round(image.width * grow), size), max(round(image.height * grow), size)), Image.Resampling.LANCZOS
    )


def _description(source: Contents, counts: Mapping[str, Mapping[str, int]], tile: int | None) -> dict[str, object]:
    labels = source.labels
    if labels is not None:
        colors = labels.colors or class_colors(len(labels.classes))
        named = [{"name": name, "color": list(color)} for name, color in zip(labels.classes, colors, strict=True)]
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


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    return yaml
