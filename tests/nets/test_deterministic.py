from __future__ import annotations

import torch
from support import golden

from gantool.nets.deterministic import with_instance_norm
from gantool.nets.registry import build_generator


def test_the_reference_in_training_mode_is_matched_in_eval_mode() -> None:
    """The reference tests pix2pix with the statistics of the one image; gantool delivers that as instance norm."""
    name = "unet_256_batch_trainmode_ngf4"
    net = build_generator("unet_256", width=4, norm="batch")
    net.load_state_dict(torch.load(golden(f"{name}.weights.pth"), weights_only=True))
    record = torch.load(golden(f"{name}.io.pth"), weights_only=True)
    assert record["mode"] == "train"
    with torch.no_grad():
        output = with_instance_norm(net).eval()(record["input"])
    assert (output - record["output"]).abs().max() <= 1e-5
