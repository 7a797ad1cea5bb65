"""Segmenters of segmentation-models-pytorch: a state dict, or a folder of ``save_pretrained``.

Free of torch until weights are read.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantool.arrays import IGNORE
from gantool.cards import Architecture, Card, Direction, LabelClass, Origin
from gantool.documents import brief, load_json, shown
from gantool.errors import ModelError
from gantool.fetch.weights import SUFFIXES, read_weights
from gantool.models.formats.fit import require_fit
from gantool.nets.segmenter_table import SEGMENTERS
from gantool.palette import named_colors

if TYPE_CHECKING:
    from torch import nn

__all__ = ["load", "matches", "read_card"]

_ENCODERS = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "mobilenet_v2", "efficientnet-b0",
    "efficientnet-b1", "efficientnet-b2", "efficientnet-b3", "efficientnet-b4", "vgg11", "vgg13", "vgg16", "vgg19",
    "vgg16_bn", "densenet121", "resnext50_32x4d", "se_resnet50", "mit_b0", "mit_b1", "mit_b2", "xception",
)  # fmt: skip
"""What a state dict is tried with; a folder says it."""


def matches(path: Path) -> bool:
    """Whether it is a folder with a configuration, or a state dict with an encoder and a segmentation head."""
    if path.is_dir():
        return (path / "config.json").is_file()
    try:
        state = read_weights(path) if path.suffix.lower() in SUFFIXES else {}
    except ModelError:
        return False
    head = state.get("segmentation_head.0.weight")
    return any(key.startswith("encoder.") for key in state) and head is not None and head.dim() == 4


def read_card(path: Path) -> Card:
    """A card for such a segmenter; classes have numbers for names.

    Raises:
        ModelError: no architecture and encoder that gantool knows fits.
    """
    architecture, options = _of_config(path) if path.is_dir() else _of_state(path)
    count = options["classes"]
    names = [f"class_{n}" for n in range(max(count, 2))]
    spec = SEGMENTERS[architecture]
    return Card(
        task="segmentation",
        classes=tuple(LabelClass(name=n, color=c) for n, c in zip(names, named_colors(names), strict=True)),
        mode="binary" if count == 1 else "multiclass",
        architecture=Architecture(name=architecture, options=options),
        multiple_of=spec.multiple_of,
        smallest=spec.smallest,
        norm="batch",
        origin=Origin(run=path.stem, data=f"checkpoint {path.name}"),
    )


def _of_config(folder: Path) -> tuple[str, dict[str, Any]]:
    try:
        config = load_json((folder / "config.json").read_text("utf-8"))
        title, encoder = str(config["_model_class"]), str(config["encoder_name"])
        classes = int(config["classes"])
        if not 1 <= classes < IGNORE:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        raise ModelError(f"{folder}: its config.json is none of segmentation-models-pytorch.") from None
    name = next((key for key, spec in SEGMENTERS.items() if spec.title == title), None)
    if name is None or config.get("in_channels", 3) != 3:
        channels = shown(config.get("in_channels"))
        raise ModelError(f"{folder}: is a {brief(title)} of {channels} channels, which gantool cannot use.")
    return name, {"classes": classes, "encoder": encoder}


def _of_state(path: Path) -> tuple[str, dict[str, Any]]:
    import torch

    from gantool.nets.segmenters import build_segmenter

    state = read_weights(path)
    classes = int(state["segmentation_head.0.weight"].shape[0])
    shapes = {key: value.shape for key, value in state.items()}
    for encoder in _ENCODERS:
        for name in SEGMENTERS:
            try:
                with torch.device("meta"), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    net = build_segmenter(name, classes=classes, encoder=encoder).net
            except (ModelError, NotImplementedError, RuntimeError):
                continue
            own = net.state_dict()
            encoder_fits = all(shapes.get(k) == v.shape for k, v in own.items() if k.startswith("encoder."))
            if not encoder_fits:
                break  # no architecture has another encoder of this name
            if {key: value.shape for key, value in own.items()} == shapes:
                return name, {"classes": classes, "encoder": encoder}
    raise ModelError(
        f"{path}: is a segmenter of segmentation-models-pytorch, but of no usual architecture and encoder.",
        "Save it with save_pretrained, which writes down what it is.",
    )


def load(path: Path, card: Card, direction: Direction | None) -> nn.Module:
    """Build the segmenter and fill it."""
    from gantool.nets.segmenters import build_segmenter

    assert card.architecture is not None
    segmenter = build_segmenter(card.architecture.name, **card.architecture.options)
    state = read_weights(path / "model.safetensors" if path.is_dir() else path)
    require_fit(path, segmenter.net.state_dict(), state, card.architecture.name)
    segmenter.net.load_state_dict(state)
    return segmenter
