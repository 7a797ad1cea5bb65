"""Images with annotation files: regions drawn by hand, in the formats of six tools."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gantool.annotations import (
    AnnotatedImage,
    is_coco,
    is_cvat,
    is_label_studio,
    is_labelme,
    is_via,
    load_json,
    rasterize,
    read_coco,
    read_cvat,
    read_label_studio,
    read_labelme,
    read_supervisely,
    read_via,
    supervisely_classes,
)
from gantool.arrays import IGNORE, class_colors
from gantool.data.labels.sets import (
    SPLIT_WORDS,
    ImageFinder,
    LabelledImage,
    LabelledSet,
    LabelOptions,
    require_few_classes,
    split_folders,
    split_of,
)
from gantool.data.labels.tables import VOID_NAMES
from gantool.errors import DataError, UsageError, closest

__all__ = ["find_drawn"]

_BACKGROUND = "background"
_BACKGROUND_NAMES = ("background", "_background_")
_IGNORED = "__ignore__"
_FOLDERS = ("annotations", "annotation", "labels", "json", "ann")
_KINDS = {"labelme": is_labelme, "COCO": is_coco, "Label Studio": is_label_studio, "VIA": is_via}

Found = tuple[str, Path, AnnotatedImage]  # split, annotation file, shapes


def find_drawn(root: Path, options: LabelOptions, only: Path | None = None) -> LabelledSet | None:
    """Recognize the files of labelme, COCO, VIA, Label Studio, CVAT and Supervisely; None for anything else.

    Args:
        only: the one annotation file to read.

    Raises:
        DataError: names the file and the region that cannot be read.
        UsageError: files of several kinds, or several of a kind that has one file per data set.
    """
    if only is None and (root / "meta.json").is_file() and any(root.glob("*/ann")):
        return _supervisely(root, options)
    finder = ImageFinder(root)
    documents = _documents(root, ".xml", only)
    xml = [(split, path) for split, path in documents if is_cvat(path)]
    if xml:
        found = [(one.subset or split, path, one) for split, path in xml for one in read_cvat(path)]
        return _drawn_set(f"{root}: CVAT for images ({_listed(xml)})", found, finder, options)
    by_kind: dict[str, list[tuple[str, Path, Any]]] = {}
    for split, path in _documents(root, ".json", only):
        tree = load_json(path)
        kind = next((name for name, fits in _KINDS.items() if fits(tree)), None)
        if kind == "labelme":
            by_kind.setdefault(kind, []).append((split, path, read_labelme(path, tree)))
        elif kind is not None:
            by_kind.setdefault(kind, []).append((split, path, tree))
    if len(by_kind) > 1:
        listed = ", ".join(f"{kind} ({entries[0][1].name})" for kind, entries in by_kind.items())
        raise UsageError(f"{root}: has annotations of several kinds: {listed}.", "Name one of the files as SOURCE.")
    for kind, entries in by_kind.items():
        if kind == "labelme":
            return _labelme(root, entries, finder, options)
        if kind == "COCO":
            return _coco(root, entries, finder, options)
        about = f"{root}: {kind} ({_listed(entries)})"
        if kind == "VIA":
            found = [
                (split, path, one)
                for split, path, tree in entries
                for one in read_via(path, partial(finder.size, path), options.attribute, tree)
            ]
            return _drawn_set(about, found, finder, options, ("classes", "attribute"))
        found = [(split, path, one) for split, path, tree in entries for one in read_label_studio(path, tree)]
        return _drawn_set(about, found, finder, options)
    return None


def _documents(root: Path, suffix: str, only: Path | None) -> list[tuple[str, Path]]:
    """Annotation files with the splits that their folders or names speak of."""
    if only is not None:
        return [(split_of(only.stem) or "train", only)] if only.suffix.lower() == suffix else []
    found: dict[Path, str] = {}
    for split, folder in {"": root, **split_folders(root)}.items():
        for place in (folder, *(folder / name for name in _FOLDERS)):
            for path in sorted(place.glob(f"*{suffix}")) if place.is_dir() else []:
                if not path.name.startswith("."):
                    found.setdefault(path, split if folder != root else split_of(path.stem) or "train")
    return [(split, path) for path, split in found.items()]


def _listed(entries: Sequence[tuple[Any, ...]]) -> str:
    names = [entry[1].name for entry in entries]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _coco(
    root: Path, entries: Sequence[tuple[str, Path, Any]], finder: ImageFinder, options: LabelOptions
) -> LabelledSet:
    # The official set has keypoints beside the instances of the same images.
    instances = [entry for entry in entries if "instances" in entry[1].stem] or list(entries)
    files: dict[str, Path] = {}
    names: list[str] | None = None
    images: list[LabelledImage] = []
    for split, path, tree in instances:
        if split in files:
            raise UsageError(
                f"{root}: {files[split].name} and {path.name} both have annotations for {split}.",
                "Name one of them as SOURCE.",
            )
        files[split] = path
        these, annotated = read_coco(path, tree)
        if names is not None and these != names:
            raise DataError(f"{path}: has other categories than the other splits.")
        names = these
        require_few_classes(path, len(names) + 1)
        rest = _BACKGROUND if _BACKGROUND not in names else "no region"
        indices = {name: index for index, name in enumerate([rest, *names])}
        folders = [path.parent.parent / path.stem.rsplit("_", 1)[-1]]  # instances_val2017.json: ../val2017
        for one in annotated:
            image = finder.find(path, one.image, folders)
            images.append(LabelledImage(image, split, partial(rasterize, one, indices, 0)))
    assert names is not None
    about = f"{root}: COCO annotations ({', '.join(path.name for path in files.values())})"
    return LabelledSet(about, (rest, *names), tuple(images))


def _labelme(root: Path, found: Sequence[Found], finder: ImageFinder, options: LabelOptions) -> LabelledSet:
    labels = root / "labels.txt"
    listed: Sequence[str] | None = options.classes.names if options.classes is not None else None
    if listed is None and labels.is_file():
        listed = [line.strip() for line in labels.read_text("utf-8").splitlines() if line.strip()]
    return _drawn_set(
        f"{root}: {len(found)} labelme files", found, finder, options, listed=listed, background="_background_"
    )


def _supervisely(root: Path, options: LabelOptions) -> LabelledSet:
    found: list[Found] = []
    places: dict[Path, Path] = {}
    for folder in sorted(entry for entry in root.iterdir() if (entry / "ann").is_dir()):
        for path in sorted((folder / "ann").glob("*.json")):
            found.append((SPLIT_WORDS.get(folder.name.lower(), "train"), path, read_supervisely(path)))
            places[path] = folder / "img"
    named = supervisely_classes(root / "meta.json")
    return _drawn_set(
        f"{root}: a Supervisely project with {len(found)} images", found, ImageFinder(root), options,
        listed=options.classes.names if options.classes is not None else [name for name, _ in named],
        colors=dict(named), places=places,
    )  # fmt: skip


def _drawn_set(
    about: str,
    found: Sequence[Found],
    finder: ImageFinder,
    options: LabelOptions,
    takes: tuple[str, ...] = ("classes",),
    *,
    listed: Sequence[str] | None = None,
    background: str = _BACKGROUND,
    colors: dict[str, tuple[int, int, int]] | None = None,
    places: dict[Path, Path] | None = None,
) -> LabelledSet:
    """Shapes painted over class 0; labels that say so are 255."""
    if listed is None and options.classes is not None:
        listed = options.classes.names
    used = {shape.label for _, _, one in found for shape in one.shapes}
    void = {name for name in used if name.lower() in VOID_NAMES}
    names = [background]
    names += [
        name for name in listed or sorted(used) if name not in _BACKGROUND_NAMES and name.lower() not in VOID_NAMES
    ]
    unknown = sorted(used - set(names) - void - set(_BACKGROUND_NAMES))
    if unknown:
        raise DataError(
            f"{about}: the label {unknown[0]!r} is not in the list of classes.", closest(unknown[0], names)
        )
    require_few_classes(about, len(names))
    indices = {name: index for index, name in enumerate(names)}
    indices |= dict.fromkeys((*void, _IGNORED), IGNORE) | dict.fromkeys(_BACKGROUND_NAMES, 0)
    images = []
    for split, path, one in found:
        image = finder.find(path, one.image, [places[path]] if places else ())
        images.append(
            LabelledImage(image, SPLIT_WORDS.get(split.lower(), "train"), partial(rasterize, one, indices, 0))
        )
    own = class_colors(len(names))
    chosen = tuple(colors.get(name, color) for name, color in zip(names, own, strict=True)) if colors else None
    return LabelledSet(about, tuple(names), tuple(images), takes, chosen)
