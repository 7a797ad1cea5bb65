"""``gantool prepare``: from the folder a person has to a data set that is known to be good.

A source is recognized, every image is looked at, findings are named, and a canonical copy is written:
``train/DOMAIN/``, ``test/DOMAIN/`` and a ``dataset.yaml``. The copy is made beside its final name and gets that name
when it is complete; a call that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from PIL import Image
from ruamel.yaml import YAML

from gantool.data.images import find_images, open_image
from gantool.data.inspect import (
    ImageFacts,
    channel_statistics,
    exact_duplicates,
    inspect_images,
    near_duplicates,
)
from gantool.data.layouts import find_unpaired
from gantool.errors import DataError, OutputError, UsageError
from gantool.files import atomic, safe_name

Kind = Literal["unpaired", "paired"]

__all__ = ["Finding", "Prepared", "SourceImage", "SourceSet", "prepare", "recognize"]

_COPIED = frozenset({".jpg", ".jpeg", ".png", ".webp"})  # kept as they are where nothing about them must change
_SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class SourceImage:
    """An image of the source; ``domain`` is empty where one image holds both halves of a pair."""

    path: Path
    split: str
    domain: str = ""


@dataclass(frozen=True)
class SourceSet:
    """What a source was recognized as."""

    kind: Kind
    about: str
    domains: tuple[str, str]
    images: tuple[SourceImage, ...]


@dataclass(frozen=True)
class Finding:
    """Something about the data that its owner should know; ``serious`` ones make a check fail."""

    kind: str
    text: str
    serious: bool = True


@dataclass(frozen=True)
class Prepared:
    """What `prepare` found and wrote.

    Attributes:
        output: the new data set, or None where it was only looked at.
        counts: images by split and domain, as written.
        statistics: per domain, mean and standard deviation of every channel in [0, 1].
        sizes: the most frequent image sizes with their counts.
        unusable: images that were left out because they cannot be read.
        dropped: images that were left out as duplicates.
    """

    source: SourceSet
    output: Path | None
    findings: tuple[Finding, ...]
    counts: Mapping[str, Mapping[str, int]]
    statistics: Mapping[str, Mapping[str, tuple[float, float]]]
    sizes: tuple[tuple[str, int], ...]
    unusable: tuple[Path, ...] = ()
    dropped: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _Plan:
    """What is done to every image; decides whether an interrupted call can be gone on with."""

    kind: Kind
    domains: tuple[str, str]
    size: int | None
    split: tuple[float, float, float] | None
    seed: int
    drop_duplicates: bool
    images: tuple[SourceImage, ...] = field(repr=False, default=())

    def key(self) -> str:
        text = json.dumps(
            [self.kind, self.domains, self.size, self.split, self.seed, self.drop_duplicates,
             [(str(image.path), image.split, image.domain) for image in self.images]]
        )  # fmt: skip
        return hashlib.sha256(text.encode()).hexdigest()


def prepare(
    source: str | Path | None = None,
    output: str | Path | None = None,
    *,
    domains: Mapping[str, str] | None = None,
    names: tuple[str, str] | None = None,
    kind: Kind | None = None,
    size: int | None = None,
    split: tuple[float, float, float] | None = None,
    seed: int = 0,
    drop_duplicates: bool = False,
    check_only: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Prepared:
    """Check a data set and write a canonical copy of it.

    Args:
        source: the folder; or ``domains``, two plain folders by domain name.
        output: the new data set's folder; default ``data/NAME``.
        names: names of the two halves of side-by-side pairs, left to right.
        kind: settles what the source is where it could be read in two ways.
        size: scale so that the shorter side has this many pixels.
        split: shares of train, val and test; default the source's own splits, or 10 % for testing.
        seed: changes which images a split draws.
        drop_duplicates: leave out images whose pixels are those of another (see `_without_duplicates`).
        check_only: look, write nothing.
        overwrite: replace an existing data set.
        on_progress: called with what is done, how many images are and how many there are.

    Raises:
        DataError, UsageError, OutputError: with the remedy.
    """
    found = recognize(source, domains=domains, names=names, kind=kind)
    target = None if check_only else _target(source, output, domains, overwrite)
    facts: dict[Path, ImageFacts] = {}
    total = len(found.images)
    for one in inspect_images(image.path for image in found.images):
        facts[one.path] = one
        on_progress("checking", len(facts), total)
    findings = tuple(_findings(found, facts))
    usable = [image for image in found.images if not facts[image.path].problem]
    if not usable:
        raise DataError(f"{found.about}: none of its {total} images can be read.", findings[0].text)
    dropped: tuple[Path, ...] = ()
    if drop_duplicates:
        usable, dropped = _without_duplicates(usable, facts)
    chosen = _split(usable, facts, split, seed)
    _require_both_domains(found, chosen)
    result = Prepared(
        found,
        target,
        findings,
        _counts(found, chosen),
        _statistics(found, facts),
        tuple(_sizes(facts.values())),
        tuple(image.path for image in found.images if facts[image.path].problem),
        dropped,
    )
    if target is not None:
        plan = _Plan(found.kind, found.domains, size, split, seed, drop_duplicates, tuple(chosen))
        _write(plan, target, result, overwrite, on_progress)
    return result


# -- recognizing --


def recognize(
    source: str | Path | None,
    *,
    domains: Mapping[str, str] | None = None,
    names: tuple[str, str] | None = None,
    kind: Kind | None = None,
) -> SourceSet:
    """Find out what a source is.

    Raises:
        DataError: it is nothing that is known, with what was expected.
        UsageError: two readings are possible.
    """
    if domains:
        return _as_unpaired(None, domains)
    if source is None:
        raise UsageError("No source named.", "Name a folder, or two: --domain summer=DIR1 --domain winter=DIR2.")
    root = Path(source)
    if not root.is_dir():
        what = "is a file, expected a folder" if root.is_file() else "there is no such folder"
        raise DataError(f"{source}: {what}.")
    halves = _side_by_side(root, force=kind == "paired")
    if kind == "paired" or (halves is not None and kind is None):
        if halves is None:
            raise DataError(f"{source}: expected images of two halves, in the folder or in train, val and test.")
        left, right = names or ("left", "right")
        counts = ", ".join(f"{n} {split}" for split, n in Counter(image.split for image in halves).items())
        return SourceSet(
            "paired", f"{source}: pairs side by side in one image ({counts})", (left, right), tuple(halves)
        )
    if names is not None:
        raise UsageError("--domains names the halves of side-by-side pairs, which these are not.", "Use --as paired.")
    return _as_unpaired(root, None)


def _as_unpaired(root: Path | None, domains: Mapping[str, str] | None) -> SourceSet:
    files = find_unpaired(root, domains=domains, holdout=0)
    images = [
        SourceImage(path, split, domain.name)
        for domain in (files.a, files.b)
        for split, paths in (("train", domain.train), ("test", domain.test))
        for path in paths
    ]
    return SourceSet(
        "unpaired", f"{files.layout}: two domains without pairs", (files.a.name, files.b.name), tuple(images)
    )


def _side_by_side(root: Path, *, force: bool) -> list[SourceImage] | None:
    """Images of two halves in ``root`` or in its train, val and test folders; None if they do not look like that.

    They do if every one of the first images is exactly twice as wide as high.
    """
    folders = {split: root / split for split in _SPLITS if (root / split).is_dir() and find_images(root / split)}
    if not folders and find_images(root):
        folders = {"train": root}
    images = [SourceImage(path, split) for split, folder in folders.items() for path in find_images(folder)]
    if not images:
        return None
    if force:
        return images
    for image in images[:12]:
        try:
            with Image.open(image.path) as opened:
                width, height = opened.size
        except OSError:
            continue
        if width != 2 * height:
            return None
    return images


# -- findings --


def _findings(found: SourceSet, facts: Mapping[Path, ImageFacts]) -> Iterator[Finding]:
    place = {image.path: image for image in found.images}
    for one in facts.values():
        if one.problem:
            yield Finding("unusable", one.problem)
        elif found.kind == "paired" and one.width % 2:
            yield Finding("odd width", f"{one.path}: is {one.width} pixels wide, its halves differ.")
    for group in exact_duplicates(facts.values()):
        where = {(place[one.path].split, place[one.path].domain) for one in group}
        paths = " = ".join(str(one.path) for one in group)
        yield Finding(_kind_of_duplicate(where), paths)
    for first, second, distance in near_duplicates(list(facts.values())):
        text = f"{first.path} ~ {second.path} ({distance} of 64 fingerprint bits differ)"
        yield Finding("near duplicates", text, serious=False)


def _kind_of_duplicate(where: set[tuple[str, str]]) -> str:
    if len({domain for _, domain in where}) > 1:
        return "the same image in both domains"
    if len({split for split, _ in where}) > 1:
        return "the same image in training and test"
    return "the same image twice"


def _without_duplicates(
    images: Sequence[SourceImage], facts: Mapping[Path, ImageFacts]
) -> tuple[list[SourceImage], tuple[Path, ...]]:
    """Leave out images with the same pixels as another.

    An image in both domains belongs to neither and leaves the training; of one in training and test the copy in
    training goes; of several in one place the first stays. Test images of one domain that are training images of
    the other stay in the test.
    """
    groups: dict[str, list[SourceImage]] = defaultdict(list)
    for image in images:
        groups[facts[image.path].content].append(image)
    dropped: list[Path] = []
    for group in groups.values():
        tested = {image.domain for image in group if image.split != "train"}
        ambiguous = len({image.domain for image in group}) > 1
        seen: set[tuple[bool, str]] = set()
        for image in group:
            training = image.split == "train"
            again = (training, image.domain) in seen
            if again or (training and (ambiguous or image.domain in tested)):
                dropped.append(image.path)
            seen.add((training, image.domain))
    gone = set(dropped)
    return [image for image in images if image.path not in gone], tuple(dropped)


def _statistics(found: SourceSet, facts: Mapping[Path, ImageFacts]) -> dict[str, Mapping[str, tuple[float, float]]]:
    groups: dict[str, list[ImageFacts]] = defaultdict(list)
    for image in found.images:
        groups[image.domain or " and ".join(found.domains)].append(facts[image.path])
    return {domain: channel_statistics(group) for domain, group in groups.items()}


def _sizes(facts: Iterable[ImageFacts]) -> list[tuple[str, int]]:
    counts = Counter(f"{one.width}x{one.height}" for one in facts if not one.problem)
    return counts.most_common(8)


def _counts(found: SourceSet, images: Sequence[SourceImage]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for image in images:
        for domain in [image.domain] if image.domain else found.domains:
            by_domain = counts.setdefault(image.split, {})
            by_domain[domain] = by_domain.get(domain, 0) + 1
    return {split: counts[split] for split in _SPLITS if split in counts}


def _require_both_domains(found: SourceSet, images: Sequence[SourceImage]) -> None:
    for domain in found.domains if found.kind == "unpaired" else ():
        if not any(image.domain == domain and image.split == "train" for image in images):
            raise DataError(f'{found.about}: nothing is left to train on for "{domain}".')


# -- splitting --


def _split(
    images: Sequence[SourceImage],
    facts: Mapping[Path, ImageFacts],
    shares: tuple[float, float, float] | None,
    seed: int,
) -> list[SourceImage]:
    """Assign splits by content: the same images always land in the same split, whatever they are called.

    Without shares the source's own splits are kept; a domain that has none gets 10 % for testing.
    """
    out: list[SourceImage] = []
    by_domain: dict[str, list[SourceImage]] = defaultdict(list)
    for image in images:
        by_domain[image.domain].append(image)
    for group in by_domain.values():
        if shares is None and any(image.split != "train" for image in group):
            out += group
            continue
        out += _drawn(group, facts, shares or (0.9, 0.0, 0.1), seed)
    return out


def _drawn(
    images: Sequence[SourceImage], facts: Mapping[Path, ImageFacts], shares: tuple[float, float, float], seed: int
) -> Iterator[SourceImage]:
    same: dict[str, list[SourceImage]] = defaultdict(list)
    for image in images:
        same[hashlib.sha256(f"{seed}:{facts[image.path].content}".encode()).hexdigest()].append(image)
    total = sum(shares)
    ends = [round(len(images) * sum(shares[n:]) / total) for n in (2, 1)]  # test first, then val, train is the rest
    done = 0
    for key in sorted(same):
        split = "test" if done < ends[0] else "val" if done < ends[1] else "train"
        done += len(same[key])
        yield from (replace(image, split=split) for image in same[key])


# -- writing --


def _target(
    source: str | Path | None, output: str | Path | None, domains: Mapping[str, str] | None, overwrite: bool
) -> Path:
    if output is not None:
        target = Path(output)
    else:
        name = "2".join(domains) if domains else Path(source or ".").resolve().name
        target = Path("data") / safe_name(name)
    if target.exists() and not (overwrite and (target / "dataset.yaml").is_file()):
        raise OutputError(
            f"{target}: exists already.",
            "Choose another -o, or --overwrite a data set that gantool wrote.",
        )
    for folder in [Path(source)] if source is not None else [Path(path) for path in (domains or {}).values()]:
        if folder.resolve() in (target.resolve(), *target.resolve().parents):
            raise OutputError(f"{target}: lies within its own source {folder}.", "Choose another -o.")
    return target


def _write(
    plan: _Plan, target: Path, result: Prepared, overwrite: bool, on_progress: Callable[[str, int, int], None]
) -> None:
    partial = target.with_name(f"{target.name}.partial")
    mark = partial / "plan.txt"
    if partial.exists() and (not mark.is_file() or mark.read_text("utf-8") != plan.key()):
        shutil.rmtree(partial)  # of a call with other options
    partial.mkdir(parents=True, exist_ok=True)
    with atomic(mark) as temporary:
        temporary.write_text(plan.key(), "utf-8")
    names = _names(plan.images)
    for done, (image, name) in enumerate(zip(plan.images, names, strict=True), 1):
        _write_image(plan, image, name, partial)
        on_progress("writing", done, len(plan.images))
    with atomic(partial / "dataset.yaml") as temporary, temporary.open("w", encoding="utf-8") as file:
        _yaml().dump(_description(result), file)
    mark.unlink()
    if overwrite and target.exists():
        shutil.rmtree(target)
    partial.rename(target)


def _names(images: Sequence[SourceImage]) -> list[str]:
    """A file name for every image, possible on every system and used once per folder."""
    used: set[tuple[str, str, str]] = set()
    names = []
    for image in images:
        stem, suffix = safe_name(image.path.stem)[:120], image.path.suffix.lower()
        name, number = stem, 1
        while (image.split, image.domain, name.lower()) in used:
            number += 1
            name = f"{stem}-{number}"
        used.add((image.split, image.domain, name.lower()))
        names.append(name + suffix)
    return names


def _write_image(plan: _Plan, image: SourceImage, name: str, root: Path) -> None:
    if plan.kind == "unpaired" and plan.size is None and image.path.suffix.lower() in _COPIED:
        target = root / image.split / image.domain / name
        if not target.exists():
            with atomic(target) as temporary:
                shutil.copyfile(image.path, temporary)
        return
    parts = [image.domain] if image.domain else list(plan.domains)
    targets = [root / image.split / part / f"{Path(name).stem}.png" for part in parts]
    if all(target.exists() for target in targets):
        return
    opened = open_image(image.path).convert("RGB")
    half = opened.width // 2
    pieces = [opened] if image.domain else [opened.crop((n * half, 0, (n + 1) * half, opened.height)) for n in (0, 1)]
    for piece, target in zip(pieces, targets, strict=True):
        with atomic(target) as temporary:
            _scaled(piece, plan.size).save(temporary, format="PNG")


def _scaled(image: Image.Image, size: int | None) -> Image.Image:
    if size is None or min(image.size) == size:
        return image
    grow = size / min(image.size)
    return image.resize(
        (max(round(image.width * grow), size), max(round(image.height * grow), size)), Image.Resampling.LANCZOS
    )


def _description(result: Prepared) -> dict[str, object]:
    return {
        "format": 1,
        "kind": result.source.kind,
        "domains": list(result.source.domains),
        "source": result.source.about,
        "images": {split: dict(counts) for split, counts in result.counts.items()},
    }


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    return yaml
