"""What to train on a prepared data set."""

from __future__ import annotations

from gantool.errors import counted
from gantool.workflows.prepare.result import Prepared

__all__ = ["SMALL", "next_training"]

SMALL = 500
"""Fewer labelled training images than this are better served by weights that have seen landscapes before."""

_LOPSIDED = 20.0
"""From this many times as many pixels of the most frequent class as of the rarest on, classes are weighed."""

_NOTHING = "_background_"  # of labelme, whether or not anything is left over

_MODELS = {"paired": "pix2pix", "unpaired": "cyclegan-light"}


def next_training(result: Prepared) -> tuple[str, str]:
    """The command that trains on a set, without its beginning ``gantool train``, and why it is this one.

    Labelled sets of fewer than `SMALL` training images get ``segmentation-small``; sets in which a class has few
    pixels get weights of the classes.
    """
    data = f"--data {result.output}"
    if result.source.kind != "segmentation":
        return f"{_MODELS[result.source.kind]} {data}", ""
    training = sum(result.counts.get("train", {}).values())
    shares = {name: share for name, share in result.classes.items() if share > 0 and name != _NOTHING}
    rare = min(shares, key=shares.__getitem__, default="")
    few = training < SMALL and not result.tiles
    lopsided = bool(rare) and max(shares.values()) > _LOPSIDED * shares[rare]
    reasons = []
    if few:
        reasons.append(f"{counted(training, 'training image')} {'is' if training == 1 else 'are'} few")
    if lopsided:
        reasons.append(f"{rare} has {shares[rare]:.2%} of the pixels")
    model = "segmentation-small" if few else "unet-resnet50"
    weights = " --set loss.class_weights=auto" if lopsided else ""
    return f"{model} {data}{weights}", " and ".join(reasons)
