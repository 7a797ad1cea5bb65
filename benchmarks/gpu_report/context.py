"""What a part of the report is given, and how it measures one thing after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from gpu_report.report import Report
from gpu_report.timing import Broken, Deadline, OutOfTime, Timing, describe, free, limited, log_failure, time_steps

__all__ = ["Context"]


@dataclass
class Context:
    """One part at work.

    Attributes:
        tiny: smallest networks and images, to try the report itself.
        words: further ``--set`` words for the training of seasons.
    """

    report: Report
    part: str
    device: torch.device
    deadline: Deadline
    tiny: bool = False
    data: Path | None = None
    words: tuple[str, ...] = ()

    def try_row(self, name: str, unit: str, work: Callable[[], None], *, seconds: float | None = None) -> None:
        """Do what adds a row; if it fails, the row says why, and the next one can follow.

        Args:
            seconds: its own time limit.

        Raises:
            OutOfTime: the part's time is over.
            Broken: the GPU cannot be used any more.
        """
        self.deadline.require()
        left = self.deadline.left
        trouble = None
        try:
            with limited(min(seconds or left, left)):
                work()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # what compilers and drivers raise is of every kind
            trouble = self._note(name, unit, error)
        free(self.device)
        if trouble is not None:
            raise trouble

    def _note(self, name: str, unit: str, error: BaseException) -> Exception | None:
        """Write down a failure; return what must end the part."""
        log_failure(error)
        try:
            note = describe(error)
        except Broken as broken:
            self.report.add(self.part, name, None, unit, note=str(broken))
            return broken
        self.report.add(self.part, name, None, unit, note=note)
        return OutOfTime(note) if isinstance(error, OutOfTime) and self.deadline.left <= 0 else None

    def time(self, call: Callable[[], object], seconds: float = 1.5) -> Timing:
        """See `time_steps`."""
        return time_steps(call, self.device, self.deadline, seconds=0 if self.tiny else seconds)

    def rate(self, of: str) -> float | None:
        """What the machine reached in the part ``limits``."""
        return self.report.value("limits", of)

    def add_speed(
        self, name: str, timing: Timing, samples: int, *, flops: float | None = None, rate: str | None = None,
        baseline: str | None = None, more: Mapping[str, float | None] | None = None, note: str = "",
    ) -> None:  # fmt: skip
        """Add a row of samples per second.

        Args:
            flops: of one sample.
            rate: row of ``limits`` that bounds them.
        """
        fastest = self.rate(rate) if rate is not None else None
        share = samples * flops / (timing.seconds * fastest * 1e12) if flops and fastest else None
        columns: dict[str, float | None] = {"ms": 1000 * timing.seconds, "share of the limit": share}
        if self.device.type == "cuda":
            columns["peak GiB"] = timing.peak / 2**30
        self.report.add(
            self.part, name, samples / timing.seconds, "samples/s", baseline=baseline, noise=timing.noise, note=note,
            more={**columns, **(more or {})},
        )  # fmt: skip
