"""Annotation files of every tool: a reader per tool, all yielding the same shapes.

A new format is a module with a `READER` and its name in the list below.
"""

from importlib import import_module

from gantool.data.sources.formats.reader import Reader

__all__ = ["READERS"]

_TOOLS = ("supervisely", "cvat", "labelme", "coco", "label_studio", "via")

READERS: tuple[Reader, ...] = tuple(import_module(f"{__name__}.{tool}").READER for tool in _TOOLS)
"""Every tool whose files are read; the first whose files are there decides, except that those that share an ending
must not lie beside each other."""
