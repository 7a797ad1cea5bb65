"""Which share of the work is this process's: told by ``--shard``, by a launcher, or by ``--devices``.

Shares are said with numbers from 1, as people count: ``2/4`` is the second of four. Images go to shares by a hash of
where their results go, so that an image belongs to the same share whatever else is there, in whatever order it comes,
and whoever looks first; what is measured goes in turn, in blocks, because there the order is that of the data set.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gantool.errors import UsageError

__all__ = ["ALONE", "FOLDER", "OWN_SHARE", "RAY", "Share", "find_share"]

OWN_SHARE = "GANTOOL_SHARE"
"""Environment variable that tells a process that ``--devices`` started which share it has: ``2/4:JOB``.

``2/4:JOB:ray`` for a task of Ray.
"""

FOLDER = ".gantool-shares"
"""What shares hand in lies there, within the output's folder; folder scans leave out what begins with a dot."""

RAY = "ray"
"""The launcher of ``--engine ray``."""

_MOST = 100_000


@dataclass(frozen=True)
class Share:
    """One of several processes that do a command together.

    Attributes:
        place: of this process, from 0.
        count: of the processes.
        launcher: what started all of them, in words; empty where each was started by itself.
        job: differs from launch to launch; empty where that is not known.
        local: number of this process on its machine.
    """

    place: int = 0
    count: int = 1
    launcher: str = ""
    job: str = ""
    local: int = 0

    def __str__(self) -> str:
        return f"{self.place + 1}/{self.count}"

    @property
    def is_alone(self) -> bool:
        return self.count == 1

    @property
    def is_first(self) -> bool:
        return self.place == 0

    def takes(self, name: str) -> bool:
        """Whether what is called so is this share's, of which exactly one share says yes."""
        if self.is_alone:
            return True
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.place

    def places(self, count: int, block: int = 1) -> Sequence[int]:
        """This share's places among ``count``: every so many blocks of neighbors.

        >>> list(Share(1, 2).places(10, block=2))
        [2, 3, 6, 7]
        """
        if self.is_alone:
            return range(count)
        return [n for n in range(count) if n // block % self.count == self.place]


ALONE = Share()


def find_share(shard: str | None, environment: Mapping[str, str]) -> Share:
    """The share of this process.

    Without ``shard`` only launchers that start all processes of one command are listened to: ``--devices``, torchrun
    and srun. An array of jobs is none of them: a command within one would silently do a part of what it says.

    Args:
        shard: ``I/N``; or ``auto``, which also listens to SLURM's job arrays; or ``auto/N``, whose number comes from
            an array that counts from 1 (SLURM) or from an indexed job (Kubernetes).

    Raises:
        UsageError: there is no such share.
    """
    started = environment.get(OWN_SHARE)
    if started is not None:
        text, _, launch = started.partition(":")
        job, _, launcher = launch.partition(":")
        share = _numbered(text, OWN_SHARE)
        return Share(share.place, share.count, launcher or "--devices", job, share.place)
    if shard is None:
        return _launched(environment)
    if shard == "auto":
        share = _launched(environment)
        return share if share.launcher else _of_array(environment)
    word, slash, count = shard.partition("/")
    if word == "auto" and slash:
        return _numbered(f"{_number_in_array(environment)}/{count}", f"--shard {shard}")
    return _numbered(shard, "--shard")


def _numbered(text: str, option: str) -> Share:
    asked = f"{option} {text}" if option in ("--shard", OWN_SHARE) else f"{option} (share {text})"
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
    if match is None:
        raise UsageError(f"{asked}: expected I/N, such as 2/4 for the second of four shares, or auto.")
    number, count = int(match[1]), int(match[2])
    if not 1 <= count <= _MOST:
        raise UsageError(f"{asked}: there can be 1 to {_MOST} shares.")
    if number == 0:
        raise UsageError(f"{asked}: shares count from 1, so they are 1/{count} to {count}/{count}.")
    if number > count:
        raise UsageError(f"{asked}: there are {count} shares, 1/{count} to {count}/{count}.")
    return Share(number - 1, count)


def _launched(environment: Mapping[str, str]) -> Share:
    """What torchrun or srun say of this process; alone where neither started it."""
    if "RANK" in environment and "WORLD_SIZE" in environment:
        job = _known(environment, "TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RESTART_COUNT")
        return _counted(environment, "torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", job)
    # sbatch sets the number of tasks for its script, too, which is one process; a step is what srun starts.
    if "SLURM_PROCID" in environment and "SLURM_STEP_ID" in environment:
        tasks = "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in environment else "SLURM_NTASKS"
        job = _known(environment, "SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT")
        return _counted(environment, "srun", "SLURM_PROCID", tasks, "SLURM_LOCALID", job)
    return ALONE


def _counted(
    environment: Mapping[str, str], launcher: str, place: str, count: str, local: str, job: str
) -> Share:  # fmt: skip
    numbers = [environment.get(name, "0") for name in (place, count, local)]
    if not all(re.fullmatch(r"\d{1,9}", number, re.ASCII) for number in numbers) or int(numbers[0]) >= int(
        numbers[1]
    ):
        said = ", ".join(f"{name}={environment.get(name, '')}" for name in (place, count, local))
        raise UsageError(f"{launcher} does not say which process this is ({said}).", "Use --shard I/N.")
    return Share(int(numbers[0]), int(numbers[1]), launcher, job, int(numbers[2]))


def _known(environment: Mapping[str, str], *names: str) -> str:
    return "-".join(environment.get(name, "") for name in names)


def _of_array(environment: Mapping[str, str]) -> Share:
    """The share of a task of a job array that is there as a whole."""
    names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_COUNT")
    if names[0] not in environment:
        more = " Kubernetes tells a number but not how many there are: --shard auto/N." * _is_indexed(environment)
        raise UsageError(
            "--shard auto: neither torchrun, srun nor a SLURM job array started this process.", f"Use I/N.{more}"
        )
    try:
        number, first, last, count = (int(environment[name]) for name in names)
    except (KeyError, ValueError):
        raise UsageError("--shard auto: the job array does not say how many tasks it has.", "Use auto/N.") from None
    if count != last - first + 1:
        raise UsageError(
            f"--shard auto: the job array has {count} tasks from {first} to {last}, so some are left out.",
            "Use auto/N, with an array that counts from 1.",
        )
    return _numbered(f"{number - first + 1}/{count}", "--shard auto")


def _is_indexed(environment: Mapping[str, str]) -> bool:
    return "JOB_COMPLETION_INDEX" in environment


def _number_in_array(environment: Mapping[str, str]) -> int:
    """Counted from 1: as a SLURM array for this has to count, and one more than a Kubernetes index."""
    for name, more in (("SLURM_ARRAY_TASK_ID", 0), ("JOB_COMPLETION_INDEX", 1)):
        value = environment.get(name, "")
        if value.isascii() and value.isdigit():
            return int(value) + more
    raise UsageError(
        "--shard auto/N: neither a SLURM job array nor an indexed Kubernetes job started this process.", "Use I/N."
    )
