"""Images with annotation files: regions outlined by hand, by any of the tools in `READERS`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gantool.arrays import IGNORE, Mask
from gantool.data.images import find_folders, find_images, upright_size
from gantool.data.sources.formats import READERS
from gantool.data.sources.formats.json_files import load_json
from gantool.data.sources.formats.painting import rasterize
from gantool.data.sources.formats.reader import AnnotationFile, Annotations, Context, Reader
from gantool.data.sources.formats.shapes import AnnotatedImage
from gantool.data.sources.labels.sets import (
    ImageFinder,
    LabelledImage,
    LabelledSet,
    LabelOptions,
    require_few_classes,
)
from gantool.data.sources.labels.tables import BACKGROUND_NAMES, VOID_NAMES
from gantool.data.splits import SPLIT_WORDS, split_folders, split_of
from gantool.errors import DataError, UsageError, closest
from gantool.palette import named_colors

__all__ = ["find_annotated"]

_IGNORED = "__ignore__"
_FOLDERS = ("annotations", "annotation", "labels", "json", "ann")


def find_annotated(
    root: Path, options: LabelOptions, only: Path | None = None, *, deeper: bool = False
) -> LabelledSet | None:
    """Recognize the files of an annotation tool; None for anything else.

    Args:
        only: the one annotation file to read.
        deeper: look in the folders of ``root``, whatever they are called.

    Raises:
        DataError: names the file and the region that cannot be read.
        UsageError: files of several tools, or several of a tool that has one file per data set.
    """
    finder = ImageFinder(root)
    context = Context(root, finder.find, finder.size, options.attribute)
    for reader in READERS:
        files = reader.find(root) if reader.find is not None and only is None else []
        if files:
            return _painted_set(root, reader.read(files, context), finder, options)
    for suffix in dict.fromkeys(reader.suffix for reader in sorted(READERS, key=lambda one: one.suffix == ".json")):
        by_tool = _by_tool(_annotation_files(root, suffix, only, deeper))
        if len(by_tool) > 1:
            listed = ", ".join(f"{reader.name} ({files[0].path.name})" for reader, files in by_tool.items())
            raise UsageError(
                f"{root}: has annotations of several kinds: {listed}.", "Name one of the files as SOURCE."
            )
        for reader, files in by_tool.items():
            return _painted_set(root, reader.read(files, context), finder, options)
    return None


def _by_tool(files: list[AnnotationFile]) -> dict[Reader, list[AnnotationFile]]:
    found: dict[Reader, list[AnnotationFile]] = {}
    for file in files:
        reader = next(
            (one for one in READERS if one.suffix == file.path.suffix.lower() and one.matches(file.path, file.tree)),
            None,
        )
        if reader is not None:
            found.setdefault(reader, []).append(file)
    return found


def _annotation_files(root: Path, suffix: str, only: Path | None, deeper: bool) -> list[AnnotationFile]:
    """Files of that ending with the splits that their folders or names speak of."""
    if only is not None:
        found = {only: split_of(only.stem) or "train"} if only.suffix.lower() == suffix else {}
    elif deeper:
        found = {
            path: split_of(folder.name) or split_of(path.stem) or "train"
            for folder in find_folders(root)
            for path in sorted(folder.glob(f"*{suffix}"))
            if not path.name.startswith(".")
        }
    else:
        found = {}
        for split, folder in {"": root, **split_folders(root)}.items():
            for place in (folder, *(folder / name for name in _FOLDERS)):
                for path in sorted(place.glob(f"*{suffix}")) if place.is_dir() else []:
                    if not path.name.startswith("."):
                        found.setdefault(path, split if folder != root else split_of(path.stem) or "train")
    return [AnnotationFile(path, split, _parsed(path)) for path, split in found.items()]


def _parsed(path: Path) -> Any:
    return load_json(path) if path.suffix.lower() == ".json" else None


def _painted_set(root: Path, found: Annotations, finder: ImageFinder, options: LabelOptions) -> LabelledSet:
    """Shapes painted over class 0; labels that say so are 255."""
    about = f"{root}: {found.about}"
    names, indices = _classes(about, found, options)
    require_few_classes(about, len(names))
    if found.images and not any(one.shapes for one in found.images):
        raise DataError(
            f"{about}: no image has a region, only flags, tags or boxes if anything.",
            "Outline regions with polygons, brushes or masks, and export again.",
        )
    images = []
    for one in found.images:
        image = finder.find(one.file, one.image, one.folders)
        split = SPLIT_WORDS.get(one.split.lower(), "train")
        images.append(LabelledImage(image, split, partial(_paint, image, one, indices), (one.file,)))
    colors = named_colors(names, found.colors) if found.colors else None
    return LabelledSet(about, names, tuple(images), found.options, colors, unannotated=_unannotated(root, images))


def _unannotated(root: Path, images: Sequence[LabelledImage]) -> tuple[Path, ...]:
    """Images that lie beside annotated ones and are in no annotation file."""
    annotated = {one.image.resolve() for one in images}
    folders = dict.fromkeys(one.image.parent for one in images if one.image.is_relative_to(root))
    beside = (path for folder in folders if folder.is_dir() for path in find_images(folder))
    return tuple(path for path in beside if path.resolve() not in annotated)


def _classes(about: str, found: Annotations, options: LabelOptions) -> tuple[tuple[str, ...], dict[str, int]]:
    """Names by index, and the index (or `IGNORE`) by label."""
    used = {shape.label for one in found.images for shape in one.shapes}
    listed = options.classes.names if options.classes is not None else found.classes
    listed = sorted(used) if listed is None else listed
    if found.literal:
        names = (found.background, *listed)
        return names, {name: index for index, name in enumerate(names)}
    void = {name for name in used if name.lower() in VOID_NAMES}
    classes = [name for name in listed if name not in BACKGROUND_NAMES and name.lower() not in VOID_NAMES]
    names = (found.background, *classes)
    unknown = sorted(used - set(names) - void - set(BACKGROUND_NAMES))
    if unknown:
        raise DataError(
            f"{about}: the label {unknown[0]!r} is not in the list of classes.", closest(unknown[0], names)
        )
    indices = {name: index for index, name in enumerate(names)}
    return names, indices | dict.fromkeys((*void, _IGNORED), IGNORE) | dict.fromkeys(BACKGROUND_NAMES, 0)


def _paint(image: Path, annotated: AnnotatedImage, indices: Mapping[str, int]) -> Mask:
    """The mask of an image, once its size is known to be what the annotation says.

    Raises:
        DataError: the sizes differ, or a region cannot be painted.
    """
    width, height = upright_size(image)
    if (width, height) != (annotated.width, annotated.height):
        raise DataError(f"{image}: has {width}x{height} pixels, its mask {annotated.width}x{annotated.height}.")
    return rasterize(annotated, indices, 0)
