"""``gantool prepare``: from the folder a person has to a data set that is known to be good.

A source is recognized, every image is looked at, findings are named, and a canonical copy is written:
``train/DOMAIN/``, ``test/DOMAIN/`` (or ``train/images/`` and ``train/masks/``) and a ``dataset.yaml``. The copy is
made beside its final name and gets that name when it is complete; an interrupted call goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gantool.data.inspect import ImageFacts, channel_statistics, inspect_images
from gantool.errors import DataError, UsageError
from gantool.workflows.prepare_findings import Finding, findings_of, judge_labels, without_duplicates
from gantool.workflows.prepare_sources import SPLITS, Kind, SourceImage, SourceSet, recognize
from gantool.workflows.prepare_writing import WritingPlan, choose_target, write_data_set

__all__ = ["Finding", "Prepared", "SourceImage", "SourceSet", "prepare", "recognize"]


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
        classes: share of the labelled pixels by class, for segmentation.
    """

    source: SourceSet
    output: Path | None
    findings: tuple[Finding, ...]
    counts: Mapping[str, Mapping[str, int]]
    statistics: Mapping[str, Mapping[str, tuple[float, float]]]
    sizes: tuple[tuple[str, int], ...]
    unusable: tuple[Path, ...] = ()
    dropped: tuple[Path, ...] = ()
    classes: Mapping[str, float] = field(default_factory=dict)


def prepare(
    source: str | Path | None = None,
    output: str | Path | None = None,
    *,
    domains: Mapping[str, str] | None = None,
    names: tuple[str, str] | None = None,
    kind: Kind | None = None,
    size: int | None = None,
    tile: int | None = None,
    stride: int | None = None,
    classes: Sequence[str] | None = None,
    ignore: Sequence[int] = (),
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
        tile: cut images and masks into squares of this side (segmentation); all tiles of one image share its split.
        stride: from one tile to the next; default the tile's side.
        classes: class names in the order of their indices, for masks or annotations that do not say.
        ignore: stored mask values that belong to no class.
        split: shares of train, val and test; default the source's own splits, or 10 % for testing.
        seed: changes which images a split draws.
        drop_duplicates: leave out images whose pixels are those of another (see `without_duplicates`).
        check_only: look, write nothing.
        overwrite: replace an existing data set.
        on_progress: called with what is done, how many images are and how many there are.

    Raises:
        DataError, UsageError, OutputError: with the remedy.
    """
    found = recognize(source, domains=domains, names=names, kind=kind, classes=classes, ignore=ignore)
    if tile is not None and found.kind != "segmentation":
        raise UsageError("--tile cuts images with their labels, which these are not.")
    target = None if check_only else choose_target(source, output, domains, overwrite)
    facts: dict[Path, ImageFacts] = {}
    total = len(found.images)
    for one in inspect_images(image.path for image in found.images):
        facts[one.path] = one
        on_progress("checking", len(facts), total)
    shares, bad_labels = judge_labels(found, facts, on_progress)
    facts |= bad_labels
    findings = tuple(findings_of(found, facts, shares))
    usable = [image for image in found.images if not facts[image.path].problem]
    if not usable:
        raise DataError(f"{found.about}: none of its {total} images can be read.", findings[0].text)
    dropped: tuple[Path, ...] = ()
    if drop_duplicates:
        usable, dropped = without_duplicates(usable, facts)
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
        shares,
    )
    if target is not None:
        plan = WritingPlan(found.kind, found.domains, size, tile, stride, split, seed, drop_duplicates, tuple(chosen))
        write_data_set(plan, target, found, result.counts, overwrite, on_progress)
    return result


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
    return {split: counts[split] for split in SPLITS if split in counts}


def _require_both_domains(found: SourceSet, images: Sequence[SourceImage]) -> None:
    for domain in found.domains if found.kind == "unpaired" else ():
        if not any(image.domain == domain and image.split == "train" for image in images):
            raise DataError(f'{found.about}: nothing is left to train on for "{domain}".')


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
