"""The networks give the reference implementation's outputs for its weights."""

from __future__ import annotations

import pytest
import torch
from support import golden
from torch import nn

from gantool.nets.registry import build_discriminator, build_generator

NETWORKS = {
    "resnet_9blocks_instance_ngf4": lambda: build_generator("resnet_9blocks", width=4),
    "resnet_6blocks_instance_dropout_ngf4": lambda: build_generator("resnet_6blocks", width=4, dropout=True),
    "resnet_6blocks_batch_ngf4": lambda: build_generator("resnet_6blocks", width=4, norm="batch"),
    "unet_128_batch_ngf4": lambda: build_generator("unet_128", width=4, norm="batch"),
    "unet_256_batch_trainmode_ngf4": lambda: build_generator("unet_256", width=4, norm="batch"),
    "unet_256_instance_ngf4": lambda: build_generator("unet_256", width=4, norm="instance"),
    "patchgan_basic_instance_ndf4": lambda: build_discriminator("basic", width=4, norm="instance"),
    "resnet_9blocks_antialias_instance_ngf4": lambda: build_generator("resnet_9blocks_antialias", width=4),
    "patchgan_basic_antialias_instance_ndf4": lambda: build_discriminator("basic_antialias", width=4),
    "patchgan_basic_batch_6channels_ndf4": lambda: build_discriminator("basic", in_channels=6, width=4, norm="batch"),
    "patchgan_4layers_instance_ndf4": lambda: build_discriminator("n_layers", width=4, layers=4, norm="instance"),
    "pixel_discriminator_batch_ndf4": lambda: build_discriminator("pixel", in_channels=6, width=4, norm="batch"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_output_equals_the_reference(name: str) -> None:
    weights = torch.load(golden(f"{name}.weights.pth"), weights_only=True)
    example = torch.load(golden(f"{name}.io.pth"), weights_only=True)
    net: nn.Module = NETWORKS[name]()
    # The filters of blurring are constants, which contrastive unpaired translation keeps beside the weights.
    net.load_state_dict({key: value for key, value in weights.items() if not key.endswith(".filt")})
    net.train(example["mode"] == "train")
    with torch.no_grad():
        output = net(example["input"])
    assert output.shape == example["output"].shape
    assert (output - example["output"]).abs().max() <= 1e-5
