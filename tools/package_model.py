"""Make a built-in model file of a finished run: both generators in float16, with a card of their own.

python tools/package_model.py runs/cyclegan-seasons-1/model.safetensors seasons --change-size 96 --change-blur 0.7 \\
    --change-strength summer=0.7
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from gantool.models.files import load_net, read_card
from gantool.models.formats.native import save_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("name")
    parser.add_argument("--change-size", type=int, default=0)
    parser.add_argument("--change-blur", type=float, default=0.0)
    parser.add_argument("--change-strength", action="append", default=[], metavar="DOMAIN=SHARE")
    arguments = parser.parse_args()
    strengths = {name: float(share) for name, _, share in (text.partition("=") for text in arguments.change_strength)}
    card = read_card(arguments.model)
    nets = {direction.net: load_net(arguments.model, card, direction.target).half() for direction in card.directions}
    for net in nets.values():
        for key, value in net.state_dict().items():
            if not bool(torch.isfinite(value).all()):
                raise SystemExit(f"{key}: does not fit into float16")
    origin = card.origin.model_copy(update={"run": arguments.name, "data": "summer2winter_yosemite"})
    target = Path(__file__).parents[1] / "src/gantool/models/bundled" / f"{arguments.name}.safetensors"
    directions = tuple(
        direction.model_copy(update={"change_strength": strengths.get(direction.target, 1.0)})
        for direction in card.directions
    )
    change = {
        "change_size": arguments.change_size, "change_blur": arguments.change_blur, "directions": directions
    }  # fmt: skip
    save_model(target, nets, card.model_copy(update={"origin": origin, **change}))
    print(f"{target}: {target.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
