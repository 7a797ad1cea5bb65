"""How far is a folder of generated pictures from one of real ones, or of predicted masks from the true ones?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from gantool.workflows.shares.gather import Entries, Gather, Largest

__all__ = ["compare_mask_folders", "compare_picture_folders", "require_folder"]


def compare_mask_folders(options: EvaluateOptions, gather: Gather) -> Evaluation | None:
    """Compare two folders of index masks, matched by name.

    Returns:
        None for a share that only measures.

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
    gather.question(path for pair in pairs for path in pair)
    read = [(n, _mask(pairs[n][0]), _mask(pairs[n][1])) for n in gather.places(len(pairs))]
    most = Largest()
    most.include([int(np.where(mask == IGNORE, 0, mask).max(initial=0)) for _, *both in read for mask in both])
    gather.whole("classes", most)
    names = [f"class_{n}" for n in range(most.value + 1)]
    if not gather.is_looking:
        require_classes(options.classes, names)
    scores = LabelScores(names)
    for n, true, guess in read:
        name = str(pairs[n][0])
        try:
            scores.add(name, true, guess, photograph_of(name), n)
        except ValueError as error:
            raise DataError(f"{name}: {error}.") from None
    gather.whole("scores", scores)
    if gather.is_looking:
        return None
    about = f"{predicted} against {truth}" + (f" ({len(alone)} without a partner)" if alone else "")
    result = Result(
        str(predicted), len(pairs), scores.values(), per_image=worst_first(scores.images, "accuracy"),
        classes=scores.classes(),
    )  # fmt: skip
    colors = named_colors(names)

    def row(n: int, caption: str) -> ShownRow:
        true, guess = map(_mask, pairs[n])
        return ShownRow(caption, [("truth", in_colors(true, colors)), ("predicted", in_colors(guess, colors))])

    gallery = _gallery(options, result, "accuracy", [str(true) for true, _ in pairs], row)
    return Evaluation(about, (result,), gallery, dict(zip(names, colors, strict=True)))


def compare_picture_folders(options: EvaluateOptions, on_progress: Progress, gather: Gather) -> Evaluation | None:
    """Compare a folder of generated images with one of real ones.

    Returns:
        None for a share that only measures.

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
    gather.question(path for paths in files for path in paths)
    side = common_size(*_first_size(files[1]))
    sets = [ImageSet(side, instruments) for _ in files]
    failed = [Entries[str]() for _ in files]
    for folder, paths, images, problems in zip((generated, real), files, sets, failed, strict=True):
        for n in gather.places(len(paths), instruments.block):
            pixels = _readable(n, paths[n], problems)
            if pixels is not None:
                images.add(pixels, photograph_of(str(paths[n])), place=n)
            on_progress(str(folder), n + 1, len(paths))
        gather.whole(f"images of {folder}", images)
        gather.whole(f"unreadable of {folder}", problems)
        if not (images.count or gather.is_looking):
            raise DataError(f"{folder}: none of its {len(paths)} images can be read.", problems.values[0])
    scores = PairScores(instruments)
    for n in gather.places(len(pairs)):
        on_progress("pairs", n + 1, len(pairs))
        couple = [_readable(n, path, Entries()) for path in pairs[n]]
        if couple[0] is not None and couple[1] is not None:
            _require_same_size(pairs[n], couple[0], couple[1])
            scores.add(str(pairs[n][0]), couple[0], couple[1], photograph_of(str(pairs[n][1])), n)
    gather.whole("pairs", scores)
    if gather.is_looking:
        return None
    distances = compare_sets(sets[1], sets[0], instruments)
    measured = {name for name, _ in scores.images}
    usable = [pair for pair in pairs if str(pair[0]) in measured]
    both = scores.measured() if usable else Measured()
    result = Result(
        str(generated), sets[0].count, {**distances.values, **both.values}, target=str(real),
        real_images=sets[1].count, left_out={**distances.left_out, **both.left_out}, warnings=distances.warnings,
        swd_levels=distances.swd_levels, fid_mode=instruments.fid_mode, per_image=worst_first(scores.images, "l1"),
        failed=tuple(problem for problems in failed for problem in problems.values),
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


def _require_same_size(pair: tuple[Path, Path], image: Pixels, expected: Pixels) -> None:
    if image.shape != expected.shape:
        one, truth = pair
        raise DataError(
            f"{one}: has {image.shape[1]}x{image.shape[0]} pixels, its partner {truth} "
            f"{expected.shape[1]}x{expected.shape[0]}.",
            "Leave --paired out to compare the sets only.",
        )


def _first_size(paths: Sequence[Path]) -> tuple[int, int]:
    for path in paths:
        pixels = _readable(0, path, Entries())
        if pixels is not None:
            return pixels.shape[1], pixels.shape[0]
    raise DataError(f"{paths[0].parent}: none of its {len(paths)} images can be read.")


def _readable(place: int, path: Path, problems: Entries[str]) -> Pixels | None:
    """The pixels of an image; None where it cannot be read, with the problem noted."""
    try:
        return read_pixels(path)
    except GantoolError as error:
        problems.add(place, error.message)
        return None
