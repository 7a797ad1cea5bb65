"""Commands that several processes do together: which share is ours, and what is said of it and of the whole."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.console import Screen
from gantool.cli.contract import completion
from gantool.cli.options import COMPUTING
from gantool.errors import UsageError, closest
from gantool.workflows.shares.share import RAY, Share, find_share

if TYPE_CHECKING:
    from gantool.fetch.remote.outbox import Outbox
    from gantool.workflows.shares.elsewhere import AnyParts
    from gantool.workflows.shares.ray_tasks import Launch

__all__ = [
    "DevicesOption",
    "EngineOption",
    "ShardOption",
    "StartProcesses",
    "StartTasks",
    "choose_share",
    "device_for",
    "handed_in",
    "note_share",
    "screen_for",
    "start_tasks",
    "together",
    "warn_of_no_lock",
    "whole_only",
]

DevicesOption = Annotated[
    int | None,
    typer.Option(
        "--devices",
        metavar="N",
        min=1,
        help="Number of processes on this machine, one per device.",
        rich_help_panel=COMPUTING,
    ),
]
EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="ray",
        help="Divide the work into tasks (--devices says how many) of the Ray cluster at RAY_ADDRESS, or of one "
        "that is started on this machine.",
        rich_help_panel=COMPUTING,
        autocompletion=completion.of("ray"),
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        rich_help_panel=COMPUTING,
        help="Do only part I of N, counted from 1; auto takes both from torchrun, srun or a job "
        "array, auto/N only I.",
    ),
]


class StartProcesses(Exception):  # noqa: N818 -- it is none
    """The command is to be run as several processes.

    Attributes:
        stdin: what each of them reads; None for nothing.
    """

    def __init__(self, count: int, stdin: bytes | None) -> None:
        super().__init__(count)
        self.count, self.stdin = count, stdin


class StartTasks(Exception):  # noqa: N818 -- it is none
    """The command is to be run as tasks of a cluster.

    Attributes:
        screen: of the command.
        launch: makes of its arguments what is to be done.
    """

    def __init__(self, screen: Screen, launch: Callable[[Sequence[str]], Launch]) -> None:
        super().__init__()
        self.screen, self.launch = screen, launch


def choose_share(
    shard: str | None, devices: int | None, inputs: Sequence[str | None] = (), engine: str | None = None
) -> Share:
    """The share of this process.

    Args:
        inputs: of which one may be ``-`` for standard input.
        engine: that is to do the shares; see `start_tasks`.

    Raises:
        StartProcesses: ``--devices`` asks for several, and nothing started this one as one of them.
        UsageError: no share is like that.
    """
    share = find_share(shard, os.environ)
    if engine is not None:
        _check_engine(engine, share, shard)
        return share
    if devices is None or share.launcher:  # the launcher's number counts
        return share
    if shard is not None:
        raise UsageError("--devices and --shard both divide the work.", "Leave one of them out.")
    if devices > 1:
        raise StartProcesses(devices, _all_of_stdin() if "-" in inputs else None)
    return share


def _check_engine(engine: str, share: Share, shard: str | None) -> None:
    if engine != RAY:
        raise UsageError(f"--engine {engine}: there is no such engine.", closest(engine, [RAY]))
    if shard is not None:
        raise UsageError("--engine and --shard both divide the work.", "Leave one of them out.")
    if share.launcher not in ("", RAY):
        raise UsageError(f"--engine {engine}: {share.launcher} divides the work already.", "Leave one of them out.")


def start_tasks(
    screen: Screen,
    share: Share,
    output: Path,
    named: Iterable[str | Path | None],
    models: Callable[[], Iterable[Path]],
    *,
    devices: int | None,
    device: str | None,
    whole: str = "",
) -> None:
    """Leave a command to a cluster, unless this is one of its tasks.

    Args:
        output: the folder of the results.
        named: inputs, of which one may be ``-``; the files and folders among them have to be there for the tasks.
        models: finds the model files, which have to be there as well, so that no task takes another model.
        devices: how many shares; None for some per worker.
        whole: what has no shares, if anything.

    Raises:
        StartTasks: this is none of its tasks.
        UsageError: there is no Ray, or no shares.
        ModelError: a model is not there.
    """
    if share.launcher:
        return
    if whole:
        raise UsageError(f"{whole} have no shares.", "Leave --engine out.")
    from gantool.models.find import is_on_every_machine
    from gantool.workflows.shares.ray_cluster import require_ray
    from gantool.workflows.shares.ray_tasks import Launch

    require_ray()
    there = [path for path in models() if not is_on_every_machine(path)]
    names = [name for name in named if name is not None]
    there += [path for path in map(Path, names) if str(path) != "-" and path.exists()]
    stdin = _all_of_stdin() if "-" in names else None

    def launch(arguments: Sequence[str]) -> Launch:
        return Launch(tuple(arguments), output, tuple(there), devices, device == "cpu", stdin)

    raise StartTasks(screen, launch)


def whole_only(share: Share, what: str) -> None:
    """Refuse to do a share of what has none.

    Raises:
        UsageError: it is a share of several.
    """
    if not share.is_alone:
        raise UsageError(f"{what} have no shares.", "Give each process some of them, without --shard or --devices.")


def _all_of_stdin() -> bytes:
    if sys.stdin is None or sys.stdin.closed:
        raise UsageError("-: standard input is closed.", "Name files, folders or globs.")
    return sys.stdin.buffer.read()


def screen_for(share: Share, *, quiet: bool, verbose: bool, json_output: bool) -> Screen:
    """Of processes that were started together, the first tells what goes for all."""
    screen = Screen(quiet=quiet, verbose=verbose, json_output=json_output)
    if share.launcher and not share.is_first:
        screen.hush()
    return screen


def device_for(share: Share, device: str | None) -> str:
    """A CUDA device for each of the processes that were started together, where there are any."""
    device = device or "auto"
    if share.is_alone or not share.launcher or device not in ("auto", "cuda"):
        return device
    from gantool.hardware import cuda_gpus

    gpus = len(cuda_gpus())
    return f"cuda:{share.local % gpus}" if gpus else device


@contextmanager
def together(
    screen: Screen, share: Share, folder: Path | Outbox, question: Any, *, dry_run: bool = False
) -> Iterator[AnyParts | None]:
    """Yield where a share of an answer is handed in; None for a process that does all of it, or nothing.

    Args:
        folder: of the results, or what sends them to an address.

    Raises:
        ShareError: another process does this share.
    """
    if share.is_alone or dry_run:
        if not dry_run:
            _begin(share, folder)
        yield None
        return
    parts = _parts(share, folder, question)
    note_share(screen, share)
    try:
        with parts.working() as real:
            if not real:
                warn_of_no_lock(screen, share, folder)
            parts.forget()
            _begin(share, folder)
            yield parts
    finally:
        parts.tidy()


def note_share(screen: Screen, share: Share) -> None:
    """Say which share this process does, and what started it."""
    screen.note(f"share {share}{f' ({share.launcher})' if share.launcher else ''}")


def warn_of_no_lock(screen: Screen, share: Share, folder: Path | Outbox) -> None:
    """Say that nothing keeps other processes from doing this share meanwhile."""
    from gantool.locks import WITHOUT_LOCKS

    screen.warn(WITHOUT_LOCKS.format(path=f"share {share} of {folder}"))


def _begin(share: Share, folder: Path | Outbox) -> None:
    if isinstance(folder, Path):  # what is tried again writes into one
        from gantool.workflows.shares.tries import begin

        begin(share, folder)


def _parts(share: Share, folder: Path | Outbox, question: Any) -> AnyParts:
    if isinstance(folder, Path):
        from gantool.workflows.shares.parts import Parts

        return Parts(share, folder, question)
    from gantool.workflows.shares.elsewhere import PartsAtAddress

    return PartsAtAddress(share, folder, question)


def handed_in(screen: Screen, schema: str, parts: AnyParts, document: Mapping[str, Any]) -> None:
    """What is said at the end of a share that is not the last."""
    missing = [place + 1 for place in parts.missing(parts.stage)]
    waited_for = parts.share.launcher in ("--devices", RAY)  # by the command that people look at
    if missing and not waited_for and parts.share.place + 1 not in missing:  # else somebody else was the last
        some = ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else "")
        screen.note(f"Share {parts.share} is done; still to come: {some}. The last one puts all together.")
    if not parts.share.launcher:
        screen.json(schema, {**document, "share": str(parts.share)})
