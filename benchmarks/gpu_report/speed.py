"""How fast: what the machine can do, training steps of every method, compiled ones, and inference."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from gantool.data.sample import draw_scene
from gantool.methods.registry import METHODS
from gantool.nets.layers import initialize
from gantool.nets.registry import build_generator
from gantool.nets.segmenters import build_segmenter
from gantool.predict.live import LiveRunner
from gpu_report.context import Context
from gpu_report.graphs import GraphedCycleGan
from gpu_report.plain import Step
from gpu_report.subject import Arithmetic, Subject, arithmetic, flops_of
from gpu_report.timing import Timing, synchronize

__all__ = ["compiled", "graphs", "inference", "limits", "training"]

BATCHES: Mapping[str, Sequence[int]] = {"cyclegan": (1, 4, 16, 32), "pix2pix": (1, 16), "segmentation": (8, 32)}


# -- what the machine can do -----------------------------------------------------------------------------------------


def limits(context: Context) -> None:
    """The rate of large matrix products on random data, and of copying."""
    side = 256 if context.tiny else 8192
    kinds: dict[str, tuple[torch.dtype, Arithmetic]] = {
        "bf16": (torch.bfloat16, "TF32"), "TF32": (torch.float32, "TF32"), "fp32": (torch.float32, "fp32")
    }  # fmt: skip
    for name, (dtype, kind) in kinds.items():

        def work(name: str = name, dtype: torch.dtype = dtype, kind: Arithmetic = kind) -> None:
            a, b = (torch.randn(side, side, device=context.device, dtype=dtype) for _ in range(2))
            with arithmetic(kind):
                timing = context.time(lambda: a @ b, 0.5)
            rate = 2 * side**3 / timing.seconds / 1e12
            context.report.add(
                context.part, name, rate, "TFLOP/s", noise=timing.noise, note=f"{side} px square products"
            )

        context.try_row(name, "TFLOP/s", work)

    def copying() -> None:
        source = torch.randn(2**20 if context.tiny else 2**30, device=context.device)
        target = torch.empty_like(source)
        timing = context.time(lambda: target.copy_(source), 0.3)
        rate = 2 * source.numel() * 4 / timing.seconds / 1e9
        context.report.add(context.part, "copying", rate, "GB/s", noise=timing.noise, note="bytes read and written")

    context.try_row("copying", "GB/s", copying)


# -- training --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Way:
    """One way to take steps.

    Attributes:
        make: builds the step; its networks live until it is dropped.
        kind: what float32 means meanwhile.
        rate: the limit that bounds it.
    """

    make: Callable[[], Step]
    kind: Arithmetic
    rate: str
    channels_last: bool = False
    search: bool = False  # let cuDNN try its algorithms


def _ways(subject: Subject) -> dict[str, _Way]:
    """By name, the most telling ones first: time may end before the last."""
    return {
        "plain fp32": _Way(subject.plain, "fp32", "fp32"),
        "gantool bf16": _Way(lambda: subject.ours("bf16"), "TF32", "bf16"),
        "plain TF32": _Way(subject.plain, "TF32", "TF32"),
        "gantool bf16, channels last": _Way(
            lambda: subject.ours("bf16", channels_last=True), "TF32", "bf16", channels_last=True
        ),
        "gantool TF32": _Way(lambda: subject.ours("fp32"), "TF32", "TF32"),
        "gantool fp32": _Way(lambda: subject.ours("fp32"), "fp32", "fp32"),
        "gantool bf16, channels last, cuDNN searches": _Way(
            lambda: subject.ours("bf16", channels_last=True), "TF32", "bf16", channels_last=True, search=True
        ),
    }


def _subject(context: Context, name: str, batches: Sequence[int]) -> Subject:
    return Subject(METHODS[name], context.device, most=max(batches), tiny=context.tiny)


def _batches(context: Context, name: str) -> Sequence[int]:
    return (
        (1, 2) if context.tiny and name != "segmentation" else (2,) if context.tiny else BATCHES.get(name, (1, 4, 16))
    )


def training(context: Context, method: str) -> None:
    """Samples per second of a method, against the plain loop and against the arithmetic limit."""
    batches = _batches(context, method)
    subject = _subject(context, method, batches)
    flops: dict[str, float] = {}

    def count() -> None:
        step, size = subject.ours("fp32"), max(batches[0], 1)
        batch = subject.batch(size)
        flops["sample"] = flops_of(lambda: step(batch)) / size
        context.report.add(
            context.part, "arithmetic of a sample", flops["sample"] / 1e12, "TFLOP", note=f"{subject.size} px"
        )

    context.try_row("arithmetic of a sample", "TFLOP", count)
    for name, way in _ways(subject).items():
        _time_way(context, subject, name, way, batches, flops.get("sample"))


def _time_way(
    context: Context, subject: Subject, name: str, way: _Way, batches: Sequence[int], flops: float | None
) -> None:
    step: list[Step] = []
    failed = False
    for size in batches:
        title = f"batch {size}, {name}"
        if failed:
            context.report.add(
                context.part, title, None, "samples/s", note="not tried after the smaller batch failed"
            )
            continue
        rows = len(context.report.part(context.part)["rows"])

        def work(size: int = size, title: str = title) -> None:
            if not step:
                step.append(way.make())
            batch = subject.batch(size, channels_last=way.channels_last)
            with arithmetic(way.kind, search=way.search):
                timing = context.time(lambda: step[0](batch))
            plain = None if name == "plain fp32" else f"batch {size}, plain fp32"
            context.add_speed(title, timing, size, flops=flops, rate=way.rate, baseline=plain)

        context.try_row(title, "samples/s", work)
        failed = context.report.part(context.part)["rows"][rows]["value"] is None
    step.clear()


# -- compiled --------------------------------------------------------------------------------------------------------


def compiled(context: Context) -> None:
    """bf16 steps with compiled networks: as `--compile` does it, for fixed shapes, with CUDA graphs around them."""
    backend: dict[str, Any] = {"backend": "eager"} if context.tiny else {}
    mark = torch.compiler.cudagraph_mark_step_begin
    ways: dict[str, tuple[dict[str, Any], Callable[[], object]]] = {
        "--compile": ({}, lambda: None),
        "fixed shapes": ({"dynamic": False}, lambda: None),
        "fixed shapes, CUDA graphs": ({"dynamic": False, "mode": "reduce-overhead"}, mark),
    }
    order = [("cyclegan", 1), ("segmentation", 8), ("pix2pix", 1), ("cyclegan", 16)]
    jobs = [(method, 2 if context.tiny else size, way) for method, size in order if method in METHODS for way in ways]
    if context.tiny:
        jobs = jobs[:4]
    for method, size, way in jobs:
        options, before = ways[way]
        if context.tiny:
            options = {key: value for key, value in options.items() if key != "mode"}
        name = f"{method}, batch {size}, {way}"

        def work(
            method: str = method, size: int = size, name: str = name, options: dict[str, Any] = options,
            before: Callable[[], object] = before,
        ) -> None:  # fmt: skip
            torch._dynamo.reset()
            subject = _subject(context, method, (size,))
            step = subject.ours("bf16", compile_with={**options, **backend}, before=before)
            batch = subject.batch(size)
            started = time.perf_counter()
            for _ in range(3):  # shapes and modes that come later are compiled then
                step(batch)
            synchronize(context.device)
            took = time.perf_counter() - started
            timing = context.time(lambda: step(batch))
            _against_eager(context, name, method, size, timing, {"s for the first three": took})

        context.try_row(name, "samples/s", work, seconds=0.7 * context.deadline.left)


def _against_eager(
    context: Context, name: str, method: str, size: int, timing: Timing, more: Mapping[str, float] | None = None
) -> None:
    """A row with what the same step does without, if that was measured."""
    eager = context.report.value(method, f"batch {size}, gantool bf16")
    plain = context.report.value(method, f"batch {size}, plain fp32")
    others = {"times eager bf16": eager, "times plain fp32": plain}
    ratios = {title: size / timing.seconds / other if other else None for title, other in others.items()}
    context.add_speed(name, timing, size, more={**ratios, **(more or {})})


def graphs(context: Context) -> None:
    """CycleGAN's step captured whole, in eager bf16 and compiled: no launches are left for the CPU."""
    ways: dict[str, Mapping[str, Any] | None] = {"eager": None, "compiled": {"dynamic": False}}
    for way, options in ways.items():
        for size in (1, 4):
            name = f"cyclegan, batch {size}, {way}, captured"

            def work(size: int = size, name: str = name, options: Mapping[str, Any] | None = options) -> None:
                if context.device.type != "cuda":
                    raise RuntimeError("CUDA graphs need a GPU")
                subject = _subject(context, "cyclegan", (size,))
                step = GraphedCycleGan(subject, size, compile_with=options)
                batch = subject.batch(size)
                twin = subject.ours("bf16")
                apart = step.compare_with(twin, batch)
                del twin
                timing = context.time(lambda: step(batch))
                _against_eager(context, name, "cyclegan", size, timing)
                context.report.add(context.part, f"{name}: losses against eager", apart, "relative difference")

            context.try_row(name, "samples/s", work, seconds=context.deadline.left)


# -- inference -------------------------------------------------------------------------------------------------------


def inference(context: Context) -> None:
    """What `translate` and `segment` run, from pixels to values, and how far from the CPU in fp32."""
    side, width = (64, 4) if context.tiny else (256, 64)
    nets: dict[str, Callable[[], nn.Module]] = {
        "resnet_9blocks": lambda: build_generator("resnet_9blocks", width=width),
        "unet_256": lambda: build_generator("unet_64" if context.tiny else "unet_256", width=width, norm="instance"),
        "unet-resnet50": lambda: build_segmenter(
            "unet", classes=9, encoder="resnet18" if context.tiny else "resnet50"
        ),
    }
    ways: dict[str, tuple[str, Arithmetic]] = {
        "fp32": ("fp32", "fp32"), "TF32": ("fp32", "TF32"), "bf16": ("bf16", "TF32")
    }  # fmt: skip
    for name, build in nets.items():
        torch.manual_seed(0)
        net = build()
        if name != "unet-resnet50":
            initialize(net)
        pixels = np.stack([draw_scene(n, size=side).summer for n in range(2 if context.tiny else 16)])
        wanted = LiveRunner(copy.deepcopy(net), memory=2**40)(pixels[:1])
        for way, (precision, kind) in ways.items():
            runner = LiveRunner(copy.deepcopy(net), device=context.device, precision=precision)
            for size in (1, len(pixels)):
                title = f"{name}, {side} px, batch {size}, {way}"

                def work(size: int = size, title: str = title, runner: LiveRunner = runner, kind: Arithmetic = kind,
                         wanted: Any = wanted, pixels: Any = pixels) -> None:  # fmt: skip
                    with arithmetic(kind):
                        made = runner(pixels[:1])
                        timing = context.time(lambda: runner(pixels[:size]), 0.5)
                    apart = np.abs(made - wanted)
                    more = {"mean difference": float(apart.mean()), "largest": float(apart.max())}
                    context.add_speed(title, timing, size, more=more)

                context.try_row(title, "samples/s", work)
