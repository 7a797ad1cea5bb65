"""``gantool segment``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.console import Screen
from gantool.cli.image_results import conclude, follow
from gantool.cli.options import (
    DeviceOption,
    InputsArgument,
    JsonOption,
    OutputOption,
    OverwriteOption,
    PrecisionOption,
    QuietOption,
    RecursiveOption,
    RunsOption,
    SkipExistingOption,
    TrustOption,
    VerboseOption,
)

if TYPE_CHECKING:
    from gantool.workflows.image_files import ImageOutcome

__all__ = ["segment"]


def segment(
    inputs: InputsArgument,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="MODEL", help="A model file, a run, or a kind. Default: the newest run that segments."
        ),
    ] = None,
    output: OutputOption = None,
    outputs: Annotated[
        str,
        typer.Option(
            "--outputs",
            metavar="KINDS",
            help="Of mask, overlay, color, probabilities, classes, polygons (labelme), coco; by commas.",
        ),
    ] = "mask,overlay",
    size: Annotated[
        str | None,
        typer.Option(
            "--size", metavar="N|native", help="Shorter side to scale to for the network. Default: as trained."
        ),
    ] = None,
    tile: Annotated[
        str,
        typer.Option(
            "--tile", metavar="auto|N|off", help="Windows for large images: when needed, of N pixels, none."
        ),
    ] = "auto",
    tta: Annotated[
        bool, typer.Option("--tta", help="Average over mirrored and scaled views; six times slower.")
    ] = False,
    min_area: Annotated[
        int,
        typer.Option(
            "--min-area", metavar="PIXELS", help="Regions smaller than this become part of what surrounds them."
        ),
    ] = 0,
    fill_holes: Annotated[
        bool, typer.Option("--fill-holes", help="What lies within a region, of whatever class, becomes part of it.")
    ] = False,
    simplify: Annotated[
        float,
        typer.Option(
            "--simplify", metavar="PIXELS", help="Fewer points of polygons: how far outlines may move. 0 is exact."
        ),
    ] = 0.0,
    recursive: RecursiveOption = False,
    overwrite: OverwriteOption = False,
    skip_existing: SkipExistingOption = False,
    runs: RunsOption = Path("runs"),
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    trust: TrustOption = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Find out which class every pixel of a picture belongs to.

    painting.png becomes painting.mask.png (class indices with a palette) and painting.overlay.png.
    """
    screen = Screen(quiet=quiet, verbose=verbose, json_output=json_output)
    from gantool.workflows import segment as work
    from gantool.workflows.image_jobs import FileOptions
    from gantool.workflows.label_outputs import RegionOptions, plan_labels

    options = work.SegmentOptions(
        model=model, runs=runs, device=device or "auto", precision=precision or "auto", tile=tile, size=size, tta=tta,
        trust=trust, files=FileOptions(tuple(inputs), output, recursive, overwrite, skip_existing),
        outputs=tuple(name.strip() for name in outputs.split(",") if name.strip()),
        regions=RegionOptions(min_area, fill_holes, simplify),
    )  # fmt: skip
    segmenter = work.load_segmentation(options)
    card = segmenter.card
    screen.note(
        f"{segmenter.model.label}: {len(segmenter.classes)} classes on {segmenter.device} in {segmenter.precision}"
    )
    if card.origin.data == "sample" and model is None:
        screen.warn(
            f"{segmenter.model.label} was trained on the built-in drawn landscapes. For photos, train on photos: "
            "gantool train unet-resnet50 --data DATA"
        )
    plan = plan_labels(options.files, options.outputs, options.regions, sys.stdin)
    results = work.segment_files(segmenter, plan, options.regions)
    done = follow(screen, results, doing="segmenting", count=len(plan.jobs), skipped=plan.skipped)
    if written := [item for item in done if not item.error]:
        if plan.coco is not None:
            screen.result(plan.coco)
        _show_shares(screen, written)
    head = {
        "model": str(segmenter.model.path),
        "classes": [entry.name for entry in segmenter.classes],
        "device": segmenter.device,
        "precision": segmenter.precision,
        **({"coco": str(plan.coco)} if plan.coco is not None and written else {}),
    }
    return conclude(screen, head, done, plan.skipped, _details)


def _details(item: ImageOutcome) -> dict[str, Any]:
    outputs = {kind: str(path) for kind, path in item.outputs.items()}
    return {"outputs": outputs, "shares": dict(item.written.shares)}


def _show_shares(screen: Screen, written: list[ImageOutcome]) -> None:
    """Fraction of every class, averaged over the images, the largest first."""
    shares = [item.written.shares for item in written]
    mean = {name: sum(one[name] for one in shares) / len(shares) for name in shares[0]}
    rows = [(name, f"{share:.2%}") for name, share in sorted(mean.items(), key=lambda pair: -pair[1])]
    title = None if len(written) == 1 else f"mean over {len(written)} images"
    screen.table(("class", "pixels"), rows, title=title)
