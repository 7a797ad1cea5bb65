"""Labels drawn as shapes: one reader per format, all yielding the same shapes, and what paints them."""

from gantool.annotations.coco import read_coco
from gantool.annotations.labelme import read_labelme
from gantool.annotations.shapes import AnnotatedImage, Shape, rasterize

__all__ = ["AnnotatedImage", "Shape", "rasterize", "read_coco", "read_labelme"]
