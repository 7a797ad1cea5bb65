"""Parts of an objective at the same time, each in a thread of its own on its share of a CPU's cores.

Small layers leave cores idle when each is computed on all of them. The gradients of the parts are added in their
order whichever is first, so results depend on how many cores there are, as all do, but not on what else these do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from threading import Barrier

import torch
from torch import Tensor, nn

from gantool.engine.task import Parts

__all__ = ["Together"]

_Gradients = Sequence[Tensor | None]


class Together:
    """Threads for the parts of objectives.

    Args:
        threads: how many at most, of which each gets an equal share of the cores that torch uses.
        region: autocast as the parts run under it; every thread enters one of its own.
    """

    def __init__(self, threads: int, region: Callable[[], AbstractContextManager[object]]) -> None:
        cores = torch.get_num_threads()
        self._region = region
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="gantool-part")
        everybody = Barrier(threads)

        def begin() -> None:
            torch.get_num_threads()  # a thread's first parallel operation would set what holds for new ones, once
            torch.set_num_threads(max(cores // threads, 1))
            everybody.wait()

        wait([self._pool.submit(begin) for _ in range(threads)])
        torch.set_num_threads(cores)  # what threads that come later begin with was changed, too

    def backward(self, parts: Parts, parameters: Sequence[nn.Parameter]) -> None:
        """Add the gradients of the parts' sum to those of the parameters.

        Raises:
            Exception: what a part raised, the first of them; no gradient is changed then.
        """
        running = [self._pool.submit(self._gradients, part, parameters) for part in parts.functions]
        wait(running)
        taken: set[int] = set()
        for parameter, *found in zip(parameters, *(one.result() for one in running), strict=True):
            for gradient in found:
                if gradient is not None:
                    _add(parameter, gradient if gradient.data_ptr() not in taken else gradient.clone())
                    taken.add(gradient.data_ptr())  # of a sum, two parameters are given one tensor

    def _gradients(self, part: Callable[[], Tensor], parameters: Sequence[nn.Parameter]) -> _Gradients:
        with self._region():
            torch.set_autocast_cache_enabled(False)  # the cache is shared by all threads, the switch is not
            loss = part()
        return torch.autograd.grad(loss, parameters, allow_unused=True)


def _add(parameter: nn.Parameter, gradient: Tensor) -> None:
    if parameter.grad is not None:
        parameter.grad = parameter.grad + gradient
    elif gradient.stride() == parameter.stride():
        parameter.grad = gradient
    else:  # torch's fused Adam goes through both in the order of their storage
        parameter.grad = torch.empty_like(parameter).copy_(gradient)
