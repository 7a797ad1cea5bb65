"""The documentation's command lines, changed so that a training is a matter of a second."""

from __future__ import annotations

from collections.abc import Sequence

from gantool.methods.registry import METHODS


def shorter(arguments: Sequence[str]) -> list[str]:
    """The same command with small networks, pictures and sets; what exists may be overwritten."""
    words = list(arguments)
    verb = words[0] if words else ""
    if verb == "train" and "--resume" not in words and "--write-settings" not in words:
        return [*words, *_small(words)]
    if verb in ("translate", "segment", "evaluate", "export"):
        keep = "--skip-existing" in words or words[-2:] == ["-o", "-"]
        return words if keep else [*words, "--overwrite"]  # the lines of a page are not a script
    return [*words, "--overwrite"] if verb == "prepare" and "-o" in words else words


def _small(arguments: Sequence[str]) -> list[str]:
    names = [one for one in arguments[1:2] if not one.startswith("-")]
    tasks = [task for task, spec in METHODS.items() if names and names[0] in spec.presets]
    task = tasks[0] if tasks else "segmentation" if names else "distill"
    small = ["--epochs", "1", "--crop", "32", "--device", "cpu", "--precision", "fp32"]
    small += ["--set", "data.load_size=32"] if task != "segmentation" else []
    small += ["--set", "data.scenes=8", "--set", "data.test_scenes=4", "--set", "data.max_images=8"]
    if task == "segmentation":
        small += ["--encoder-weights", "none"] if "-" in names[0] and "segmentation-" not in names[0] else []
        small += ["--set", "model.width=4", "--set", "model.depth=2"] if names[0] == "unet" else []
        return [*small, "--batch-size", "4"]
    small += ["--set", "model.width=4", "--set", "model.discriminator_width=4", "--set", "metrics.images=4"]
    return [*small, *(["--set", "model.generator=unet_32"] if task == "pix2pix" else [])]
