"""The JSON that commands answer with: one type for each ``schema``, from which the documented schemas are made.

A new key may come with any release; what is removed or changes its meaning makes a new number behind the slash.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

# Python 3.11 has types of that name, which pydantic cannot make schemas of.
from typing_extensions import TypedDict

__all__ = ["SCHEMAS"]


class Finding(TypedDict):
    """Something that is odd about a source."""

    kind: str
    text: str
    serious: bool


class Channel(TypedDict):
    """Mean and standard deviation, of values from 0 to 1."""

    mean: float
    deviation: float


class Prepare(TypedDict):
    """`gantool prepare`; of a data set that ``--skip-existing`` left, only `output` and `skipped`.

    Of a share that is not the last (``--shard 2/4``), only `share` and `output`, which is null.
    """

    schema: Literal["gantool.prepare/1"]
    output: str | None
    share: NotRequired[str]
    skipped: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    kind: NotRequired[Literal["unpaired", "paired", "segmentation", "images"]]
    recognized: NotRequired[str]
    domains: NotRequired[list[str]]
    classes: NotRequired[dict[str, float]]
    images: NotRequired[dict[str, dict[str, int]]]
    tiles: NotRequired[dict[str, int]]
    sizes: NotRequired[dict[str, int]]
    statistics: NotRequired[dict[str, dict[str, Channel]]]
    remarks: NotRequired[list[str]]
    findings: NotRequired[list[Finding]]
    unusable: NotRequired[list[str]]
    dropped: NotRequired[list[str]]


class DataSet(TypedDict):
    """A named data set."""

    name: str
    kind: str
    images: int
    megabytes: int
    license: str
    home: str
    urls: list[str]
    folder: str
    domains: list[str] | None
    instructions: str


class DataSets(TypedDict):
    """`gantool prepare --list`."""

    schema: Literal["gantool.data-sets/1"]
    data_sets: list[DataSet]


class Train(TypedDict):
    """`gantool train`; of a dry run only `dry_run`. `seconds` are those of all epochs of the run together."""

    schema: Literal["gantool.train/1"]
    dry_run: NotRequired[Literal[True]]
    run: NotRequired[str]
    model: NotRequired[str | None]
    kind: NotRequired[str]
    epochs: NotRequired[int]
    epochs_planned: NotRequired[int | None]
    seconds: NotRequired[float]
    best_epoch: NotRequired[int | None]
    best_metrics: NotRequired[dict[str, float]]
    page: NotRequired[str | None]
    stopped: NotRequired[bool]
    losses: NotRequired[dict[str, float]]
    metrics: NotRequired[dict[str, float]]
    unseen: NotRequired[bool]
    baselines: NotRequired[dict[str, dict[str, float]]]


class Models(TypedDict):
    """`gantool train --list-models`: what can be trained, by name."""

    schema: Literal["gantool.models/1"]
    models: dict[str, str]


class Settings(TypedDict):
    """`gantool train --write-settings`."""

    schema: Literal["gantool.settings/1"]
    settings: str


class Failed(TypedDict):
    """An image of which nothing was written; ``-`` is standard input."""

    input: str
    error: str


class _Result(TypedDict):
    """What is said of an image, or a clip, whatever was made of it."""

    input: str
    width: int
    height: int
    seconds: float
    notes: list[str]
    frames: NotRequired[int]
    duration: NotRequired[float]
    steadied: NotRequired[bool]
    scenes: NotRequired[int]


class Translated(_Result):
    """An image, or a clip, and its result; ``-`` is standard input.

    Of clips: how many frames there are, how many seconds they last, whether they are steadied over how many scenes.
    """

    output: str


Translate = TypedDict(
    "Translate",
    {
        "schema": Literal["gantool.translate/1"],
        "dry_run": NotRequired[Literal[True]],
        "model": str,
        "from": str,
        "to": str,
        "device": str,
        "precision": str,
        "files": list[Translated],
        "skipped": list[str],
        "failed": list[Failed],
        "share": NotRequired[str],
        "shares": NotRequired[int],
    },
)
Translate.__doc__ = (
    "`gantool translate`. Of a share (``--shard 2/4``) what it did, with `share`; the last one has all, and `shares`."
)


class Segmented(_Result):
    """An image, or a clip, its outputs by kind and the share of every class; ``-`` is standard input.

    Of clips: as of those that are translated.
    """

    outputs: dict[str, str]
    shares: dict[str, float]


class RankedOne(TypedDict):
    """An image of a ranking, the least certain first."""

    input: str
    entropy: float
    margin: float


class RankingFiles(TypedDict):
    """What ``--rank`` wrote."""

    table: str
    page: str
    to_label: list[str]
    images: list[RankedOne]


class Segment(TypedDict):
    """`gantool segment`. Of a share (``--shard 2/4``) what it did and `share`; the last one has all and `shares`."""

    schema: Literal["gantool.segment/1"]
    dry_run: NotRequired[Literal[True]]
    model: str
    classes: list[str]
    device: str
    precision: str
    coco: NotRequired[str]
    ranking: NotRequired[RankingFiles]
    files: list[Segmented]
    skipped: list[str]
    failed: list[Failed]
    share: NotRequired[str]
    shares: NotRequired[int]


Intervals = dict[str, list[float | None]]
Differences = dict[str, dict[str, list[float | None]]]
Worst = list[dict[str, str | float | None]]


class LabelScores(TypedDict):
    """A model, or a folder of masks. Values of a class that is not there are null.

    `intervals` are low and high by metric; `differences` are value, low and high by what is subtracted and by metric.
    """

    model: str
    mean_iou: float | None
    accuracy: float | None
    mean_f1: float | None
    mean_accuracy: float | None
    frequency_weighted_iou: float | None
    boundary_iou: float | None
    intervals: Intervals
    differences: Differences
    per_class: dict[str, dict[str, float | None]]
    parameters: int
    seconds_per_image: float
    worst: Worst


PictureScores = TypedDict(
    "PictureScores",
    {
        "model": str,
        "from": str,
        "to": str,
        "images": int,
        "real_images": int,
        "fid": NotRequired[float | None],
        "kid": NotRequired[float | None],
        "swd": NotRequired[float | None],
        "l1": NotRequired[float | None],
        "psnr": NotRequired[float | None],
        "ssim": NotRequired[float | None],
        "ms_ssim": NotRequired[float | None],
        "lpips": NotRequired[float | None],
        "cycle_l1": NotRequired[float | None],
        "segmenter_mean_iou": NotRequired[float | None],
        "segmenter_accuracy": NotRequired[float | None],
        "consistency_mean_iou": NotRequired[float | None],
        "consistency_accuracy": NotRequired[float | None],
        "intervals": Intervals,
        "untranslated": dict[str, float | None],
        "differences": Differences,
        "fid_mode": str | None,
        "swd_levels": dict[str, float],
        "left_out": dict[str, str],
        "warnings": list[str],
        "worst": Worst,
        "failed": list[str],
    },
)
PictureScores.__doc__ = "A model in one direction, or a folder of generated pictures; an infinite value is null."


class Evaluate(TypedDict):
    """`gantool evaluate`, and ``evaluation.json``.

    `models` and `confusion` (rows are true classes) are of label maps, `results` of pictures. A dry run has `files`,
    an evaluation that ``--skip-existing`` left has `skipped`, a share that is not the last only `share`.
    """

    schema: Literal["gantool.evaluate/1"]
    dry_run: NotRequired[Literal[True]]
    files: NotRequired[list[str]]
    skipped: NotRequired[list[str]]
    share: NotRequired[str]
    data: NotRequired[str]
    images: NotRequired[int]
    models: NotRequired[list[LabelScores]]
    confusion: NotRequired[list[list[list[int]]]]
    results: NotRequired[list[PictureScores]]


class ExportCheck(TypedDict):
    """How far the file is from the model on images of one size."""

    height: int
    width: int
    batch: int
    relative_error: float
    agreement: float | None
    levels: float | None


class ExportedFile(TypedDict):
    """A file; of a dry run only its `path`."""

    path: str
    format: NotRequired[str]
    precision: NotRequired[str]
    to: NotRequired[str]
    bytes: NotRequired[int]
    static_size: NotRequired[list[int] | None]
    why_static: NotRequired[str]
    checks: NotRequired[list[ExportCheck]]
    model_ms: NotRequired[float]
    file_ms: NotRequired[float]
    mean_iou: NotRequired[list[float] | None]


class Export(TypedDict):
    """`gantool export`."""

    schema: Literal["gantool.export/1"]
    dry_run: NotRequired[Literal[True]]
    files: list[ExportedFile]
    skipped: list[str]


class Info(TypedDict):
    """`gantool info`.

    What else there is depends on `describes`: of a run all of ``run.json``, `checkpoint`, `samples`, `model`, and
    `epochs`, `epochs_planned`, `seconds`, `best_epoch`, `best_metrics` and `page` as `gantool train` has them; of a
    model its `bytes`, its card and the `colors` of its classes; of the machine versions, devices, folders, names of
    what is here, `settings files` and `variables`; with `--page` the `page` and the `runs` on it.
    """

    schema: Literal["gantool.info/1"]
    describes: Literal["machine", "model", "run", "runs", "data set", "image"]


class ErrorFacts(TypedDict):
    """What ended a command.

    `kind` is UsageError, SettingsError, DataError, ModelError, RunError, OutputError, MismatchError, TrainingError,
    Interrupted or InternalError; `message` is what stands on stderr, with `remedy` at its end where there is one.
    """

    kind: str
    message: str
    remedy: str
    exit_code: int


class Error(TypedDict):
    """Any command that ends before it has an answer."""

    schema: Literal["gantool.error/1"]
    error: ErrorFacts


SCHEMAS: dict[str, Any] = {
    "gantool.prepare/1": Prepare,
    "gantool.data-sets/1": DataSets,
    "gantool.train/1": Train,
    "gantool.models/1": Models,
    "gantool.settings/1": Settings,
    "gantool.translate/1": Translate,
    "gantool.segment/1": Segment,
    "gantool.evaluate/1": Evaluate,
    "gantool.export/1": Export,
    "gantool.info/1": Info,
    "gantool.error/1": Error,
}
"""By the ``schema`` of the answer."""
