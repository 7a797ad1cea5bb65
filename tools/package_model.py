"""Make the built-in model files of finished runs: their networks in 16 or 8 bits, with a card of their own.

python tools/package_model.py runs/seasons-training/model.safetensors runs/winter-2/model.safetensors seasons \\
    --change-size winter=128 --change-size summer=96 --change-blur 0.7 --change-strength summer=0.7
python tools/package_model.py runs/landscape-0/model.safetensors landscape --class tree=tree,plant --class water=...

The card is the first model's; of a direction that several translate, the last one's network is taken. The model file
is written, and beside it its ONNX forms; see `tools/onnx_forms.py`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import save

from gantool.cards import LabelClass
from gantool.files import atomic
from gantool.models.files import load_net, load_segmenter, read_card
from gantool.models.formats.native import KEY, in_8_bits
from gantool.nets.segmenters import parse_groups
from gantool.palette import named_colors

sys.path.insert(0, str(Path(__file__).parent))

from onnx_forms import write_onnx_forms

DATA = {"seasons": "summer2winter_yosemite", "landscape": "bob-ross and drawn landscapes"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+", metavar="model")
    parser.add_argument("name")
    parser.add_argument("--change-size", action="append", default=[], metavar="DOMAIN=PIXELS")
    parser.add_argument("--change-blur", type=float, default=0.0)
    parser.add_argument("--change-strength", action="append", default=[], metavar="DOMAIN=SHARE")
    parser.add_argument("--class", action="append", default=[], dest="classes", metavar="NAME=NAME,NAME,...",
                        help="classes of the run that become one, in the order that the model has them")  # fmt: skip
    arguments = parser.parse_args()
    strengths = {name: float(share) for name, _, share in (text.partition("=") for text in arguments.change_strength)}
    sizes = {name: int(side) for name, _, side in (text.partition("=") for text in arguments.change_size)}
    cards = {model: read_card(model) for model in arguments.models}
    model, card = next(iter(cards.items()))
    found = {direction.target: (path, direction) for path, one in cards.items() for direction in one.directions}
    if card.is_segmenter:
        nets = {"segment": in_8_bits(load_segmenter(model, card).state_dict())}
    else:
        nets = {one.net: load_net(path, cards[path], to).half().state_dict() for to, (path, one) in found.items()}
    tensors = {f"{prefix}/{key}": value for prefix, state in nets.items() for key, value in state.items()}
    for key, value in tensors.items():
        if not bool(torch.isfinite(value).all()):
            raise SystemExit(f"{key}: does not fit into float16")
    origin = card.origin.model_copy(update={"run": arguments.name, "data": DATA[arguments.name]})
    target = Path(__file__).parents[1] / "src/gantool/models/bundled" / f"{arguments.name}.safetensors"
    directions = tuple(
        direction.model_copy(
            update={"change_strength": strengths.get(to, 1.0), "change_size": sizes.get(to, card.change_size)}
        )
        for to, (_, direction) in found.items()
    )
    change = {
        "change_size": max(sizes.values(), default=0), "change_blur": arguments.change_blur, "directions": directions
    }  # fmt: skip
    names = [one.name for one in card.classes]
    if arguments.classes:
        assert card.architecture is not None
        merged = {name: parts.split(",") for name, _, parts in (text.partition("=") for text in arguments.classes)}
        groups = ";".join(",".join(str(names.index(part)) for part in parts) for parts in merged.values())
        parse_groups(groups, len(names))
        options = {**card.architecture.options, "groups": groups}
        change["architecture"] = card.architecture.model_copy(update={"options": options})
        names = list(merged)
    pairs = zip(names, named_colors(names), strict=True)
    classes = tuple(LabelClass(name=name, color=color) for name, color in pairs)
    described = card.model_copy(update={"origin": origin, "classes": classes, **change})
    with atomic(target) as temporary:
        temporary.write_bytes(save(tensors, metadata={KEY: described.to_json()}))
    for path in (target, *write_onnx_forms(target)):
        print(f"{path}: {path.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
