"""The official weights of CycleGAN and pix2pix by name: downloaded once, checked, kept in the cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from gantool.errors import DataError, ModelError
from gantool.fetch.cache import cache_folder

__all__ = ["PRETRAINED", "cached_pretrained", "fetch_pretrained"]

_CYCLEGAN = "http://efrosgans.eecs.berkeley.edu/cyclegan/pretrained_models/{}.pth"
_PIX2PIX = "http://efrosgans.eecs.berkeley.edu/pix2pix/models-pytorch/{}.pth"

_CYCLEGAN_NAMES = (
    "apple2orange", "orange2apple", "summer2winter_yosemite", "winter2summer_yosemite", "horse2zebra", "zebra2horse",
    "monet2photo", "style_monet", "style_cezanne", "style_ukiyoe", "style_vangogh", "sat2map", "map2sat",
    "cityscapes_photo2label", "cityscapes_label2photo", "facades_photo2label", "facades_label2photo",
    "iphone2dslr_flower",
)  # fmt: skip
_PIX2PIX_NAMES = ("edges2shoes", "sat2map", "map2sat", "facades_label2photo", "day2night")

PRETRAINED: Mapping[str, str] = {
    **{name: _CYCLEGAN.format(name) for name in _CYCLEGAN_NAMES},
    # Three names are taken by both methods; those of pix2pix carry its name.
    **{f"pix2pix_{name}" if name in _CYCLEGAN_NAMES else name: _PIX2PIX.format(name) for name in _PIX2PIX_NAMES},
}
"""Address by name."""


def _file(name: str) -> Path:
    return cache_folder() / "weights" / f"{name}.pth"


def cached_pretrained() -> list[str]:
    """The names that are in the cache."""
    return [name for name in PRETRAINED if _file(name).is_file()]


def fetch_pretrained(name: str, on_progress: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Return the file of a name, downloaded if need be.

    The publishers give no checksums: the first download is recognized by its keys and shapes, its SHA-256 is written
    down beside it, and a later change of the file is told.

    Raises:
        ModelError: not to be had, with what to do by hand; or not what it was.
    """
    from gantool.fetch.download import download
    from gantool.models.formats.reference import read_generator

    try:
        return download(
            PRETRAINED[name], _file(name), recognize=read_generator, remember=True, on_progress=on_progress
        )
    except DataError as error:
        raise ModelError(f"{name}: {error.message}", error.remedy) from None
