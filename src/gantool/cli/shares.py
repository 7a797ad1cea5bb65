"""Commands that several processes do together: which share is ours, and what is said of it and of the whole."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.console import Screen
from gantool.cli.options import COMPUTING
from gantool.errors import UsageError
from gantool.workflows.shares.share import Share, find_share

if TYPE_CHECKING:
    from gantool.fetch.remote.outbox import Outbox
    from gantool.workflows.shares.elsewhere import AnyParts

__all__ = [
    "DevicesOption",
    "ShardOption",
    "StartProcesses",
    "choose_share",
    "device_for",
    "handed_in",
    "screen_for",
    "together",
    "whole_only",
]

DevicesOption = Annotated[
    int | None,
    typer.Option(
        "--devices",
        metavar="N",
        min=1,
        help="Processes on this machine.",
        rich_help_panel=COMPUTING,
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        rich_help_panel=COMPUTING,
        help="Do share I of N, counted from 1; auto asks torchrun, srun or a job array, auto/N for I only.",
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


def choose_share(shard: str | None, devices: int | None, inputs: Sequence[str | None] = ()) -> Share:
    """The share of this process.

    Args:
        inputs: of which one may be ``-`` for standard input.

    Raises:
        StartProcesses: ``--devices`` asks for several, and nothing started this one as one of them.
        UsageError: no share is like that.
    """
    share = find_share(shard, os.environ)
    if devices is None or share.launcher:  # the launcher's number counts
        return share
    if shard is not None:
        raise UsageError("--devices and --shard both divide the work.", "Leave one of them out.")
    if devices > 1:
        raise StartProcesses(devices, _all_of_stdin() if "-" in inputs else None)
    return share


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
        yield None
        return
    from gantool.locks import WITHOUT_LOCKS

    parts = _parts(share, folder, question)
    screen.note(f"share {share}{f' ({share.launcher})' if share.launcher else ''}")
    try:
        with parts.working() as real:
            if not real:
                screen.warn(WITHOUT_LOCKS.format(path=f"share {share} of {folder}"))
            parts.forget()
            yield parts
    finally:
        parts.tidy()


def _parts(share: Share, folder: Path | Outbox, question: Any) -> AnyParts:
    if isinstance(folder, Path):
        from gantool.workflows.shares.parts import Parts

        return Parts(share, folder, question)
    from gantool.workflows.shares.elsewhere import PartsAtAddress

    return PartsAtAddress(share, folder, question)


def handed_in(screen: Screen, schema: str, parts: AnyParts, document: Mapping[str, Any]) -> None:
    """What is said at the end of a share that is not the last."""
    missing = [place + 1 for place in parts.missing(parts.stage)]
    if missing and parts.share.place + 1 not in missing:  # else somebody else was the last
        some = ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else "")
        screen.note(f"Share {parts.share} is done; still to come: {some}. The last one puts all together.")
    if not parts.share.launcher:
        screen.json(schema, {**document, "share": str(parts.share)})
