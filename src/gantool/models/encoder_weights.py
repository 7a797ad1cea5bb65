"""First weights of an encoder: from the cache, from the hub, or from a file."""

from __future__ import annotations

import os
import socket
import threading
import urllib.parse
from pathlib import Path
from typing import Any

from torch import nn

from gantool.errors import ModelError
from gantool.fetch.weights import read_weights

__all__ = ["find_imagenet_weights", "has_imagenet_weights", "hub_is_reachable", "load_encoder_weights"]

_PATIENCE = 3.0  # seconds to find out that there is no network


def hub_is_reachable() -> bool:
    """Whether the hub that has the ImageNet weights answers, within three seconds."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return False
    parts = urllib.parse.urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    address = (parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443))
    answers: list[bool] = []

    def ask() -> None:
        try:
            socket.create_connection(address, timeout=_PATIENCE).close()
            answers.append(True)
        except OSError:
            answers.append(False)

    # Looking up a name can hang for longer than any timeout of a socket; a thread of its own is left behind then.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return answers == [True]


def find_imagenet_weights(model: str, encoder: str) -> Path:
    """Return the file with an encoder's ImageNet weights, downloaded if need be.

    Args:
        model: as the user named it, for the message.

    Raises:
        ModelError: there are none, or they are neither in the cache nor to be had; says both remedies.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    repository, revision, url = _origin(model, encoder)
    cached = try_to_load_from_cache(repository, "model.safetensors", revision=revision)
    if isinstance(cached, str):
        return Path(cached)
    if not hub_is_reachable():
        raise _not_here(model, encoder, url)
    try:
        return Path(hf_hub_download(repository, "model.safetensors", revision=revision))
    except Exception as error:  # whatever the hub's library raises, the remedies are the same
        raise _not_here(model, encoder, url) from error


def has_imagenet_weights(model: str, encoder: str) -> bool:
    """Whether an encoder's ImageNet weights are in the cache, or could be downloaded now.

    Raises:
        ModelError, KeyError: there is no such encoder, or it has none.
    """
    repository, revision, _ = _origin(model, encoder)
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repository, "model.safetensors", revision=revision), str) or (
        hub_is_reachable()
    )


def _origin(model: str, encoder: str) -> tuple[str, str | None, str]:
    """Repository, revision and address of an encoder's ImageNet weights."""
    none = ModelError(f"{model}: {encoder} has no ImageNet weights.", "Use --encoder-weights none.")
    if encoder.startswith("tu-"):
        import timm

        name = encoder.removeprefix("tu-")
        if not timm.models.is_model_pretrained(name):
            raise none
        config: Any = timm.models.get_pretrained_cfg(name)
        repository, revision = str(config.hf_hub_id), None
    else:
        import segmentation_models_pytorch as smp

        settings: Any = smp.encoders.encoders[encoder]["pretrained_settings"].get("imagenet")
        if settings is None:
            raise none
        repository, revision = str(settings["repo_id"]), str(settings["revision"])
    return repository, revision, f"https://huggingface.co/{repository}/resolve/{revision or 'main'}/model.safetensors"


def _not_here(model: str, encoder: str, url: str) -> ModelError:
    return ModelError(
        f"{model}: the ImageNet weights of {encoder} are not in the cache and cannot be downloaded (no network?).",
        f"Start without them: --encoder-weights none. Or get {url} in another way and name the file: "
        "--encoder-weights FILE.",
    )


def load_encoder_weights(encoder: nn.Module, path: Path) -> None:
    """Fill an encoder from a safetensors file or a state dict, as torchvision, timm and smp write them.

    Names in front of the keys (``encoder.``, ``module.``, ``model.``) and a classifier at the end do not count.

    Raises:
        ModelError: not readable as data alone, or of another network.
    """
    state = read_weights(path, where=f"--encoder-weights {path}")
    wanted = encoder.state_dict()
    for prefix in ("", "encoder.", "module.", "model.", "module.encoder.", "backbone.", "segment/net.encoder."):
        for inner in ("", "model."):  # timm encoders keep their network under this name
            own = {
                f"{inner}{key.removeprefix(prefix)}": value for key, value in state.items() if key.startswith(prefix)
            }
            fitting = {key: value for key, value in own.items() if key in wanted and wanted[key].shape == value.shape}
            missing = [key for key in wanted if key not in fitting and not key.endswith("num_batches_tracked")]
            if not missing:
                nn.Module.load_state_dict(encoder, fitting, strict=False)
                return
    have = len([key for key in wanted if key in state])
    raise ModelError(
        f"--encoder-weights {path}: does not fit the encoder ({have} of its {len(wanted)} tensors are there).",
        "Name a file with the weights of the same encoder.",
    )
