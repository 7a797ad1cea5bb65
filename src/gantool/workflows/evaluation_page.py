"""The page of an evaluation of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gantool._version import __version__
from gantool.metrics.estimates import Estimate, shown
from gantool.report.pages import data_uri, thumbnail, write_page
from gantool.workflows.evaluation_results import ImageResult, ShownRow, TranslationEvaluation, difference_tables

__all__ = ["write_translation_page"]

_HIGHER = ("psnr", "ssim", "ms_ssim")


def write_translation_page(path: Path, evaluation: TranslationEvaluation) -> None:
    """Tables with intervals, and pictures before and after."""
    targets = list(dict.fromkeys(one.target for one in evaluation.results))
    write_page(
        path,
        "translation.html",
        {
            "version": __version__,
            "title": "Evaluation",
            "about": evaluation.about,
            "parts": [
                _part([one for one in evaluation.results if one.target == target], evaluation.rows.get(target, ()))
                for target in targets
            ],
            "failed": evaluation.failed[:100],
        },
    )


def _part(results: Sequence[ImageResult], rows: Sequence[ShownRow]) -> dict[str, Any]:
    first = results[0]
    keys = list(dict.fromkeys(key for one in results for key in one.values))
    return {
        "title": f"{first.source} to {first.target}" if first.source else f"{first.name} against {first.target}",
        "models": [one.name for one in results],
        "plain": bool(first.untranslated),
        "rows": [
            (
                f"{key} ({first.fid_mode})" if key in ("fid", "kid") else key.replace("_", " "),
                [shown(one.values.get(key)) for one in results],
                shown(Estimate(first.untranslated[key].value)) if key in first.untranslated else "",
                "higher" if key in _HIGHER or key.endswith(("iou", "accuracy")) else "lower",
            )
            for key in keys
        ],
        "differences": difference_tables([(one.name, one.differences) for one in results]),
        "counts": f"{first.images} images, compared with {first.real_images} real ones.",
        "warnings": list(first.warnings),
        "left_out": list(first.left_out.items()),
        "levels": [(side, [f"{one.swd_levels[side]:.4f}" for one in results]) for side in first.swd_levels],
        "pictures": [_row(row) for row in rows],
    }


def _row(row: ShownRow) -> dict[str, Any]:
    shown = [(name, data_uri(thumbnail(pixels))) for name, pixels in row.pictures]
    return {"before": shown[0], "after": shown[1], "others": shown[2:], "caption": row.caption}
