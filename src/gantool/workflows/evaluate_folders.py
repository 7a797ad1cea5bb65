"""How far is a folder of generated pictures from one of real ones?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from gantool.arrays import Pixels
from gantool.data.images import find_images, read_pixels
from gantool.data.labels.pairing import match_files
from gantool.devices import choose_device
from gantool.errors import DataError, GantoolError
from gantool.metrics.inception import Resize
from gantool.metrics.sliced import common_size
from gantool.workflows.evaluation_results import ImageResult, ShownRow, TranslationEvaluation, write_evaluation
from gantool.workflows.image_scores import ImageSet, PairScores, compare_sets, make_instruments

__all__ = ["evaluate_image_folders"]

Progress = Callable[[str, int, int], None]

_SHOWN_WORST = 5


def evaluate_image_folders(
    generated: Path,
    real: Path,
    *,
    paired: bool = False,
    inception_weights: Path | None = None,
    resize: Resize = "clean",
    device: str = "auto",
    output: Path | None = None,
    on_progress: Progress = lambda what, done, total: None,
) -> TranslationEvaluation:
    """Compare a folder of generated images with one of real ones; see `gantool.evaluate`."""
    files: list[list[Path]] = []
    for folder in (generated, real):
        if not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder.")
        files.append(find_images(folder))
        if not files[-1]:
            raise DataError(f"{folder}: has no images.")
    pairs = _folder_pairs(generated, real, files, paired)
    instruments = make_instruments(
        inception_weights=inception_weights, resize=resize, paired=bool(pairs), device=choose_device(device)
    )
    failed: dict[Path, str] = {}
    side = common_size(*_first_size(files[1]))
    sets = [ImageSet(side, instruments) for _ in files]
    for folder, paths, images in zip((generated, real), files, sets, strict=True):
        for n, pixels in enumerate(_read(paths, failed)):
            images.add(pixels)
            on_progress(str(folder), n + 1, len(paths))
        if not images.count:
            raise DataError(f"{folder}: none of its {len(paths)} images can be read.", next(iter(failed.values())))
    scores = compare_sets(sets[1], sets[0], instruments)
    values, left_out = dict(scores.values), dict(scores.left_out)
    per_image: list[tuple[str, Mapping[str, float]]] = []
    rows: list[ShownRow] = []
    if pairs:
        measured = PairScores(instruments)
        for n, (one, truth) in enumerate(pairs):
            on_progress("pairs", n + 1, len(pairs))
            if one in failed or truth in failed:
                continue
            image, expected = read_pixels(one), read_pixels(truth)
            if image.shape != expected.shape:
                raise DataError(
                    f"{one}: has {image.shape[1]}x{image.shape[0]} pixels, its partner {truth} "
                    f"{expected.shape[1]}x{expected.shape[0]}.",
                    "Leave --paired out to compare the sets only.",
                )
            measured.add(str(one), image, expected)
        both = measured.scores()
        values |= both.values
        left_out |= both.left_out
        per_image = sorted(measured.images, key=lambda entry: -entry[1]["l1"])
        by_name = {str(one): truth for one, truth in pairs}
        rows = [
            ShownRow(
                f"L1 {found['l1']:.1f}: {Path(name).name}",
                [("generated", read_pixels(Path(name))), ("real", read_pixels(by_name[name]))],
            )
            for name, found in per_image[:_SHOWN_WORST]
        ]
    result = ImageResult(
        str(generated), "", str(real), sets[0].count, sets[1].count, values, {}, left_out, tuple(scores.warnings),
        scores.swd_levels, instruments.fid_mode, tuple(per_image), tuple(failed.values()),
    )  # fmt: skip
    evaluation = TranslationEvaluation(f"{generated} against {real}", (result,), {str(real): rows})
    return evaluation if output is None else write_evaluation(evaluation, output)


def _folder_pairs(
    generated: Path, real: Path, files: Sequence[Sequence[Path]], paired: bool
) -> list[tuple[Path, Path]]:
    """Partners by name, if that was asked for."""
    if not paired:
        return []
    if len(files[0]) != len(files[1]):
        raise DataError(
            f"{generated} has {len(files[0])} images, {real} has {len(files[1])}; pairs need as many of both.",
            "Leave --paired out to compare the sets only.",
        )
    matched, alone = match_files(files[0], files[1])
    if alone or not matched:
        raise DataError(f"{generated}: {len(alone)} images have no partner in {real}.", alone[0] if alone else "")
    return [(Path(one), Path(other)) for one, other in matched]


def _first_size(paths: Sequence[Path]) -> tuple[int, int]:
    for path in paths:
        try:
            pixels = read_pixels(path)
        except GantoolError:
            continue
        return pixels.shape[1], pixels.shape[0]
    raise DataError(f"{paths[0].parent}: none of its {len(paths)} images can be read.")


def _read(paths: Sequence[Path], failed: dict[Path, str]) -> Iterator[Pixels]:
    for path in paths:
        try:
            yield read_pixels(path)
        except GantoolError as error:
            failed[path] = error.message
