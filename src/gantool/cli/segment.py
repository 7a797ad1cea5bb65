"""``gantool segment``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.clips import (
    EndOption,
    EveryOption,
    FpsOption,
    QualityOption,
    StartOption,
    SteadyOption,
    clip_options,
    follow_clips,
)
from gantool.cli.console import Screen
from gantool.cli.contract import completion
from gantool.cli.image_results import announce, conclude, file_options, follow, not_done
from gantool.cli.options import (
    COMPUTING,
    RESULTS,
    DeviceOption,
    DryRunOption,
    FilesFromOption,
    FormatOption,
    InputsArgument,
    JsonOption,
    ModelOption,
    NullOption,
    OutputOption,
    OverwriteOption,
    PrecisionOption,
    QuietOption,
    RecursiveOption,
    RunsOption,
    SkipExistingOption,
    TileOption,
    TrustOption,
    VerboseOption,
)
from gantool.cli.shares import (
    DevicesOption,
    EngineOption,
    ShardOption,
    choose_share,
    device_for,
    screen_for,
    start_tasks,
    together,
    whole_only,
)
from gantool.errors import UsageError

if TYPE_CHECKING:
    from gantool.files import Target
    from gantool.predict.segmenter import LoadedSegmenter
    from gantool.workflows.image_files import ImageOutcome
    from gantool.workflows.ranking import Ranking
    from gantool.workflows.segment import SegmentOptions
    from gantool.workflows.shares.elsewhere import AnyParts
    from gantool.workflows.video import ClipOptions

__all__ = ["segment"]

_SHOWN = 10  # images of a ranking


EXAMPLES = """
gantool segment painting.png
gantool segment photos -r --model unet-resnet50 --outputs mask -o masks/
gantool segment scans --outputs polygons --min-area 50 --fill-holes
gantool segment photos --rank uncertainty --top 20
gantool segment clip.mp4 --outputs overlay --steady auto
cat x.jpg | gantool segment - --outputs mask -o - > mask.png
"""


def segment(
    inputs: InputsArgument = None,
    files_from: FilesFromOption = None,
    null: NullOption = False,
    recursive: RecursiveOption = False,
    model: ModelOption = None,
    runs: RunsOption = Path("runs"),
    trust: TrustOption = False,
    output: OutputOption = None,
    outputs: Annotated[
        str | None,
        typer.Option(
            "--outputs",
            metavar="KINDS",
            help="Comma-separated: mask, overlay, color, probabilities, classes, polygons (labelme), "
            "coco. Default: mask,overlay; with --rank none.",
            rich_help_panel=RESULTS,
            autocompletion=completion.of(
                "mask", "overlay", "color", "probabilities", "classes", "polygons", "coco", "mask,overlay"
            ),
        ),
    ] = None,
    format: FormatOption = None,
    min_area: Annotated[
        int,
        typer.Option(
            "--min-area",
            metavar="PIXELS",
            help="Merge regions smaller than this into their surroundings.",
            rich_help_panel=RESULTS,
        ),
    ] = 0,
    fill_holes: Annotated[
        bool,
        typer.Option(
            "--fill-holes",
            help="Fill holes: whatever a region encloses becomes part of it.",
            rich_help_panel=RESULTS,
        ),
    ] = False,
    simplify: Annotated[
        float,
        typer.Option(
            "--simplify",
            metavar="PIXELS",
            help="Simplify polygons: how far outlines may move. 0 is exact.",
            rich_help_panel=RESULTS,
        ),
    ] = 0.0,
    rank: Annotated[
        str | None,
        typer.Option(
            "--rank",
            metavar="uncertainty",
            help="Instead of masks, write a table and a page with the images to label next first.",
            rich_help_panel=RESULTS,
            autocompletion=completion.of("uncertainty"),
        ),
    ] = None,
    top: Annotated[
        int,
        typer.Option(
            "--top",
            metavar="N",
            help="Copy the first N images of the ranking, with labels for labelme.",
            rich_help_panel=RESULTS,
        ),
    ] = 0,
    overwrite: OverwriteOption = False,
    skip_existing: SkipExistingOption = False,
    dry_run: DryRunOption = False,
    start: StartOption = None,
    end: EndOption = None,
    every: EveryOption = 1,
    fps: FpsOption = None,
    quality: QualityOption = 18,
    steady: SteadyOption = "off",
    shorter_side: Annotated[
        str | None,
        typer.Option(
            "--shorter-side",
            metavar="N|native",
            help="Shorter side that images are resized to for the network; native keeps their size. "
            "Default: as trained.",
            rich_help_panel=COMPUTING,
            autocompletion=completion.of("native"),
        ),
    ] = None,
    tile: TileOption = "auto",
    tta: Annotated[
        bool,
        typer.Option(
            "--tta",
            help="Test-time augmentation: average over mirrored and scaled copies; six times slower.",
            rich_help_panel=COMPUTING,
        ),
    ] = False,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    devices: DevicesOption = None,
    shard: ShardOption = None,
    engine: EngineOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Label every pixel of a picture, or of a clip, with its class.

    painting.png gives painting.mask.png (class indices with a palette) and painting.overlay.png; clip.mp4 gives
    clip.mask.mkv (class indices, lossless) and clip.overlay.mp4. Without --model, the newest run that segments is
    used, or else the built-in model, landscape.
    """
    share = choose_share(shard, devices, (*(inputs or ()), files_from), engine)
    screen = screen_for(share, quiet=quiet, verbose=verbose, json_output=json_output)
    files = file_options(
        screen, inputs, output, recursive=recursive, overwrite=overwrite, skip_existing=skip_existing,
        files_from=files_from, null=null, format=format, share=share,
    )  # fmt: skip
    clips = clip_options(files, start=start, end=end, every=every, fps=fps, quality=quality, steady=steady)
    from gantool.files import folder_of
    from gantool.workflows import segment as work
    from gantool.workflows.image_jobs import output_folder, shared_folder
    from gantool.workflows.label_outputs import RegionOptions, plan_labels

    wanted = outputs if outputs is not None else "" if rank is not None else "mask,overlay"
    options = work.SegmentOptions(
        model=model, runs=runs, device=device_for(share, device), precision=precision or "auto", tile=tile,
        size=shorter_side, tta=tta, trust=trust, files=files,
        outputs=tuple(name.strip() for name in wanted.split(",") if name.strip()),
        rank=rank, top=top, regions=RegionOptions(min_area, fill_holes, simplify),
    )  # fmt: skip
    if rank is not None and not share.is_alone:
        raise UsageError("--rank puts all images in one order, which has no shares.", "Leave --shard or --rank out.")
    if top and rank is None:
        raise UsageError("--top: there is no ranking to take the first of.", "Add --rank uncertainty.")
    if engine is not None and not dry_run:
        start_tasks(
            screen, share, shared_folder(files), (*files.inputs, files_from),
            lambda: [work.find_model_of(options).path], devices=devices, device=device,
            whole="clips" if clips is not None else "rankings" if rank is not None else "",
        )  # fmt: skip
    segmenter = work.load_segmentation(options)
    if clips is not None:
        whole_only(share, "clips")
        return _clips(screen, segmenter, options, clips, dry_run=dry_run)
    ranking = _ranking(segmenter, options)
    plan = plan_labels(
        options.files, options.outputs, options.regions, sys.stdin, ranked=ranking is not None, outlined=top > 0
    )
    if screen.speaks:  # only now, as what is wrong with the inputs should not stand below it
        _announce(screen, segmenter, model)
    with together(screen, share, output_folder(files), _question(segmenter, options), dry_run=dry_run) as parts:
        coco = plan.coco
        if coco is not None and parts is not None:
            plan = replace(plan, coco=parts.path(stage="coco", suffix=".json"), seen_from=folder_of(coco))
        if dry_run:
            results = not_done(plan.jobs)
            for path in (ranking.plan.table, ranking.plan.page) if ranking is not None else ():
                screen.result(path)
            ranking = None
        elif ranking is None:
            results = work.segment_files(segmenter, plan, options.regions)
        else:
            results = ranking.look(plan, options.regions)
        done = follow(screen, results, doing="segmenting", count=len(plan.jobs), skipped=plan.skipped)
        written = [item for item in done if not item.error]
        if written and parts is None:
            if coco is not None:
                screen.result(str(coco))
            if not dry_run:
                _show_shares(screen, [item.written.shares for item in written])
        ranked = None
        if ranking is not None and written:
            copies = _finish(screen, ranking, options)
            ranked = _ranked(ranking, copies)
            done += [item for item in copies if item.error]
        head = {
            **_head(segmenter, dry_run=dry_run),
            **({"coco": str(coco)} if coco is not None and (written or parts is not None) else {}),
            **({"ranking": ranked} if ranked is not None else {}),
        }
        finish = partial(_finish_shares, screen, coco, parts)
        return conclude(screen, "segment", head, done, plan.skipped, _details, parts, plan.jobs, finish)


def _head(segmenter: LoadedSegmenter, *, dry_run: bool) -> dict[str, Any]:
    """What the JSON begins with, of pictures and of clips."""
    return {
        **({"dry_run": True} if dry_run else {}),
        "model": str(segmenter.model.path),
        "classes": [entry.name for entry in segmenter.classes],
        "device": segmenter.device,
        "precision": segmenter.precision,
    }


def _announce(screen: Screen, segmenter: LoadedSegmenter, model: str | None) -> None:
    from gantool.models.find import BUNDLED_SEGMENTER

    card = segmenter.card
    announce(
        screen,
        f"{segmenter.model.label}: {len(segmenter.classes)} classes on {segmenter.device} in {segmenter.precision}",
        segmenter.model,
    )
    if card.origin.data == "sample" and model is None:
        screen.warn(
            f"{segmenter.model.label} was trained on the built-in drawn landscapes. For photos and paintings: "
            f"--model {BUNDLED_SEGMENTER}, or train on your own: gantool train unet-resnet50 --data DATA"
        )
    elif model is None and segmenter.model.is_bundled:
        screen.note(
            "The built-in model tells sky, mountain, tree, ground and water. For classes of your own: "
            "gantool train unet-resnet50 --data DATA"
        )


def _question(segmenter: LoadedSegmenter, options: SegmentOptions) -> list[object]:
    """What the results depend on."""
    files, path = options.files, segmenter.model.path
    return [
        "segment", files.inputs, files.files_from, files.format, segmenter.model.label, path.stat().st_size,
        segmenter.precision, options.tile, options.size, options.tta, options.outputs, repr(options.regions),
    ]  # fmt: skip


def _finish_shares(
    screen: Screen, coco: Target | None, parts: AnyParts | None, whole: Mapping[str, Any], places: Sequence[int]
) -> None:
    """What the last share does: one COCO file of all, and the table of the classes."""
    if coco is not None and parts is not None:
        from gantool.data.regions.coco import merge_coco
        from gantool.fetch.remote.outbox import on_disk_first
        from gantool.files import folder_of

        files = [parts.path(place, "coco", ".json") for place in range(parts.share.count)]
        found, images = [path for path in files if path.exists()], [one["input"] for one in whole["files"]]
        with on_disk_first(coco) as path:
            merge_coco(path, found, images, seen_from=folder_of(coco))
        screen.result(str(coco))
    if whole["files"]:
        _show_shares(screen, [one["shares"] for one in whole["files"]])


def _clips(
    screen: Screen, segmenter: LoadedSegmenter, options: SegmentOptions, clips: ClipOptions, *, dry_run: bool
) -> int:
    if options.rank is not None:
        raise UsageError("--rank: ranks pictures, not clips.", "Leave it out.")
    from gantool.workflows.video import plan_clip_labels, segment_clips

    planned, there = plan_clip_labels(options.files, options.outputs)
    _announce(screen, segmenter, options.model)
    return follow_clips(
        screen, "segment", _head(segmenter, dry_run=dry_run), planned, there, _details, doing="segmenting",
        work=lambda watch: segment_clips(segmenter, planned, options.regions, clips, watch, dry_run=dry_run),
    )  # fmt: skip


def _ranking(segmenter: LoadedSegmenter, options: SegmentOptions) -> Ranking | None:
    """What ranks the images; None where that is not wanted."""
    if options.rank is None:
        return None
    from gantool.workflows.ranking import Ranking, plan_ranking

    return Ranking(segmenter, plan_ranking(options.files, options.rank, options.top))


def _finish(screen: Screen, ranking: Ranking, options: SegmentOptions) -> list[ImageOutcome]:
    """Write what a ranking is for, and say where it is; returns what became of the copies."""
    from gantool.workflows.segment import segment_files

    ranking.write()
    screen.result(ranking.plan.table)
    screen.result(ranking.plan.page)
    rows = [(one.source, f"{one.entropy:.3f}", f"{one.margin:.3f}") for one in ranking.images[:_SHOWN]]
    screen.table(("least certain", "entropy", "margin"), [(str(name), *values) for name, *values in rows])
    if ranking.plan.to_label is None:
        return []
    labels = ranking.copy_top()
    for job in labels.jobs:
        screen.result(job.file)
    results = segment_files(ranking.segmenter, labels, options.regions)
    return follow(screen, results, doing="labelling", count=len(labels.jobs), skipped=())


def _ranked(ranking: Ranking, copies: list[ImageOutcome]) -> dict[str, Any]:
    return {
        "table": str(ranking.plan.table),
        "page": str(ranking.plan.page),
        "to_label": [str(item.source) for item in copies if not item.error],
        "images": [
            {"input": str(one.source), "entropy": one.entropy, "margin": one.margin} for one in ranking.images
        ],
    }


def _details(item: ImageOutcome) -> dict[str, Any]:
    outputs = {kind: str(path) for kind, path in item.outputs.items()}
    return {"outputs": outputs, "shares": dict(item.written.shares)}


def _show_shares(screen: Screen, shares: Sequence[Mapping[str, float]]) -> None:
    """Fraction of every class, averaged over the images, the largest first."""
    mean = {name: sum(one[name] for one in shares) / len(shares) for name in shares[0]}
    rows = [(name, f"{share:.2%}") for name, share in sorted(mean.items(), key=lambda pair: -pair[1])]
    title = None if len(shares) == 1 else f"mean over {len(shares)} images"
    screen.table(("class", "pixels"), rows, title=title)
