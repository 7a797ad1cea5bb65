"""A method at its paper's settings on drawn scenes: batches of any size, and gantool's own step."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gantool.engine.ema import Ema
from gantool.engine.runtime import Runtime
from gantool.engine.task import Task
from gantool.methods.base import MethodSpec
from gantool.methods.registry import load_settings, make_method
from gpu_report.plain import Step, plain_loop

__all__ = ["Arithmetic", "Subject", "arithmetic", "flops_of"]

Arithmetic = Literal["fp32", "TF32"]

_TINY: Mapping[str, Any] = {
    "data.size": 64, "data.load_size": 64, "model.width": 4, "model.discriminator_width": 4
}  # fmt: skip
_TINY_OF: Mapping[str, Mapping[str, Any]] = {
    "pix2pix": {"model.generator": "unet_64"},
    "cyclegan": {"model.generator": "resnet_6blocks"},
    "segmentation": {"model.architecture": "unet", "model.encoder": "resnet18"},
}


@contextmanager
def arithmetic(kind: Arithmetic, *, search: bool = False) -> Iterator[None]:
    """How a GPU multiplies float32: exactly, or rounded to ten bits first (TF32, torch's choice in convolutions).

    Args:
        search: let cuDNN try its algorithms and keep the fastest for every shape.
    """
    # The old names, which all versions have; in new ones the two kinds of names must not be mixed. And one by one:
    # the context manager torch.backends.cudnn.flags turns cuDNN off unless it is told to leave it on.
    products, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    products.allow_tf32 = cudnn.allow_tf32 = kind == "TF32"
    cudnn.benchmark = search
    try:
        yield
    finally:
        products.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before


class Subject:
    """A method with its data.

    Args:
        spec: the preset of its own name has its paper's settings; otherwise its first.
        most: images in the largest batch.
        overrides: settings by dotted key.
        tiny: networks and images for a trial on any machine.
    """

    def __init__(
        self, spec: MethodSpec, device: torch.device, *, most: int = 1, tiny: bool = False, **overrides: Any
    ) -> None:
        self.name, self.device = spec.name, device
        preset = spec.name if spec.name in spec.presets else next(iter(spec.presets))
        base: dict[str, Any] = {"data.scenes": 4, "data.test_scenes": 2, "runtime.workers": 0}
        self.paper_batch = load_settings(preset).train.batch_size
        small = {**_TINY, **_TINY_OF.get(spec.name, {})} if tiny else {}
        base["model.encoder_weights"] = "none"
        given = {**base, **small, **overrides, "runtime.device": str(device)}
        sections = spec.settings.sections()
        known = {f"{section}.{key}" for section, kind in sections.items() for key in kind.model_fields}
        given = {key: value for key, value in given.items() if key in known}
        self.settings = load_settings(preset, base={**given, "train.batch_size": max(most, self.paper_batch)})
        self.size: int = self.settings.data.size  # type: ignore[attr-defined]
        self._method = make_method(self.settings, spec.name)
        self._batch = {name: tensor.to(device) for name, tensor in self._first_batch().items()}
        self.classes = len(self._method.facts.get("classes", ()))

    def _first_batch(self) -> Mapping[str, Tensor]:
        return next(iter(self._method.batches(Runtime("cpu", 1, "fp32")).epoch(0, 0)))

    def batch(self, size: int, *, channels_last: bool = False) -> dict[str, Tensor]:
        """The first ``size`` images."""
        out = {name: tensor[:size].clone() for name, tensor in self._batch.items()}
        if channels_last:
            out = {
                name: tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
                for name, tensor in out.items()
            }
        return out

    def plain(self) -> Step:
        """A step as anybody would write it."""
        torch.manual_seed(0)
        return plain_loop(self.settings, self.device, self.classes, lambda: self.task(self.runtime("fp32")))

    def runtime(self, precision: str) -> Runtime:
        return Runtime(str(self.device), 1, precision)

    def task(self, runtime: Runtime, *, channels_last: bool = False) -> Task:
        """Networks and optimizers, the same every time."""
        method = self._method
        if channels_last:
            changed = self.settings.runtime.model_copy(update={"channels_last": True})
            method = copy.copy(method)
            method.settings = self.settings.model_copy(update={"runtime": changed})  # type: ignore[attr-defined]
        return method.task(runtime, fresh=False)

    def ours(
        self,
        precision: str,
        *,
        channels_last: bool = False,
        compile_with: Mapping[str, Any] | None = None,
        before: Callable[[], object] = lambda: None,
    ) -> Step:
        """The step of `gantool train`.

        Args:
            compile_with: arguments of `torch.nn.Module.compile` for every network.
            before: called at the start of every step.
        """
        runtime = self.runtime(precision)
        task = self.task(runtime, channels_last=channels_last)
        if compile_with is not None:
            for player in task.players:
                for net in player.nets.values():
                    net.compile(**compile_with)
        ema = Ema(task.nets(), self.settings.train.ema) if self.settings.train.ema > 0 else None
        runtime.prepare(task.players)
        update = runtime.make_update(self.settings.optimizer.clip_norm)

        def step(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
            before()
            with runtime.autocast():
                losses = task.step(batch, update)
            if ema is not None:
                ema.update(task.nets())
            return losses

        return step

    def outputs(self, task: Task, size: int = 1) -> dict[str, Tensor]:
        """What the networks make of images, on the CPU; their modes stay."""
        out = {}
        batch, card = self.batch(size), task.card()
        backwards = {one.net for one in card.directions if one.source != card.domains[0].name}
        for name, net in task.nets().items():
            source = batch["image"] if "image" in batch else batch["b" if name in backwards else "a"]
            with torch.no_grad(), _evaluating(net):
                out[name] = net(source).float().cpu()
        return out


@contextmanager
def _evaluating(net: nn.Module) -> Iterator[None]:
    mode = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(mode)


def flops_of(step: Callable[[], object]) -> int:
    """Additions and multiplications of a call, counted by torch operator by operator."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        step()
    return int(counter.get_total_flops())
