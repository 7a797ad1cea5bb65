"""The canonical copy of a data set in shards: tar files that WebDataset reads as well, and their index.

The shards of a split (and domain) are ``train-summer-000000.tar`` and so on. An image is ``KEY.jpg``, with its mask
``KEY.mask.png``; a pair is ``KEY.a.jpg`` and ``KEY.b.jpg``. The same source and options give the same bytes: files
come in the order of their names and carry neither times nor owners. Nothing is gone on with: a call that was
interrupted leaves a folder with another name, which the next one removes; at an address it leaves a mark
(see `gantool.workflows.prepare.sending`).
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from gantool.data.images import as_rgb
from gantool.data.inspect import content_hash
from gantool.data.parallel.threads import in_order
from gantool.data.sources.contents import SourceImage
from gantool.data.splits import SPLITS
from gantool.files import safe_name
from gantool.shards.index import INDEX, NONE, IndexBuilder, Seen
from gantool.shards.tar import TarFile
from gantool.workflows.prepare.options import ShardLimit
from gantool.workflows.prepare.places import Memory
from gantool.workflows.prepare.plan import WritingPlan, description, names_of, write_description
from gantool.workflows.prepare.rendering import LabelStyle, write_image, write_labelled
from gantool.workflows.prepare.sending import SetAtAddress
from gantool.workflows.prepare.target import give_name, writing_to

__all__ = ["write_shards"]

_HEADER = 512  # bytes before every file of a tar file, and what its size is rounded up to

Files = list[tuple[str, bytes]]
"""Contents by their names, as they would be in a folder."""

Sample = tuple[Files, Seen | None]
"""What belongs together: an image, with its mask or partner."""


def write_shards(
    plan: WritingPlan,
    target: Path | SetAtAddress,
    counts: Mapping[str, Mapping[str, int]],
    finish: Callable[[Path], None],
    on_progress: Callable[[str, int, int], None],
) -> tuple[dict[str, int], int]:
    """Write everything beside the target, call ``finish`` with that folder, and give it its name.

    What goes to an address is sent shard by shard instead.

    Returns:
        The images (or tiles) by split, and how many shards there are.

    Raises:
        OutputError: the target's folder cannot be written to, or the disk is full; or it cannot be sent.
    """
    if isinstance(target, SetAtAddress):
        with target.writing(replace=plan.options.overwrite) as sending:
            written, shards = _write(plan, sending.folder, counts, finish, on_progress, sending.send)
            sending.complete()
        return written, shards
    partial = target.with_name(f"{target.name}.partial")
    with writing_to(target):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        written, shards = _write(plan, partial, counts, finish, on_progress, lambda shard: None)
        give_name(partial, target)
    return written, shards


def _write(
    plan: WritingPlan,
    folder: Path,
    counts: Mapping[str, Mapping[str, int]],
    finish: Callable[[Path], None],
    on_progress: Callable[[str, int, int], None],
    on_shard: Callable[[Path], None],
) -> tuple[dict[str, int], int]:
    builder, written, done = IndexBuilder(), dict[str, int](), 0
    labels, style = plan.source.label_of(), LabelStyle.of(plan)

    def render(one: tuple[SourceImage, str]) -> list[Sample]:
        image, name = one
        place = Memory()
        if plan.source.labels is not None:
            write_labelled(style, labels[image.path], image.split, name, place)
        else:
            write_image(plan.options, plan.source.domains, image, name, place)
        return [*_samples(place.files, paired=not image.domain, labelled=plan.source.labels is not None)]

    for (split, domain), images in _groups(plan).items():
        stem = f"{split}-{safe_name(domain)}" if domain else split
        line = _Line(folder, stem, plan.options.shard_limit(), builder, on_shard)
        with line:
            for samples in in_order(render, images):
                for files, seen in samples:
                    line.add(split, domain, files, seen)
                    written[split] = written.get(split, 0) + 1
                done += 1
                on_progress("writing", done, len(plan.images))
    facts = description(plan.source, counts, plan.options.tile)
    write_description(folder, facts)
    finish(folder)
    builder.write(folder / INDEX, facts, checked=True)
    return written, len(builder.shards)


def _groups(plan: WritingPlan) -> dict[tuple[str, str], list[tuple[SourceImage, str]]]:
    """Images with their names, by split and domain, in the order in which a folder of them would be read."""
    named = sorted(zip(plan.images, names_of(plan.images), strict=True), key=lambda one: one[1])
    domains = plan.source.domains if plan.source.kind == "unpaired" else ("",)
    groups = {(split, domain): [one for one in named if (one[0].split, one[0].domain) == (split, domain)]
              for split in SPLITS for domain in domains}  # fmt: skip
    return {key: images for key, images in groups.items() if images}


def _samples(files: Files, *, paired: bool, labelled: bool) -> Iterator[Sample]:
    """Cut what was made of one image into samples of one or two files."""
    step = 2 if paired else 1
    for start in range(0, len(files), step):
        sample = files[start : start + step]
        yield sample, _seen(sample[0][1], sample[1][1]) if labelled else None


def _seen(image: bytes, mask: bytes) -> Seen:
    """What a training asks of all images with labels, so that it needs not read them for it."""
    with Image.open(io.BytesIO(image)) as opened:
        content = content_hash(np.asarray(as_rgb(opened)))
    with Image.open(io.BytesIO(mask)) as opened:
        return Seen(content, np.bincount(np.asarray(opened).ravel(), minlength=256))


@dataclass
class _Line:
    """Shards of one group, one after the other."""

    folder: Path
    stem: str
    limit: ShardLimit
    builder: IndexBuilder
    on_shard: Callable[[Path], None]
    _open: TarFile | None = None
    _number: int = 0
    _inside: int = 0
    _keys: set[str] = field(default_factory=set)

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._open is not None:
            if kind is None:
                self._close()
            else:
                self._open.__exit__(None, None, None)

    def add(self, split: str, domain: str, files: Files, seen: Seen | None) -> None:
        """Append a sample."""
        coming = sum(_HEADER + len(content) + -len(content) % _HEADER for _, content in files)
        if self._open is not None and self.limit.is_full(self._inside, self._open.size + coming):
            self._close()
        if self._open is None:
            self._open = TarFile(self.folder / f"{self.stem}-{self._number:06d}.tar")
            self._number, self._inside = self._number + 1, 0
        shard, key = len(self.builder.shards), self._key(Path(files[0][0]).stem)
        numbers = [
            self.builder.add(shard, self._open.add(f"{key}{ending}", content))
            for (_, content), ending in zip(files, _endings(files), strict=True)
        ]
        place = Path(files[0][0]).name
        self.builder.sample(split, domain, place, numbers[0], numbers[1] if len(numbers) > 1 else NONE, seen)
        self._inside += 1

    def _close(self) -> None:
        assert self._open is not None
        shard, self._open = self._open.close(), None
        self.builder.shards.append(shard)
        self.on_shard(self.folder / shard.name)

    def _key(self, stem: str) -> str:
        """A name without dots, at the first of which WebDataset ends it, used once."""
        plain = stem.replace(".", "_")
        key, number = plain, 1
        while key.lower() in self._keys:
            number += 1
            key = f"{plain}-{number}"
        self._keys.add(key.lower())
        return key


def _endings(files: Files) -> Iterable[str]:
    """What follows the key in the names of a sample's files."""
    suffixes = [Path(name).suffix.lower() for name, _ in files]
    if len(files) == 1:
        return suffixes
    folders = [name.split("/")[1] for name, _ in files]
    if folders == ["images", "masks"]:
        return suffixes[0], f".mask{suffixes[1]}"
    return f".a{suffixes[0]}", f".b{suffixes[1]}"
