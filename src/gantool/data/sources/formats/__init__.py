"""Annotation files of every tool: a reader per tool, all yielding the same shapes.

A new format is a module with a `Reader` and a line in `READERS`.
"""

from gantool.data.sources.formats.coco import COCO
from gantool.data.sources.formats.cvat import CVAT
from gantool.data.sources.formats.label_studio import LABEL_STUDIO
from gantool.data.sources.formats.labelme import LABELME
from gantool.data.sources.formats.reader import Reader
from gantool.data.sources.formats.supervisely import SUPERVISELY
from gantool.data.sources.formats.via import VIA

__all__ = ["READERS"]

READERS: tuple[Reader, ...] = (SUPERVISELY, CVAT, LABELME, COCO, LABEL_STUDIO, VIA)
"""Every tool whose files are read; the first whose files are there decides, except that those that share an ending
must not lie beside each other."""
