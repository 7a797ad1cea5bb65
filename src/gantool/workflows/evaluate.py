"""``gantool evaluate``: how good is it?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gantool.errors import UsageError
from gantool.metrics.inception import Resize
from gantool.models.find import find_model
from gantool.workflows.evaluate_folders import evaluate_image_folders
from gantool.workflows.evaluate_segmentation import SegmentationEvaluation, evaluate_masks, evaluate_segmenters
from gantool.workflows.evaluate_translation import evaluate_translations
from gantool.workflows.evaluation_results import TranslationEvaluation
from gantool.workflows.segment_by_translation import direction_to_labels

__all__ = [
    "Evaluation",
    "SegmentationEvaluation",
    "TranslationEvaluation",
    "evaluate",
    "evaluate_image_folders",
    "evaluate_masks",
]

Evaluation = SegmentationEvaluation | TranslationEvaluation


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
    names = [models] if isinstance(models, str) else list(models)
    if not names:
        raise UsageError("No model named.", "Name one or several: gantool evaluate cyclegan.")
    if split not in ("train", "val", "test"):
        raise UsageError(f"--split {split}: expected train, val or test.")
    if fid_mode not in ("clean", "legacy"):
        raise UsageError(f"--fid-mode {fid_mode}: expected clean or legacy.")
    folder = Path(output) if output is not None else None
    if _makes_labels(names[0], Path(runs), to):
        for option, value in (
            ("--size", size),
            ("--segmenter", segmenter),
            ("--inception-weights", inception_weights),
        ):
            if value is not None:
                raise UsageError(f"{option} is for translations to pictures; {names[0]} makes label maps.")
        return evaluate_segmenters(
            names, data=data, split=split, runs=Path(runs), device=device, precision=precision, trust=trust,
            output=folder, on_progress=on_progress,
        )  # fmt: skip
    return evaluate_translations(
        names, data=data, split=split, to=to, size=size, segmenter=segmenter,
        inception_weights=Path(inception_weights) if inception_weights is not None else None, resize=fid_mode,
        runs=Path(runs), device=device, precision=precision, trust=trust, output=folder, on_progress=on_progress,
    )  # fmt: skip


def _makes_labels(name: str, runs: Path, to: str | None) -> bool:
    card = find_model(name, runs).card
    if card.task == "segmentation":
        return True
    direction = direction_to_labels(card)
    return direction is not None and to in (None, direction.target)
