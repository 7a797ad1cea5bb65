"""Labels drawn as shapes: one reader per format, all yielding the same shapes, and what paints them."""

from gantool.annotations.coco import is_coco, read_coco
from gantool.annotations.cvat import is_cvat, read_cvat
from gantool.annotations.json_files import load_json
from gantool.annotations.label_studio import is_label_studio, read_label_studio
from gantool.annotations.labelme import is_labelme, read_labelme
from gantool.annotations.shapes import AnnotatedImage, Shape, rasterize
from gantool.annotations.supervisely import read_supervisely, supervisely_classes
from gantool.annotations.via import is_via, read_via

__all__ = [
    "AnnotatedImage",
    "Shape",
    "is_coco",
    "is_cvat",
    "is_label_studio",
    "is_labelme",
    "is_via",
    "load_json",
    "rasterize",
    "read_coco",
    "read_cvat",
    "read_label_studio",
    "read_labelme",
    "read_supervisely",
    "read_via",
    "supervisely_classes",
]
