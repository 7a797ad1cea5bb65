"""``gantool evaluate``: how good is it?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from gantool.errors import OutputError, UsageError
from gantool.metrics.inception import Resize
from gantool.models.find import find_model
from gantool.workflows.evaluate.files import FILES, write_evaluation
from gantool.workflows.evaluate.folders import compare_mask_folders, compare_picture_folders
from gantool.workflows.evaluate.labels import evaluate_label_maps
from gantool.workflows.evaluate.options import EvaluateOptions
from gantool.workflows.evaluate.pictures import evaluate_pictures
from gantool.workflows.evaluate.results import Evaluation, Progress, Result

__all__ = ["EvaluateOptions", "Evaluation", "Result", "evaluate", "run_evaluation"]


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
        segmenter: a model that labels the generated pictures, to see whether they show what they should.
        inception_weights: a file with the weights for FID and KID; default the cache, or a download.
        fid_mode: how images come to Inception's size: ``clean`` or ``legacy``.
        trust: also run TorchScript and ``.pt2`` files that were not exported here.
        output: folder for ``evaluation.json``, ``.csv`` and ``.html``; None writes nothing.
        on_progress: called with what is done, how many images are done and how many there are.

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
    output = options.output
    if output is not None and not options.overwrite:
        for name in FILES:
            if (output / name).exists():
                raise OutputError(f"{output / name}: exists already.", "Choose another -o, or use --overwrite.")
    evaluation = _measured(options, on_progress)
    return evaluation if output is None else replace(evaluation, files=write_evaluation(evaluation, output))


def _measured(options: EvaluateOptions, on_progress: Progress) -> Evaluation:
    if options.generated is not None:
        return compare_picture_folders(options, on_progress)
    if options.predicted is not None:
        return compare_mask_folders(options)
    card = find_model(options.models[0], options.runs).card
    if card.is_segmenter or (card.to_labels is not None and options.to in (None, card.to_labels.target)):
        options.refuse_for_label_maps()
        return evaluate_label_maps(options, on_progress)
    return evaluate_pictures(options, on_progress)
