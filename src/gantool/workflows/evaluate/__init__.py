"""``gantool evaluate``: how good is it?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gantool.data.sources.names import resolve_data
from gantool.errors import GantoolError, OutputError, UsageError
from gantool.metrics.inception import Resize
from gantool.models.find import find_model
from gantool.models.runs import Run
from gantool.workflows.evaluate.files import FILES, write_evaluation
from gantool.workflows.evaluate.folders import compare_mask_folders, compare_picture_folders, require_folder
from gantool.workflows.evaluate.labels import evaluate_label_maps
from gantool.workflows.evaluate.options import EvaluateOptions
from gantool.workflows.evaluate.pictures import evaluate_pictures
from gantool.workflows.evaluate.results import Evaluation, Progress, Result
from gantool.workflows.shares.gather import Gather, MeasuredBefore
from gantool.workflows.shares.parts import Parts
from gantool.workflows.shares.tries import begin, has_begun

__all__ = [
    "Ahead",
    "EvaluateOptions",
    "Evaluation",
    "Result",
    "evaluate",
    "look_ahead",
    "parts_of_evaluation",
    "run_evaluation",
    "run_share",
    "usual_output",
]

_FOLDER = "evaluation"


def evaluate(
    models: str | Sequence[str],
    *,
    data: str | None = None,
    split: str = "test",
    to: str | None = None,
    size: int | None = None,
    segmenter: str | None = None,
    inception_weights: str | Path | None = None,
    fid_mode: Resize = "clean",
    runs: str | Path = "runs",
    device: str = "auto",
    precision: str = "auto",
    trust: bool = False,
    output: str | Path | None = None,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Evaluation:
    """Measure models on the same images: segmenters by their label maps, translations by their pictures.

    Args:
        models: paths, runs or kinds. If the first one makes label maps, all are measured as segmenters.
        data: images; default the first model's own data, prepared as in training.
        split: ``train``, ``val`` or ``test``.
        to: only translations to this domain; default all directions.
        size: scale the images to squares of this side first (translations).
        segmenter: a model that segments the generated pictures, to see whether they show what they should.
        inception_weights: a file with the weights for FID and KID; default the cache, or a download.
        fid_mode: how images are scaled to Inception's size: ``clean`` or ``legacy``.
        trust: also run TorchScript and ``.pt2`` files that were not exported here.
        output: folder for ``evaluation.json``, ``.csv`` and ``.html``; None writes nothing.
        on_progress: called with a description, the number of images done and their total.

    Raises:
        GantoolError: a model or the data cannot be used, or they do not fit together.
    """
    names = (models,) if isinstance(models, str) else tuple(models)
    if not names:
        raise UsageError("No model named.", "Name one or several: gantool evaluate cyclegan.")
    options = EvaluateOptions(
        names, data=data, split=split, to=to, size=size, segmenter=segmenter,
        inception_weights=None if inception_weights is None else Path(inception_weights), fid_mode=fid_mode,
        runs=Path(runs), device=device, precision=precision, trust=trust,
        output=None if output is None else Path(output),
    )  # fmt: skip
    return run_evaluation(options, on_progress)


def run_evaluation(options: EvaluateOptions, on_progress: Progress = lambda what, done, total: None) -> Evaluation:
    """Measure models or folders, and write the files if they are asked for.

    Raises:
        GantoolError: something cannot be used, or the output holds another evaluation that may not be replaced.
    """
    _require_free(options)
    output = options.output
    evaluation = _measured(options, on_progress, Gather())
    assert evaluation is not None
    if output is None:
        return evaluation
    begin(options.share, output)
    return replace(evaluation, files=write_evaluation(evaluation, output))


@dataclass(frozen=True)
class Ahead:
    """What an evaluation would write, whether it is there and to be left, and the model files that it needs.

    Attributes:
        older: whether what is there is older than one of its models, which was trained on since.
    """

    files: tuple[Path, ...]
    done: bool
    models: tuple[Path, ...] = ()
    older: bool = False


def look_ahead(options: EvaluateOptions) -> Ahead:
    """Find models and data by their names, and see whether the output is free; nothing is measured.

    Raises:
        GantoolError: one of them is not there, or the output holds another evaluation that may not be replaced.
    """
    files = tuple((options.output or Path()) / name for name in FILES[:3])
    if options.skip_existing and files[0].exists() and not _has_begun(options):
        return Ahead(files, done=True, older=_is_older(files[0], options))
    names = (*options.models, *filter(None, [options.segmenter]))
    models = tuple(find_model(name, options.runs).path for name in names)
    _require_free(options)
    if options.data is not None:
        resolve_data(options.data)
    for folder in (options.generated, options.real, options.predicted, options.truth):
        if folder is not None:
            require_folder(folder)
    return Ahead(files, done=False, models=models)


def _is_older(file: Path, options: EvaluateOptions) -> bool:
    try:
        models = [find_model(name, options.runs).path for name in options.models]
        return any(file.stat().st_mtime < model.stat().st_mtime for model in models)
    except (GantoolError, OSError):
        return False  # what is there may be of a model that is gone


def usual_output(models: Sequence[str], runs: Path) -> Path:
    """The folder of an evaluation whose place is not named: in the run of the model, if one is measured, else here.

    Raises:
        GantoolError: the model cannot be found.
    """
    if len(models) == 1:
        run = Run(find_model(models[0], runs).path.parent)
        if run.exists:
            return run.path / _FOLDER
    return Path(_FOLDER)


def _has_begun(options: EvaluateOptions) -> bool:
    """Whether what is there is of an earlier try of the same share, so that it may be replaced."""
    return options.output is not None and has_begun(options.share, options.output)


def _require_free(options: EvaluateOptions) -> None:
    if options.output is None or options.overwrite or _has_begun(options):
        return
    for name in FILES:
        path = options.output / name
        if path.exists():
            raise OutputError(
                f"{path}: exists already.", "Choose another -o, or use --overwrite, or --skip-existing to leave it."
            )


def run_share(
    parts: Parts, options: EvaluateOptions, on_progress: Progress, on_no_lock: Callable[[], None] = lambda: None
) -> Evaluation | None:
    """Measure a share of the images, unless that was done before; the last one writes the evaluation of all.

    Args:
        on_no_lock: called where nothing keeps other processes from measuring this share meanwhile.

    Returns:
        None where others are still to come, or have written it.

    Raises:
        GantoolError: as `run_evaluation`; or another process measures this share.
    """
    assert options.output is not None
    _require_free(options)
    with parts.working() as real:
        if not real:
            on_no_lock()
        known = _own(parts)
        if known is None and not options.overwrite and _has_begun(options) and (options.output / FILES[0]).exists():
            return None  # another one has put all together since the earlier try
        begin(options.share, options.output)
        gather = Gather(options.share, known=known)
        try:
            _measured(options, on_progress, gather)
            parts.hand_in(gather.part)
        except MeasuredBefore:
            on_progress(f"share {options.share}, measured before", 1, 1)
        with parts.last() as several:
            if several is None:
                return None
            evaluation = _measured(options, on_progress, Gather(options.share, parts=several))
            assert evaluation is not None
            return replace(evaluation, files=write_evaluation(evaluation, options.output))


def parts_of_evaluation(options: EvaluateOptions) -> Parts:
    """Where the shares of an evaluation hand in what they measured.

    Raises:
        GantoolError: a model cannot be found.
    """
    assert options.output is not None
    models = [find_model(name, options.runs) for name in options.models]
    question = [
        "evaluate", [[model.label, model.path.stat().st_size] for model in models], options.data, options.split,
        options.to, options.size, options.segmenter, options.inception_weights, options.fid_mode, options.generated,
        options.real, options.paired, options.predicted, options.truth, options.precision,
    ]  # fmt: skip
    return Parts(options.share, options.output, question, again=True)


def _own(parts: Parts) -> dict[str, Any] | None:
    """This share's part of an earlier try, if it can be used."""
    try:
        known = parts.handed_in(parts.share.place)
    except OutputError:
        return None
    return known if isinstance(known, dict) else None


def _measured(options: EvaluateOptions, on_progress: Progress, gather: Gather) -> Evaluation | None:
    if options.generated is not None:
        options.refuse_classes()
        return compare_picture_folders(options, on_progress, gather)
    if options.predicted is not None:
        return compare_mask_folders(options, gather)
    card = find_model(options.models[0], options.runs).card
    if card.is_segmenter or (card.to_labels is not None and options.to in (None, card.to_labels.target)):
        options.refuse_for_label_maps()
        return evaluate_label_maps(options, on_progress, gather)
    options.refuse_classes()
    return evaluate_pictures(options, on_progress, gather)
