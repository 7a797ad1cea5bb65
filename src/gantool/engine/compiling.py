"""Networks compiled by torch.compile: whether it pays, and how to do it without a risk for the training.

What is compiled is a network's call in training, for the shapes of the first step; every other call (a measurement,
an image of another size, a gradient penalty, which is differentiated twice) runs as it always did. So nothing is
compiled after the first step, and nothing is compiled again and again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gantool.documents import brief
from gantool.engine.checkpoints import random_state, restore_random_state
from gantool.engine.runtime import Runtime
from gantool.engine.step_work import StepWork, count_work
from gantool.engine.task import Batch, Task
from gantool.nets.resnet import ResnetGenerator
from gantool.quiet import quiet
from gantool.report.words import roughly
from gantool.settings.schema import Settings

__all__ = ["CompileChoice", "choose_compile", "compile_networks", "has_compiler", "rehearse"]

_COMPILERS = ("c++", "g++", "clang++", "cl", "icpx")


@dataclass(frozen=True)
class CompileChoice:
    """Whether the networks are compiled.

    Attributes:
        on: whether they are.
        reason: in words, for ``run.json`` and the terminal.
        notable: whether to tell who did not ask.
    """

    on: bool
    reason: str
    notable: bool = False


def has_compiler() -> bool:
    """Whether there is a C++ compiler that torch would find."""
    named = os.environ.get("CXX")
    return any(shutil.which(name) for name in ((named,) if named else _COMPILERS))


# -- compiling ---------------------------------------------------------------------------------------------------


class _CompiledCall:
    """A network's call: compiled for what it was called with while it was `learning`, else as it always was."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net
        self.learning = True
        self._known: set[tuple[Any, ...]] = set()
        self._plain: Callable[..., Any] = net._call_impl
        self._compiled: Callable[..., Any] = torch.compile(net._call_impl, dynamic=False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        kind = self._kind(args[0], kwargs) if len(args) == 1 else None
        if kind is not None and self.learning:
            self._known.add(kind)
        return self._compiled(*args, **kwargs) if kind in self._known else self._plain(*args, **kwargs)

    def _kind(self, image: Any, options: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """All that another program would be needed for; None where none is wanted."""
        if not isinstance(image, Tensor) or not self.net.training or not torch.is_grad_enabled():
            return None
        if image.requires_grad and image.is_leaf:
            return None  # its own gradient is wanted, as by a penalty on it, which compiled code cannot differentiate
        moves = tuple(part.requires_grad for part in self.net.parameters())
        return tuple(image.shape), image.stride(), image.dtype, image.requires_grad, moves, *sorted(options.items())


def compile_networks(task: Task, batch: Batch, runtime: Runtime) -> str:
    """Compile all networks that are trained, and try them; none is if one cannot be.

    Args:
        batch: of a first step, on the device.

    Returns:
        Why not; nothing where they are compiled.
    """
    problem = _try(task, batch, runtime)
    if problem:
        # Perhaps torch kept a half-written kernel of a process that was killed: it would fail on that for ever.
        with _own_kernels():
            problem = _try(task, batch, runtime, again=True)
    if runtime.any_rank(bool(problem)):
        _set_calls(task, None)
        return problem or "another process could not compile them"
    return ""


def _try(task: Task, batch: Batch, runtime: Runtime, *, again: bool = False) -> str:
    _set_calls(task, None)
    try:
        if again:
            torch._dynamo.reset()
        calls = [_CompiledCall(net) for net in _networks(task)]
        _set_calls(task, calls)
        with _silence():
            rehearse(task, batch, runtime)
    except Exception as error:  # a compiler fails in any way; without it, the same step is taken again
        return brief(str(error).strip().partition("\n")[0], 160) or type(error).__name__
    for call in calls:
        call.learning = False
    return ""


def _set_calls(task: Task, calls: Sequence[_CompiledCall] | None) -> None:
    for n, net in enumerate(_networks(task)):
        # Where torch.nn.Module.compile puts what it compiles; copies of the network do not take it along.
        net._compiled_call_impl = None if calls is None else calls[n]


@contextmanager
def _own_kernels() -> Iterator[None]:
    """Let torch compile all over again, into a folder that is gone afterwards."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ[name] = folder
        try:
            yield
        finally:
            del os.environ[name]
            if before is not None:
                os.environ[name] = before


def rehearse(task: Task, batch: Batch, runtime: Runtime) -> None:
    """Take a step that moves no weight and leaves no trace, neither in the networks nor in what chance does next."""
    nets = _networks(task)
    buffers = [(buffer, buffer.clone()) for net in nets for buffer in net.buffers()]
    trained = [(parameter, parameter.requires_grad) for net in nets for parameter in net.parameters()]
    random, state = random_state(runtime.device), task.state_dict()
    try:
        with runtime.autocast():
            losses = task.step(batch, lambda player, loss: runtime.backward(loss))
        for loss in losses.values():
            loss.item()
    finally:
        torch.clear_autocast_cache()
        for parameter, moves in trained:
            parameter.requires_grad_(moves)
            parameter.grad = None
        with torch.no_grad():
            for buffer, kept in buffers:
                buffer.copy_(kept)
        task.load_state_dict(state)
        restore_random_state(random, runtime.device)


def _silence() -> AbstractContextManager[None]:
    """What torch says while it compiles helps nobody who trains; whoever sets TORCH_LOGS sees it."""
    return nullcontext() if os.environ.get("TORCH_LOGS") else quiet()


# -- whether it pays ---------------------------------------------------------------------------------------------

_LEAST_STEPS = 200
"""Fewer save nothing whatever the networks; the work of a step is not even counted."""
_LEAST_GB = 2.4
"""What a step with a ResNet generator has to move on a CPU. Smaller ones, and those of U-Nets and segmenters, gain
nothing or lose; see "Compiled networks" in docs/performance.md."""
_SAVES = 0.13
"""Seconds that compiling saves for each of these GB."""
_COSTS = 0.08
"""Processor seconds that compiling takes for every operator that a step calls."""
_MARGIN = 2.0
"""Compile where that saves so many times of what it costs: other machines gain less."""


def choose_compile(
    wanted: Literal["auto", True, False], task: Task, batch: Batch, runtime: Runtime, settings: Settings, steps: int
) -> CompileChoice:
    """Decide by what is known before the first step, never by timing: a run must not depend on what else ran.

    Args:
        wanted: True was asked for, or decided when the run began.
        batch: of a first step, on the device.
        steps: that are left.
    """
    if wanted is False:
        return CompileChoice(False, "not asked for")
    if not settings.one_size:
        return CompileChoice(False, "images keep sizes of their own", wanted is True)
    if wanted is True:
        said = "asked for" if settings.runtime.compile is True else "as when the run began"
        return CompileChoice(True, f"{said}, which takes about a minute first", True)
    if runtime.device.type != "cpu":
        return CompileChoice(False, f"what it gains was never measured on {runtime.device.type}")
    if steps < _LEAST_STEPS:
        return CompileChoice(False, "too few steps to gain anything")
    if not any(isinstance(part, ResnetGenerator) for net in _networks(task) for part in net.modules()):
        return CompileChoice(False, "networks of this kind gain nothing")
    try:
        work = count_work(lambda: rehearse(task, batch, runtime))
    except Exception as error:  # the training itself says what is wrong, if anything is
        return CompileChoice(False, f"the work of a step cannot be counted ({type(error).__name__})")
    return _weigh(work, steps, compiler=has_compiler())


def _weigh(work: StepWork, steps: int, *, compiler: bool) -> CompileChoice:
    moved = work.moved / 1e9
    saves = steps * moved * _SAVES if moved >= _LEAST_GB else 0.0
    costs = work.calls * _COSTS
    if saves < _MARGIN * costs:
        return CompileChoice(False, f"would save {roughly(saves)} and take {roughly(costs)}")
    if not compiler:
        return CompileChoice(False, f"there is no C++ compiler; it would save {roughly(saves)}", True)
    return CompileChoice(True, f"takes {roughly(costs)} and saves {roughly(saves)}", True)


def _networks(task: Task) -> list[nn.Module]:
    return [net for player in task.players for net in player.nets.values()]
