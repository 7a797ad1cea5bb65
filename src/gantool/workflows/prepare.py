"""``gantool prepare``: from the folder a person has to a data set that is known to be good.

A source is recognized, every image is looked at, findings are named, and a canonical copy is written:
``train/DOMAIN/``, ``test/DOMAIN/`` (or ``train/images/`` and ``train/masks/``) and a ``dataset.yaml``. The copy is
made beside its final name and gets that name when it is complete; an interrupted call goes on where it stopped.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from gantool.data.inspect import ImageFacts, channel_statistics, inspect_images
from gantool.data.labels import ClassTable, LabelOptions, read_class_table
from gantool.data.splits import draw_splits
from gantool.errors import DataError, UsageError
from gantool.workflows.prepare_findings import (
    Finding,
    Judged,
    findings_of,
    judge_labels,
    judge_pairs,
    without_duplicates,
)
from gantool.workflows.prepare_named import open_source
from gantool.workflows.prepare_page import write_data_page
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
        remarks: what reading the masks showed, such as how many pixels were moved to the nearest class color.
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
    remarks: tuple[str, ...] = ()


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
    drop_empty: bool = False,
    classes: Sequence[str] | str | Path | None = None,
    ignore: Sequence[int | str] = (),
    attribute: str | None = None,
    snap: float | None = None,
    split: tuple[float, float, float] | None = None,
    seed: int = 0,
    drop_duplicates: bool = False,
    check_only: bool = False,
    report: str | Path | None = None,
    overwrite: bool = False,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Prepared:
    """Check a data set and write a canonical copy of it.

    Args:
        source: a folder, an archive, an annotation file or a named data set (see `gantool.data.catalog`); or
            ``domains``, two plain folders by domain name.
        output: the new data set's folder; default ``data/NAME``.
        names: names of the two halves of side-by-side pairs, left to right.
        kind: settles what the source is where it could be read in two ways.
        size: scale so that the shorter side has this many pixels.
        tile: cut images and masks into squares of this side (segmentation); all tiles of one image share its split.
        stride: from one tile to the next; default the tile's side.
        drop_empty: leave out tiles that show no class but the background.
        classes: class names in the order of their indices, or a file of them, with values or colors where needed
            (see `gantool.data.labels.read_class_table`).
        ignore: stored mask values, colors (``#rrggbb``) or names that belong to no class.
        attribute: of VIA regions, the attribute that holds the class.
        snap: largest distance in RGB from a mask's color to its class.
        split: shares of train, val and test; default the source's own splits, or 10 % for testing.
        seed: changes which images a split draws.
        drop_duplicates: leave out images whose pixels are those of another (see `without_duplicates`).
        check_only: look, write nothing.
        report: also write the page about the data set here; a data set always has its own ``report.html``.
        overwrite: replace an existing data set.
        on_progress: called with what is done, how many images are and how many there are.

    Raises:
        DataError, UsageError, OutputError: with the remedy.
    """
    options = LabelOptions(_table(classes), tuple(str(value) for value in ignore), attribute, snap)
    with nullcontext(None) if source is None else open_source(source, on_progress, keep=check_only) as opened:
        found = recognize(
            opened.path if opened is not None else None,
            domains=domains,
            names=names,
            default_names=opened.domains if opened is not None else None,
            kind=kind or (opened.kind if opened is not None else None),
            labels=options,
        )
        _require_sensible(found, tile, drop_empty)
        name = "2".join(domains) if domains else opened.name if opened is not None else ""
        sources = [opened.path] if opened is not None else [Path(folder) for folder in (domains or {}).values()]
        target = None if check_only else choose_target(name, output, sources, overwrite)
        plan = WritingPlan(
            found.kind, found.domains, size, tile, stride, split, seed, drop_duplicates, drop_empty,
            found.labels.classes if found.labels is not None else (), repr(options),
        )  # fmt: skip
        page = Path(report) if report is not None else None
        return _look_and_write(found, name, plan, target, overwrite, page, on_progress)


def _look_and_write(
    found: SourceSet,
    name: str,
    plan: WritingPlan,
    target: Path | None,
    overwrite: bool,
    page: Path | None,
    on_progress: Callable[[str, int, int], None],
) -> Prepared:
    facts: dict[Path, ImageFacts] = {}
    files = list(found.files())
    for one in inspect_images(files):
        facts[one.path] = one
        on_progress("checking", len(facts), len(files))
    judged = judge_labels(found, facts, on_progress)
    facts |= judged.unusable | judge_pairs(found, facts)
    findings = tuple(findings_of(found, facts, judged.shares))
    usable = [image for image in found.images if not facts[image.path].problem]
    if not usable:
        raise DataError(f"{found.about}: none of its {len(found.images)} images can be used.", findings[0].text)
    dropped: tuple[Path, ...] = ()
    if plan.drop_duplicates:
        usable, dropped = without_duplicates(usable, facts)
    chosen = _split(usable, facts, judged, plan.split, plan.seed)
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
        judged.shares,
        tuple(found.labels.remarks()) if found.labels is not None else (),
    )
    if target is not None:

        def finish(folder: Path) -> None:
            write_data_page(folder / "report.html", target.name, result, judged, chosen)

        whole = replace(plan, images=tuple(chosen))
        write_data_set(whole, target, found, result.counts, overwrite, finish, on_progress)
    if page is not None:
        write_data_page(page, name, result, judged, chosen)
    return result


def _require_sensible(found: SourceSet, tile: int | None, drop_empty: bool) -> None:
    if tile is not None and found.kind != "segmentation":
        raise UsageError("--tile cuts images with their labels, which these are not.")
    if drop_empty and tile is None:
        raise UsageError("--drop-empty leaves out tiles; it needs --tile.")


def _table(classes: Sequence[str] | str | Path | None) -> ClassTable | None:
    if isinstance(classes, str | Path):
        return read_class_table(Path(classes))
    return ClassTable(tuple(classes)) if classes is not None else None


def _statistics(found: SourceSet, facts: Mapping[Path, ImageFacts]) -> dict[str, Mapping[str, tuple[float, float]]]:
    groups: dict[str, list[ImageFacts]] = defaultdict(list)
    for image in found.images:
        if image.partner is not None:
            groups[found.domains[0]].append(facts[image.path])
            groups[found.domains[1]].append(facts[image.partner])
        else:
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
    judged: Judged,
    shares: tuple[float, float, float] | None,
    seed: int,
) -> list[SourceImage]:
    """Assign splits by content: the same images always land in the same split, whatever they are called.

    Without shares the source's own splits are kept; a domain that has none gets 10 % for testing. Images with labels
    are drawn so that every class is in every split, as far as there are enough images of it.
    """
    out: list[SourceImage] = []
    by_domain: dict[str, list[SourceImage]] = defaultdict(list)
    for image in images:
        by_domain[image.domain].append(image)
    for group in by_domain.values():
        if shares is None and any(image.split != "train" for image in group):
            out += group
            continue
        contents = [facts[image.path].content for image in group]
        seen = [judged.seen[image.path] for image in group] if judged.seen else None
        drawn = draw_splits(contents, shares or (0.9, 0.0, 0.1), seed, seen)
        out += [replace(image, split=split) for image, split in zip(group, drawn, strict=True)]
    return out
