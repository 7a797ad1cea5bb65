"""Devices, precision and ranks: the only place that knows Lightning Fabric.

Methods are plain PyTorch; this class moves them to a device, runs their steps under autocast, scales and averages
their gradients, and starts and joins the processes of a run on several devices.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from torch import Tensor, nn

from gantool.devices import Precision, choose_device, choose_precision
from gantool.engine.cpu.at_once import Together
from gantool.engine.cpu.fused_adam import without_copies
from gantool.engine.task import Batch, Objective, Parts, Player, Update, each_part
from gantool.errors import SettingsError

T = TypeVar("T")

__all__ = ["Runtime", "started_by_launcher"]

_FABRIC_PRECISION: Mapping[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def started_by_launcher() -> bool:
    """Whether this process is one of several that torchrun or SLURM started, or that gantool itself re-ran."""
    return (
        "LOCAL_RANK" in os.environ
        or "TORCHELASTIC_RUN_ID" in os.environ
        or (int(os.environ.get("SLURM_NTASKS", "1")) > 1 and "SLURM_PROCID" in os.environ)
    )


class Runtime:
    """One process's share of a run.

    Args:
        device: see `choose_device`.
        devices: processes on this machine; under torchrun or SLURM the launcher's number counts.
        precision: see `choose_precision`.
    """

    def __init__(self, device: str = "auto", devices: int = 1, precision: str = "auto") -> None:
        chosen = choose_device(device)
        self.precision: Precision = choose_precision(precision, chosen)
        external = int(os.environ.get("LOCAL_WORLD_SIZE", "0")) or int(os.environ.get("SLURM_NTASKS_PER_NODE", "0"))
        count = external or devices
        nodes = max(int(os.environ.get("WORLD_SIZE", "1")) // count, 1) if external else 1
        if chosen.type == "cuda" and count > torch.cuda.device_count():
            raise SettingsError(
                f"runtime.devices: {count} asked for, but there are {torch.cuda.device_count()} CUDA devices."
            )
        selected: Any = [chosen.index] if chosen.index is not None and count == 1 else count
        for name in ("lightning_fabric", "lightning_fabric.utilities.rank_zero"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._fabric = Fabric(
            accelerator=chosen.type,
            devices=selected,
            num_nodes=nodes,
            strategy="ddp" if count * nodes > 1 else "auto",
            precision=_FABRIC_PRECISION[self.precision],
        )
        self._optimizers: dict[str, Any] = {}

    @property
    def device(self) -> torch.device:
        device: torch.device = self._fabric.device
        return device

    @property
    def rank(self) -> int:
        return int(self._fabric.global_rank)

    @property
    def world_size(self) -> int:
        return int(self._fabric.world_size)

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    @property
    def shares_cores(self) -> bool:
        """Whether two parts of an objective can run at once, each on as many cores, and few are left over."""
        threads = torch.get_num_threads()
        return self.device.type == "cpu" and threads > 1 and (threads % 2 == 0 or threads > 8)

    @property
    def steps_between_reads(self) -> int:
        """How often to read a loss back or to ask the other ranks: both make the CPU wait for a GPU."""
        return 1 if self.device.type == "cpu" else 10

    def launch(self) -> None:
        """Start the other processes (they re-run this command) and join them; on one device does nothing."""
        with _stdout_for_results():
            self._fabric.launch()

    def close(self) -> None:
        """Leave the process group."""
        if dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()

    def place(self, nets: Iterable[nn.Module], *, channels_last: bool = False) -> None:
        """Move networks to the device, alike on all ranks."""
        for net in nets:
            net.to(self.device)
            if self.world_size > 1:
                for tensor in net.state_dict().values():
                    dist.broadcast(tensor, src=0)
            if channels_last:  # only now: not every backend sends other layouts
                net.to(memory_format=torch.channels_last)

    def autocast(self) -> AbstractContextManager[Any]:
        region: AbstractContextManager[Any] = self._fabric.autocast()
        return region

    def to_device(self, batch: Batch, *, channels_last: bool = False) -> dict[str, Tensor]:
        def layout(tensor: Tensor) -> torch.memory_format:
            return torch.channels_last if channels_last and tensor.ndim == 4 else torch.preserve_format

        return {
            name: tensor.to(self.device, non_blocking=True, memory_format=layout(tensor))
            for name, tensor in batch.items()
        }

    def prepare(self, players: Iterable[Player]) -> None:
        """Take over the players' optimizers."""
        for player in players:
            if self.device.type == "cpu":
                without_copies(player.optimizer)
            self._optimizers[player.name] = self._fabric.setup_optimizers(player.optimizer)

    def make_update(self, clip_norm: float | None = None) -> Update:
        """Return the verb that tasks move their players with."""

        def update(player: Player, objective: Objective) -> None:
            optimizer = self._optimizers[player.name]
            parameters = [parameter for parameter in player.parameters() if parameter.requires_grad]
            optimizer.zero_grad()
            if isinstance(objective, Parts) and objective.at_once and self.shares_cores and not player.is_compiled:
                self._together.backward(objective, parameters)
            else:
                self.backward(objective)
            with torch.autocast(self.device.type, enabled=False):
                self._average_gradients(parameters)
                if clip_norm is not None:
                    self._fabric.strategy.precision.unscale_gradients(player.optimizer)
                    self._clip(parameters, clip_norm)
                optimizer.step()

        return update

    def backward(self, objective: Objective) -> None:
        """Add the gradients of an objective, one part after the other, scaled where the precision wants that."""
        for part in each_part(objective):
            # Gradients follow the precision of the forward pass; a backward under autocast would cast again.
            with torch.autocast(self.device.type, enabled=False):
                self._fabric.backward(part)
            # Autocast keeps cast copies of weights; a net that is run again after its step must not use old ones.
            torch.clear_autocast_cache()
            del part  # the next one is computed without it

    @cached_property
    def _together(self) -> Together:
        return Together(2, self.autocast)

    def _clip(self, parameters: Sequence[nn.Parameter], clip_norm: float) -> None:
        """Scale the gradients to at most this norm together, as `torch.nn.utils.clip_grad_norm_` does."""
        norm = nn.utils.get_total_norm([one.grad for one in parameters if one.grad is not None])
        # Most are smaller, and multiplying them by 1 is a pass over all of them. A GPU would be waited for.
        if self.device.type != "cpu" or not norm + 1e-6 < clip_norm:
            nn.utils.clip_grads_with_norm_(parameters, clip_norm, norm)

    def _average_gradients(self, parameters: list[nn.Parameter]) -> None:
        if self.world_size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.world_size
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        averaged = [mean.view(gradient.shape) for gradient, mean in zip(gradients, parts, strict=True)]
        torch._foreach_copy_(gradients, averaged)

    def peak_memory(self) -> int:
        """Bytes of device memory on a GPU, of resident memory elsewhere; 0 where the system does not tell."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        try:
            import resource
        except ImportError:  # Windows
            return 0
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(largest if sys.platform == "darwin" else largest * 1024)

    def scaler_state(self) -> dict[str, Any]:
        return dict(self._fabric.strategy.precision.state_dict())

    def load_scaler_state(self, state: Mapping[str, Any]) -> None:
        if state:
            self._fabric.strategy.precision.load_state_dict(dict(state))

    def any_rank(self, flag: bool) -> bool:
        """Whether the flag is set on any rank; all ranks must ask together."""
        if self.world_size == 1:
            return flag
        value = torch.tensor(int(flag), device=self.device)
        dist.all_reduce(value, op=dist.ReduceOp.MAX)
        return bool(value)

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Average the values over ranks."""
        if self.world_size == 1:
            return dict(values)
        total = torch.tensor(list(values.values()), dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return dict(zip(values, (total / self.world_size).tolist(), strict=True))

    def gather(self, value: T) -> list[T]:
        """Return every rank's value, by rank."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return values

    def broadcast(self, value: T) -> T:
        """Return the main rank's value on every rank."""
        if self.world_size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def on_main(self, action: Callable[[], None]) -> None:
        """Let the main rank do something while the others wait; its failure is everybody's."""
        failure: Exception | None = None
        if self.is_main:
            try:
                action()
            except Exception as error:
                failure = error
        failure = self.broadcast(failure)
        if failure is not None:
            raise failure


@contextmanager
def _stdout_for_results() -> Iterator[None]:
    """What libraries print there themselves (gloo of torch 2.9: who is connected) goes to stderr."""
    try:
        kept = os.dup(1)
    except OSError:  # there is no stdout
        yield
        return
    try:
        with suppress(OSError):  # there may be no stderr
            os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
