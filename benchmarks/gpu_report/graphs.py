"""gantool's own CycleGAN step as two CUDA graphs, with the image pools between them.

Everything of a step is captured but what decides by chance and by what is there: which images the discriminators
see. The first graph ends where the step hands a fake to the first pool; the pools then do their work and fill the
buffers that the second graph reads. The step's code is the trained one, unchanged.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from gantool.methods.cyclegan.image_pool import ImagePool
from gantool.methods.cyclegan.task import CycleGan
from gpu_report.plain import Step
from gpu_report.subject import Subject

__all__ = ["GraphedCycleGan", "HeldPool"]

_WARMUP = 3


class HeldPool(ImagePool):
    """Stands in for a pool: at first lets it do its work, then hands out a buffer that it fills between replays.

    Args:
        pool: the real one.
        reached: called whenever the step comes to this pool while it is held.
    """

    def __init__(self, pool: ImagePool, reached: Callable[[], None]) -> None:
        super().__init__(0)
        self.pool, self.reached, self.held = pool, reached, False
        self.images: Tensor | None = None
        self.buffer: Tensor | None = None

    def exchange(self, images: Tensor) -> Tensor:
        if not self.held:
            self.buffer = torch.zeros_like(images)  # never what memory happened to hold: that may be no number
            return self.pool.exchange(images)
        self.reached()
        self.images = images.detach()
        assert self.buffer is not None
        return self.buffer

    def fill(self) -> None:
        """Let the real pool have the newest images, and hand out what it gives."""
        assert self.images is not None and self.buffer is not None
        self.buffer.copy_(self.pool.exchange(self.images))


class GraphedCycleGan:
    """A training step of ``size`` images that the CPU starts with two calls.

    It has taken `_WARMUP` steps already.

    Args:
        compile_with: arguments of `torch.nn.Module.compile` for the networks.
    """

    def __init__(self, subject: Subject, size: int, *, compile_with: Mapping[str, Any] | None = None) -> None:
        runtime = subject.runtime("bf16")
        task = subject.task(runtime)
        assert isinstance(task, CycleGan)
        self._batch = subject.batch(size)
        for player in task.players:
            for group in player.optimizer.param_groups:
                group["capturable"] = True
            if compile_with is not None:
                for net in player.nets.values():
                    net.compile(**compile_with)
        runtime.prepare(task.players)
        update = runtime.make_update()
        self._passed = False
        self._pools = [HeldPool(pool, self._next_graph) for pool in (task._pool_b, task._pool_a)]
        task._pool_b, task._pool_a = self._pools

        def step() -> dict[str, Tensor]:
            # The region keeps cast weights; they must not outlive the graph that made them.
            with runtime.autocast():
                return task.step(self._batch, update)

        self._graphs = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        self._losses = self._capture(step)

    def _capture(self, step: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        first, second = self._graphs
        with torch.cuda.stream(stream):
            for _ in range(_WARMUP):
                step()
        torch.cuda.synchronize()
        gc.collect()
        torch.cuda.empty_cache()
        for pool in self._pools:
            pool.held = True
        with torch.cuda.stream(stream):
            first.capture_begin(capture_error_mode="thread_local")
            try:
                losses = step()
            finally:
                (second if self._passed else first).capture_end()
        torch.cuda.current_stream().wait_stream(stream)
        return losses

    def _next_graph(self) -> None:
        """The step has come to a pool; at the first one the first graph ends."""
        first, second = self._graphs
        if not self._passed:
            first.capture_end()
            self._passed = True
            second.capture_begin(pool=first.pool(), capture_error_mode="thread_local")

    def __call__(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        for name, tensor in self._batch.items():
            tensor.copy_(batch[name])
        first, second = self._graphs
        first.replay()
        for pool in self._pools:
            pool.fill()
        second.replay()
        return self._losses

    def compare_with(self, eager: Step, batch: Mapping[str, Tensor], steps: int = 3) -> float:
        """The largest relative difference of a loss to an eager step that begins anew, in a few steps from here."""
        for _ in range(_WARMUP):
            eager(batch)
        apart = 0.0
        for _ in range(steps):
            own, others = self(batch), eager(batch)
            assert isinstance(others, dict)
            pairs = [(float(own[name]), float(other)) for name, other in others.items()]
            apart = max([apart, *(abs(one - other) / max(abs(other), 1e-6) for one, other in pairs)])
        return apart
