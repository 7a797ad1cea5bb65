"""What a copy of a data set will be: what is done to its images, what they are called, and what is said of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML

from gantool.arrays import IGNORE
from gantool.data.sources.contents import Contents, SourceImage
from gantool.data.sources.labels import LabelOptions
from gantool.data.sources.labels.pairing import one_spelling
from gantool.files import atomic, safe_name
from gantool.shards.members import file_facts
from gantool.workflows.prepare.options import PrepareOptions

__all__ = ["WritingPlan", "description", "names_of", "write_description"]


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
        return ["prepare", self.key(), self.options.check_only, self.options.link, facts]

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
