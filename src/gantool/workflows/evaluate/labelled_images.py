"""The images with label maps that segmenters are measured on."""

from __future__ import annotations

from gantool.data.labelled import ArrayLabels, FileLabels, LabelledImages
from gantool.data.sample import CLASSES, draw_scene
from gantool.data.sources.find import find_source
from gantool.errors import DataError, UsageError, counted
from gantool.methods.images import LabelledSplit
from gantool.methods.registry import make_method, read_settings
from gantool.predict.segmenter import LoadedSegmenter

__all__ = ["find_labelled_images"]

_SAMPLE_SCENES, _SAMPLE_FIRST = 32, 2_000_000  # the test scenes of the built-in sample


def find_labelled_images(
    first: LoadedSegmenter, data: str | None, split: str
) -> tuple[LabelledImages, tuple[str, ...], str]:
    """The images of a split, the classes of their label maps, and in words what they are.

    Args:
        data: default the first model's own, as in training.

    Raises:
        DataError, UsageError: with the remedy.
    """
    if data is None:
        own = first.model.path.parent / "settings.yaml"
        if own.is_file() and first.card.is_segmenter:
            found = make_method(read_settings(own)).images(split)
            assert isinstance(found, LabelledSplit)
            return found.images, found.classes, found.about
        data = first.card.origin.data
    if data == "sample":
        scenes = [draw_scene(_SAMPLE_FIRST + n, size=first.card.size) for n in range(_SAMPLE_SCENES)]
        about = f"built-in sample, {_SAMPLE_SCENES} summer scenes"
        return ArrayLabels([(one.summer, one.mask) for one in scenes]), CLASSES, about
    if not data:
        raise UsageError("The model does not know its data.", "Name images with labels: --data DIR.")
    source = find_source(data)
    labelled = source.labelled()
    several = [one for one in labelled.images if one.split == split]
    if not several:
        known = ", ".join(sorted({one.split for one in labelled.images}))
        raise DataError(f"{source.place}: has no {split} split (it has {known}).", "Choose another with --split.")
    return FileLabels(several), labelled.classes, f"{labelled.about}, {split} ({counted(len(several), 'image')})"
