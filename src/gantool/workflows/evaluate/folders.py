"""How far is a folder of generated pictures from one of real ones, or of predicted masks from the true ones?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gantool.arrays import IGNORE, Mask, Pixels
from gantool.data.images import find_images, read_pixels
from gantool.data.masks import read_index_mask
from gantool.data.sources.labels.pairing import match_files
from gantool.data.tiles import photograph_of
from gantool.devices import choose_device
from gantool.errors import DataError, GantoolError, counted
from gantool.metrics.labels import LabelScores
from gantool.metrics.sets import ImageSet, Measured, PairScores, compare_sets, make_instruments
from gantool.metrics.sliced import common_size
from gantool.metrics.table import worst_first
from gantool.palette import named_colors
from gantool.workflows.evaluate.gallery import chosen_images, in_colors
from gantool.workflows.evaluate.gates import require_classes
from gantool.workflows.evaluate.options import EvaluateOptions
from gantool.workflows.evaluate.results import Evaluation, Progress, Result, ShownRow

__all__ = ["compare_mask_folders", "compare_picture_folders", "require_folder"]


def compare_mask_folders(options: EvaluateOptions) -> Evaluation:
    """Compare two folders of index masks, matched by name.

    Raises:
        DataError: a folder is missing, nothing matches, or two masks differ in size.
    """
    predicted, truth = options.predicted, options.truth
    assert predicted is not None
    assert truth is not None
    for folder in (predicted, truth):
        require_folder(folder)
    pairs, alone = match_files(find_images(truth), find_images(predicted))
    if not pairs:
        raise DataError(f"{predicted}: no mask has the name of one in {truth}.", alone[0] if alone else "")
    read = [(str(true), _mask(true), _mask(guess)) for true, guess in pairs]
    most = max(int(np.where(mask == IGNORE, 0, mask).max(initial=0)) for _, *masks in read for mask in masks)
    names = [f"class_{n}" for n in range(most + 1)]
    require_classes(options.classes, names)
    scores = LabelScores(names)
    for name, true, guess in read:
        try:
            scores.add(name, true, guess, photograph_of(name))
        except ValueError as error:
            raise DataError(f"{name}: {error}.") from None
    about = f"{predicted} against {truth}" + (f" ({len(alone)} without a partner)" if alone else "")
    result = Result(
        str(predicted), len(read), scores.values(), per_image=worst_first(scores.images, "accuracy"),
        classes=scores.classes(),
    )  # fmt: skip
    colors = named_colors(names)

    def row(n: int, caption: str) -> ShownRow:
        _, true, guess = read[n]
        return ShownRow(caption, [("truth", in_colors(true, colors)), ("predicted", in_colors(guess, colors))])

    gallery = _gallery(options, result, "accuracy", [name for name, *_ in read], row)
    return Evaluation(about, (result,), gallery, dict(zip(names, colors, strict=True)))


def compare_picture_folders(options: EvaluateOptions, on_progress: Progress) -> Evaluation:
    """Compare a folder of generated images with one of real ones.

    Raises:
        DataError: a folder is missing or has nothing to measure, or its images are not the others' partners.
    """
    generated, real = options.generated, options.real
    assert generated is not None
    assert real is not None
    files = [_images_of(folder) for folder in (generated, real)]
    pairs = _pairs(generated, real, files) if options.paired else []
    instruments = make_instruments(
        inception_weights=options.inception_weights, resize=options.fid_mode, paired=bool(pairs),
        device=choose_device(options.device),
    )  # fmt: skip
    failed: dict[Path, str] = {}
    side = common_size(*_first_size(files[1]))
    sets = [ImageSet(side, instruments) for _ in files]
    for folder, paths, images in zip((generated, real), files, sets, strict=True):
        for n, (path, pixels) in enumerate(_read(paths, failed)):
            images.add(pixels, photograph_of(str(path)))
            on_progress(str(folder), n + 1, len(paths))
        if not images.count:
            raise DataError(f"{folder}: none of its {len(paths)} images can be read.", next(iter(failed.values())))
    distances = compare_sets(sets[1], sets[0], instruments)
    scores = PairScores(instruments)
    usable = [pair for pair in pairs if not failed.keys() & set(pair)]
    for n, (one, truth) in enumerate(usable):
        on_progress("pairs", n + 1, len(usable))
        scores.add(str(one), *_same_size(one, truth), photograph_of(str(truth)))
    both = scores.measured() if usable else Measured()
    result = Result(
        str(generated), sets[0].count, {**distances.values, **both.values}, target=str(real),
        real_images=sets[1].count, left_out={**distances.left_out, **both.left_out}, warnings=distances.warnings,
        swd_levels=distances.swd_levels, fid_mode=instruments.fid_mode, per_image=worst_first(scores.images, "l1"),
        failed=tuple(failed.values()),
    )  # fmt: skip

    def row(n: int, caption: str) -> ShownRow:
        names = ("generated", "real")
        return ShownRow(caption, [(name, read_pixels(path)) for name, path in zip(names, usable[n], strict=True)])

    gallery = _gallery(options, result, "l1", [str(one) for one, _ in usable], row)
    return Evaluation(f"{generated} against {real}", (result,), gallery)


def _gallery(
    options: EvaluateOptions, result: Result, metric: str, names: Sequence[str], row: Callable[[int, str], ShownRow]
) -> dict[str, list[ShownRow]]:
    """Of what belongs together, if a page is wanted."""
    if options.output is None or not names:
        return {}
    chosen = chosen_images(result, metric, names)
    return {result.target: [replace(row(n, caption), group=group) for n, caption, group in chosen]}


def _mask(path: Path) -> Mask:
    mask = read_index_mask(path)
    if int(mask.max(initial=0)) > IGNORE:
        raise DataError(f"{path}: has an index of {int(mask.max())}, masks have 0 to 254, and {IGNORE} for none.")
    return mask.astype(np.uint8)


def require_folder(folder: Path) -> None:
    """Raise a `DataError` where there is no such folder."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder.")


def _images_of(folder: Path) -> list[Path]:
    require_folder(folder)
    found = find_images(folder)
    if not found:
        raise DataError(f"{folder}: has no images.")
    return found


def _pairs(generated: Path, real: Path, files: Sequence[Sequence[Path]]) -> list[tuple[Path, Path]]:
    """Partners by name."""
    if len(files[0]) != len(files[1]):
        raise DataError(
            f"{generated} has {len(files[0])} images, {real} has {len(files[1])}; pairs need as many of both.",
            "Leave --paired out to compare the sets only.",
        )
    matched, alone = match_files(files[0], files[1])
    if alone or not matched:
        raise DataError(
            f"{generated}: {counted(len(alone), 'image')} without a partner in {real}.", alone[0] if alone else ""
        )
    return [(Path(one), Path(other)) for one, other in matched]


def _same_size(one: Path, truth: Path) -> tuple[Pixels, Pixels]:
    image, expected = read_pixels(one), read_pixels(truth)
    if image.shape != expected.shape:
        raise DataError(
            f"{one}: has {image.shape[1]}x{image.shape[0]} pixels, its partner {truth} "
            f"{expected.shape[1]}x{expected.shape[0]}.",
            "Leave --paired out to compare the sets only.",
        )
    return image, expected


def _first_size(paths: Sequence[Path]) -> tuple[int, int]:
    for _, pixels in _read(paths, {}):
        return pixels.shape[1], pixels.shape[0]
    raise DataError(f"{paths[0].parent}: none of its {len(paths)} images can be read.")


def _read(paths: Sequence[Path], failed: dict[Path, str]) -> Iterator[tuple[Path, Pixels]]:
    for path in paths:
        try:
            pixels = read_pixels(path)
        except GantoolError as error:
            failed[path] = error.message
            continue
        yield path, pixels
