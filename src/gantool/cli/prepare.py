"""``gantool prepare``."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.console import Screen
from gantool.cli.contract import completion
from gantool.cli.options import (
    COMPUTING,
    IMAGES,
    RESULTS,
    DomainsOption,
    DryRunOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    SkipExistingOption,
    VerboseOption,
    no_stream,
    parse_domains,
    parse_halves,
)
from gantool.cli.shares import DevicesOption, ShardOption, choose_share, handed_in, note_share, screen_for
from gantool.errors import UsageError, counted

if TYPE_CHECKING:
    from gantool.workflows.prepare import Prepared

__all__ = ["prepare"]


_ROOM_FOR_PAGES = 172  # characters of a line, from which on it has a home page, too
_SHOWN = {True: 20, False: 4}  # findings of one kind on the screen, by whether they are serious; --json has all


LABELS, SPLITS = "Labels", "Splits"

EXAMPLES = """
gantool prepare photos --check
gantool prepare --domain summer=DIR1 --domain winter=DIR2 --shorter-side 286
gantool prepare scans --classes classes.txt --tile 512 --split 0.8,0.1,0.1
gantool prepare facades
gantool prepare --list
"""


def prepare(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="A folder, an archive or a named data set; or give --domain twice.",
            rich_help_panel=IMAGES,
            autocompletion=completion.offered(completion.sources),
        ),
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(
            "--domain",
            metavar="NAME=DIR",
            help="Give it twice: two folders of images, instead of SOURCE.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    domains: DomainsOption = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="KIND",
            help="Kind of data set, if it is not recognized: unpaired, paired or segmentation.",
            rich_help_panel=IMAGES,
            autocompletion=completion.of("unpaired", "paired", "segmentation"),
        ),
    ] = None,
    list_sets: Annotated[
        bool, typer.Option("--list", help="List the named data sets, and stop.", rich_help_panel=IMAGES)
    ] = False,
    classes: Annotated[
        Path | None,
        typer.Option(
            "--classes",
            metavar="FILE",
            help="File with the classes, one per line: name; value,name; or name,R,G,B.",
            rich_help_panel=LABELS,
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            "--ignore",
            metavar="VALUE",
            help="Mask value, color or class name to ignore; repeatable.",
            rich_help_panel=LABELS,
        ),
    ] = None,
    attribute: Annotated[
        str | None,
        typer.Option(
            "--attribute", metavar="NAME", help="VIA attribute that holds the class.", rich_help_panel=LABELS
        ),
    ] = None,
    snap: Annotated[
        float | None,
        typer.Option(
            "--snap",
            metavar="N",
            min=0,
            max=441,
            help="How far a color in a mask may be from that of its class. Default: 64.",
            rich_help_panel=LABELS,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="TRAIN,VAL,TEST",
            help="Shares, such as 0.8,0.1,0.1. Default: the splits of the source.",
            rich_help_panel=SPLITS,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option("--seed", metavar="N", min=0, help="Random seed of the split.", rich_help_panel=SPLITS),
    ] = 0,
    drop_duplicates: Annotated[
        bool,
        typer.Option(
            "--drop-duplicates",
            help="Leave out images with the same pixels as another.",
            rich_help_panel=SPLITS,
        ),
    ] = False,
    shorter_side: Annotated[
        int | None,
        typer.Option(
            "--shorter-side",
            metavar="N",
            min=16,
            help="Resize images to this shorter side, in pixels.",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(
            "--tile",
            metavar="N",
            min=16,
            help="Cut labeled images into squares of this side.",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(
            "--stride",
            metavar="N",
            min=1,
            help="Distance from tile to tile. Default: the side of a tile.",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    drop_empty: Annotated[
        bool,
        typer.Option(
            "--drop-empty",
            help="Leave out tiles that show only background.",
            rich_help_panel=COMPUTING,
        ),
    ] = False,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder of the new data set, or its address with --shards. Default: data/NAME.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    image_format: Annotated[
        str,
        typer.Option(
            "--image-format",
            metavar="FORMAT",
            help="Format of images that are changed: png, jpg or webp.",
            rich_help_panel=RESULTS,
            autocompletion=completion.of("png", "jpg", "webp"),
        ),
    ] = "png",
    link: Annotated[
        bool,
        typer.Option(
            "--link",
            help="Link unchanged files instead of copying them.",
            rich_help_panel=RESULTS,
        ),
    ] = False,
    shards: Annotated[
        bool,
        typer.Option(
            "--shards", help="Pack the data set into tar files (WebDataset) with an index.", rich_help_panel=RESULTS
        ),
    ] = False,
    shard_size: Annotated[
        str | None,
        typer.Option(
            "--shard-size",
            metavar="SIZE",
            help="Size of a tar file: 256MB (default), or a number of images.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write the page with tables and pictures to this file, too.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check only; exit with 1 if there are problems.", rich_help_panel=RESULTS)
    ] = False,
    overwrite: OverwriteOption = False,
    skip_existing: SkipExistingOption = False,
    dry_run: DryRunOption = False,
    devices: DevicesOption = None,
    shard: ShardOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Check a folder of pictures and make a clean data set of it.

    Recognizes two domains of unpaired images, pairs side by side or in two folders, and images with labels: masks of
    indices or colors, one per class, arrays, or files of labelme, COCO, VIA, Label Studio, CVAT and Supervisely. A
    data set that gantool wrote can be replaced with --overwrite.
    """
    share = choose_share(shard, devices)
    screen = screen_for(share, quiet=quiet, verbose=verbose, json_output=json_output)
    if list_sets:
        return _list(screen)
    from gantool.fetch.remote.addresses import require_disk

    no_stream(output, "data sets", addresses=True)
    require_disk(report, "pages are written", "--report")
    if kind not in (None, "unpaired", "paired", "segmentation"):
        raise UsageError(f"--as {kind}: expected unpaired, paired or segmentation.")
    if stride is not None and tile is None:
        raise UsageError("--stride needs --tile.")
    if source is not None and domain:
        raise UsageError("SOURCE and --domain name the images twice; give one of them.")
    if image_format not in ("png", "jpg", "webp"):
        raise UsageError(f"--image-format {image_format}: expected png, jpg or webp.")
    from gantool.workflows.prepare import PrepareOptions, prepare_data, prepare_share
    from gantool.workflows.prepare.advice import next_training

    with screen.stages() as progress:
        options = PrepareOptions(
            source,
            output,
            domains=parse_domains(domain or []),
            names=parse_halves(domains),
            kind=kind,  # type: ignore[arg-type]
            size=shorter_side,
            tile=tile,
            stride=stride,
            drop_empty=drop_empty,
            classes=classes,
            ignore=ignore or (),
            attribute=attribute,
            snap=snap,
            split=_parse_split(split),
            seed=seed,
            drop_duplicates=drop_duplicates,
            check_only=check,
            dry_run=dry_run,
            report=report,
            overwrite=overwrite,
            image_format=image_format,  # type: ignore[arg-type]
            link=link,
            skip_existing=skip_existing,
            share=share,
            shards=shards,
            shard_size=shard_size,
        )
        if (there := options.existing()) is not None:
            screen.note(f"{there}: exists already and is left.")
            screen.result(there)
            screen.json("prepare", {"output": str(there), "skipped": True})
            return 0
        if share.is_alone:
            result: Prepared | None = prepare_data(options, progress)
        else:
            if not dry_run:
                note_share(screen, share)
            result = prepare_share(
                options, progress, lambda parts: handed_in(screen, "prepare", parts, {"output": None})
            )
    if result is None:
        return 0
    screen.speak_up()
    _show(screen, result)
    screen.json("prepare", _as_json(result, dry_run=dry_run))
    if result.output is not None:
        screen.result(result.output)
        command, why = next_training(result)
        screen.note(f"Next: gantool train {command}{f'  ({why})' if why else ''}")
    problems = any(finding.serious for finding in result.findings)
    return 1 if (check and problems) or (result.unusable and not dry_run) else 0


def _list(screen: Screen) -> int:
    from gantool.data.sources.catalog import CATALOG

    entries = list(CATALOG.values())
    pages = [one.home + ("" if one.urls else " (by hand)") for one in entries]
    rows = [(one.name, one.kind, one.images or "?", one.megabytes or "?", one.license) for one in entries]
    head = ("name", "kind", "images", "MB", "license")
    if screen.result_width >= _ROOM_FOR_PAGES:
        screen.print_table((*head, "home page"), [(*row, page) for row, page in zip(rows, pages, strict=True)])
    else:
        screen.print_table(head, rows)
        screen.result("\nhome pages")
        for page in dict.fromkeys(pages):
            names = [one.name for one, its in zip(entries, pages, strict=True) if its == page]
            screen.result(page)
            for line in textwrap.wrap(", ".join(names), screen.result_width - 2, break_on_hyphens=False):
                screen.result(f"  {line}")
    screen.json("data-sets", {"data_sets": [asdict(one) for one in CATALOG.values()]})
    screen.note("Get one with: gantool prepare NAME")
    return 0


def _show(screen: Screen, result: Prepared) -> None:
    screen.note(result.source.about)
    for remark in result.remarks:
        screen.note(remark)
    kinds = dict.fromkeys(finding.kind for finding in result.findings)
    for kind in kinds:
        texts = [finding.text for finding in result.findings if finding.kind == kind]
        shown = _SHOWN[any(finding.serious for finding in result.findings if finding.kind == kind)]
        screen.warn(f"{kind}: {len(texts)}")
        for text in texts if screen.verbose else texts[:shown]:
            screen.note(f"  {text}")
        if len(texts) > shown and not screen.verbose:
            screen.note(f"  and {len(texts) - shown} more (--verbose or --json)")
    if result.dropped:
        screen.note(f"Left out: {counted(len(result.dropped), 'duplicate')}.")
    names = list(result.source.domains)
    rows = [(split, *(counts.get(name, 0) for name in names)) for split, counts in result.counts.items()]
    screen.table(("images", *names), rows)
    if result.tiles:
        screen.note("tiles: " + ", ".join(f"{split} {count}" for split, count in result.tiles.items()))
    screen.table(
        ("mean (standard deviation)", "red", "green", "blue"),
        [
            (name, *(f"{mean:.3f} ({deviation:.3f})" for mean, deviation in channels.values()))
            for name, channels in result.statistics.items()
        ],
    )
    if result.classes:
        screen.table(("class", "pixels"), [(name, f"{share:.2%}") for name, share in result.classes.items()])
    screen.note("sizes: " + ", ".join(f"{size} ({count})" for size, count in result.sizes))


def _as_json(result: Prepared, *, dry_run: bool) -> dict[str, object]:
    return {
        **({"dry_run": True} if dry_run else {}),
        "output": str(result.output) if result.output is not None else None,
        "kind": result.source.kind,
        "recognized": result.source.about,
        "domains": list(result.source.domains),
        "classes": dict(result.classes),
        "images": {split: dict(counts) for split, counts in result.counts.items()},
        "tiles": dict(result.tiles),
        "sizes": dict(result.sizes),
        "statistics": {
            name: {channel: {"mean": mean, "deviation": deviation} for channel, (mean, deviation) in channels.items()}
            for name, channels in result.statistics.items()
        },
        "remarks": list(result.remarks),
        "findings": [
            {"kind": finding.kind, "text": finding.text, "serious": finding.serious} for finding in result.findings
        ],
        "unusable": [str(path) for path in result.unusable],
        "dropped": [str(path) for path in result.dropped],
    }


def _parse_split(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        train, val, test = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--split {text}: expected three shares, such as 0.8,0.1,0.1.") from None
    return train, val, test
