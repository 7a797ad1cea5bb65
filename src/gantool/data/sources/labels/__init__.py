"""Images with labels, in every form that data sets and annotation tools have them."""

from gantool.data.sources.labels.find import find_labelled
from gantool.data.sources.labels.index_masks import read_values
from gantool.data.sources.labels.mask_files import masks_set
from gantool.data.sources.labels.sets import LabelledImage, LabelledSet, LabelOptions
from gantool.data.sources.labels.tables import ClassTable, read_class_table

__all__ = [
    "ClassTable",
    "LabelOptions",
    "LabelledImage",
    "LabelledSet",
    "find_labelled",
    "masks_set",
    "read_class_table",
    "read_values",
]
