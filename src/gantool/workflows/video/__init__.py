"""Clips, translated and segmented: `translate_clips` and `segment_clips`."""

from gantool.workflows.video.options import ClipOptions
from gantool.workflows.video.plan import ClipJob
from gantool.workflows.video.segment import plan_clip_labels, segment_clips
from gantool.workflows.video.translate import plan_clip_translation, translate_clips
from gantool.workflows.video.work import ClipOutcome, Progress

__all__ = [
    "ClipJob",
    "ClipOptions",
    "ClipOutcome",
    "Progress",
    "plan_clip_labels",
    "plan_clip_translation",
    "segment_clips",
    "translate_clips",
]
