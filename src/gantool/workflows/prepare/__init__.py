"""``gantool prepare``: from the folder a person has to a data set that is known to be good.

A source is recognized, every image is looked at, findings are named, and a canonical copy is written:
``train/DOMAIN/``, ``test/DOMAIN/`` (or ``train/images/`` and ``train/masks/``) and a ``dataset.yaml``. The copy is
made beside its final name and gets that name when it is complete; an interrupted call goes on where it stopped.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Literal

from gantool.data.inspect import ImageFacts, channel_statistics
from gantool.data.sources.contents import Contents, SourceImage
from gantool.data.sources.find import find_source
from gantool.data.sources.labels import LabelOptions
from gantool.data.sources.names import Kind, Opened, opened
from gantool.data.splits import SPLITS, draw_splits
from gantool.errors import DataError, OutputError, UsageError, counted
from gantool.files import safe_name
from gantool.locks import WITHOUT_LOCKS
from gantool.workflows.prepare.findings import (
    Finding,
    LabelFacts,
    check_pairs,
    findings_of,
    without_duplicates,
)
from gantool.workflows.prepare.looking import LOOKED, Seen, look, look_share, look_together, seen_by_all
from gantool.workflows.prepare.options import PrepareOptions
from gantool.workflows.prepare.page import write_data_page
from gantool.workflows.prepare.plan import WritingPlan
from gantool.workflows.prepare.result import Prepared
from gantool.workflows.prepare.sending import SetAtAddress
from gantool.workflows.prepare.sharding import write_shards
from gantool.workflows.prepare.target import choose_target, lock_target, require_free
from gantool.workflows.prepare.writing import write_data_set
from gantool.workflows.shares.parts import Parts
from gantool.workflows.shares.share import ALONE

__all__ = ["Finding", "PrepareOptions", "Prepared", "prepare", "prepare_data", "prepare_share"]

Progress = Callable[[str, int, int], None]


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
    image_format: Literal["png", "jpg", "webp"] = "png",
    link: bool = False,
    shards: bool = False,
    shard_size: str | None = None,
    on_progress: Progress = lambda what, done, total: None,
) -> Prepared:
    """Check a data set and write a canonical copy of it.

    The arguments are those of `PrepareOptions`, and:
        on_progress: called with a description, the number of images done and their total.

    Raises:
        DataError, UsageError, OutputError: with the remedy.
    """
    options = PrepareOptions(
        source, output, domains, names, kind, size, tile, stride, drop_empty, classes, ignore, attribute, snap, split,
        seed, drop_duplicates, check_only, report, overwrite, image_format, link,
        shards=shards, shard_size=shard_size,
    )  # fmt: skip
    return prepare_data(options, on_progress)


def prepare_data(options: PrepareOptions, on_progress: Progress) -> Prepared:
    """Check a data set and write a canonical copy of it.

    Raises:
        DataError, UsageError, OutputError: with the remedy.
    """
    prepared = _prepared(options, on_progress, lambda parts: None)
    assert prepared is not None
    return prepared


def prepare_share(options: PrepareOptions, on_progress: Progress, left: Callable[[Parts], None]) -> Prepared | None:
    """Look at a share of the images and write a share of the copy; the last share completes it.

    A dry run of a share is that of all.

    Args:
        left: called at the end by a share that is not the last.

    Returns:
        None for a share that is not the last.

    Raises:
        DataError, UsageError, OutputError: with the remedy; or another process does this share.
    """
    if options.source is not None and not Path(options.source).is_dir():
        raise UsageError(
            f"{options.source}: shares are of the images in a folder, which this is not.",
            "Unpack it first, or leave --shard and --devices out.",
        )
    if options.dry_run:  # parts of it would have to be written
        options.require_possible()
        return prepare_data(replace(options, share=ALONE), on_progress)
    return _prepared(options, on_progress, left)


def _prepared(options: PrepareOptions, on_progress: Progress, left: Callable[[Parts], None]) -> Prepared | None:
    options.require_possible()
    labels = options.about_labels()
    with _opened(options, on_progress) as source, ExitStack() as stack:
        found = find_source(
            source.data,
            names=options.names,
            default_names=source.domains,
            kind=options.kind or source.kind,
            options=labels,
        ).contents(to_check=options.check_only and options.kind is None)
        _require_sensible(found, options, labels)
        target = (
            None if options.check_only or options.dry_run else choose_target(source.name, source.folders(), options)
        )
        plan = WritingPlan(options, labels, found)
        if not options.share.is_alone:
            return _prepared_together(plan, source.name, target, on_progress, left)
        locked = True
        if isinstance(target, Path):
            locked = stack.enter_context(lock_target(target))
            require_free(target, options)  # now that nobody else makes it
        result = _decide_and_write(plan, look(found, on_progress), source.name, target, on_progress)
        assert result is not None
        remarks = () if locked else (WITHOUT_LOCKS.format(path=target),)
        return replace(result, remarks=(*remarks, *result.remarks))


def _opened(options: PrepareOptions, on_progress: Progress) -> AbstractContextManager[Opened]:
    """The source, or the two folders by domain name."""
    if options.source is not None:
        return opened(options.source, on_progress, keep=options.check_only or options.dry_run)
    if options.domains:
        return nullcontext(Opened(options.domains, "2".join(options.domains)))
    raise UsageError("No source named.", "Name a folder, or two: --domain summer=DIR1 --domain winter=DIR2.")


def _prepared_together(
    plan: WritingPlan,
    name: str,
    target: Path | SetAtAddress | None,
    on_progress: Progress,
    left: Callable[[Parts], None],
) -> Prepared | None:
    assert not isinstance(target, SetAtAddress)  # shards are written by one process
    folder = (target or Path(plan.options.output or name)).parent
    parts = Parts(plan.options.share, folder, plan.question(), again=True)
    try:
        with parts.working() as real:
            if not real:
                raise OutputError(
                    f"{folder}: the file system has no locks, which shares of a data set need.", "Choose another -o."
                )
            if target is None:
                return _looked_together(plan, name, on_progress, parts, left)
            seen = look_together(plan.source, parts, on_progress)
            result = None if seen is None else _decide_and_write(plan, seen, name, target, on_progress, parts)
            if result is None:
                left(parts)
            return result
    finally:
        parts.tidy()


def _looked_together(
    plan: WritingPlan, name: str, on_progress: Progress, parts: Parts, left: Callable[[Parts], None]
) -> Prepared | None:
    """Only look; whoever is last tells."""
    look_share(plan.source, parts, on_progress)
    with parts.last(LOOKED) as several:
        if several is not None:
            return _decide_and_write(plan, seen_by_all(plan.source, several), name, None, on_progress)
    left(parts)
    return None


def _decide_and_write(
    plan: WritingPlan,
    seen: Seen,
    name: str,
    target: Path | SetAtAddress | None,
    on_progress: Progress,
    parts: Parts | None = None,
) -> Prepared | None:
    """Judge what was seen, and write what is good; None for a share that is not the last."""
    options, found = plan.options, plan.source
    facts, label_facts = seen.facts, seen.labels
    facts |= label_facts.unusable | check_pairs(found, facts)
    findings = tuple(findings_of(found, facts, label_facts.fractions))
    usable = [image for image in found.images if not facts[image.path].problem]
    if not usable:
        raise DataError(f"{found.about}: none of its {len(found.images)} images can be used.", findings[0].text)
    for image in usable:  # before any is written
        options.scaled(facts[image.path].width, facts[image.path].height)
    dropped: tuple[Path, ...] = ()
    if options.drop_duplicates:
        usable, dropped = without_duplicates(usable, facts)
    of_one_kind = found.kind == "images"
    chosen = usable if of_one_kind else _split(usable, facts, label_facts, options.split, options.seed)
    _require_both_domains(found, chosen)
    result = Prepared(
        found,
        target.address if isinstance(target, SetAtAddress) else target,
        findings,
        _counts(found, chosen),
        _statistics(found, facts),
        tuple(_sizes(facts.values())),
        tuple(image.path for image in found.images if facts[image.path].problem),
        dropped,
        label_facts.fractions,
        (*(found.labels.remarks() if found.labels is not None else ()), *(_renamed(chosen) if target else ())),
    )
    if target is not None:

        def finish(folder: Path) -> None:
            write_data_page(folder / "report.html", target.name, result, label_facts, chosen)

        plan = replace(plan, images=tuple(chosen))
        if options.shards or isinstance(target, SetAtAddress):
            written: dict[str, int] | None
            written, shards = write_shards(plan, target, result.counts, finish, on_progress)
            result = replace(result, remarks=(*result.remarks, counted(shards, "shard")))
        else:
            written = write_data_set(plan, target, result.counts, finish, on_progress, parts)
        if written is None:
            return None
        result = replace(result, tiles=written if options.tile else {})
    if options.report is not None:
        write_data_page(Path(options.report), name, result, label_facts, chosen)
    return result


def _require_sensible(found: Contents, options: PrepareOptions, labels: LabelOptions) -> None:
    """An option that would do nothing is a misunderstanding."""
    if options.names is not None and found.kind != "paired":
        raise UsageError("--domains names the halves of side-by-side pairs, which these are not.", "Use --as paired.")
    taken = found.labels.options if found.labels is not None else ()
    for option in labels.given():
        if option not in taken:
            raise UsageError(f"--{option} says nothing about this source ({found.about}).")
    if options.tile is not None and found.kind != "segmentation":
        raise UsageError("--tile cuts images with their labels, which these are not.")
    if options.drop_empty and options.tile is None:
        raise UsageError("--drop-empty leaves out tiles; it needs --tile.")


def _statistics(found: Contents, facts: Mapping[Path, ImageFacts]) -> dict[str, Mapping[str, tuple[float, float]]]:
    groups: dict[str, list[ImageFacts]] = defaultdict(list)
    for image in found.images:
        if image.partner is not None:
            groups[found.domains[0]].append(facts[image.path])
            groups[found.domains[1]].append(facts[image.partner])
        else:
            groups[image.domain or " and ".join(found.domains)].append(facts[image.path])
    return {domain: channel_statistics(group) for domain, group in groups.items()}


def _renamed(images: Sequence[SourceImage]) -> Iterator[str]:
    """A remark on names that not every system accepts, also where this one does."""
    changed = [stem for image in images if safe_name(stem := image.path.stem) != stem]
    if changed:
        example = f"such as {safe_name(changed[0])!r} for {changed[0]!r}"
        yield f"{counted(len(changed), 'image')} got other names, which every system accepts, {example}"


def _sizes(facts: Iterable[ImageFacts]) -> list[tuple[str, int]]:
    counts = Counter(f"{one.width}x{one.height}" for one in facts if not one.problem)
    return counts.most_common(8)


def _counts(found: Contents, images: Sequence[SourceImage]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for image in images:
        for domain in [image.domain] if image.domain else found.domains:
            by_domain = counts.setdefault(image.split, {})
            by_domain[domain] = by_domain.get(domain, 0) + 1
    return {split: counts[split] for split in SPLITS if split in counts}


def _require_both_domains(found: Contents, images: Sequence[SourceImage]) -> None:
    for domain in found.domains if found.kind == "unpaired" else ():
        if not any(image.domain == domain and image.split == "train" for image in images):
            raise DataError(f'{found.about}: nothing is left to train on for "{domain}".')


def _split(
    images: Sequence[SourceImage],
    facts: Mapping[Path, ImageFacts],
    label_facts: LabelFacts,
    fractions: tuple[float, float, float] | None,
    seed: int,
) -> list[SourceImage]:
    """Assign splits by content: the same images always land in the same split, whatever they are called.

    Without fractions the source's own splits are kept; a domain that has none gets 10 % for testing. Images with
    labels are drawn so that every class is in every split, as far as there are enough images of it.
    """
    out: list[SourceImage] = []
    by_domain: dict[str, list[SourceImage]] = defaultdict(list)
    for image in images:
        by_domain[image.domain].append(image)
    for group in by_domain.values():
        if fractions is None and any(image.split != "train" for image in group):
            out += group
            continue
        contents = [facts[image.path].content for image in group]
        seen = [label_facts.seen[image.path] for image in group] if label_facts.seen else None
        drawn = draw_splits(contents, fractions or (0.9, 0.0, 0.1), seed, seen)
        out += [replace(image, split=split) for image, split in zip(group, drawn, strict=True)]
    return out
