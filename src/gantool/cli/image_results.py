"""What `translate` and `segment` say of the images that they work on, while they do and at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gantool.cli.console import Screen, failure

__all__ = ["conclude", "follow"]


class ImageResult(Protocol):
    """What became of one image; with an ``error`` there are no outputs."""

    @property
    def source(self) -> Path: ...
    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def seconds(self) -> float: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def error(self) -> str: ...


Result = TypeVar("Result", bound=ImageResult)


def follow(
    screen: Screen,
    results: Iterable[Result],
    *,
    doing: str,
    count: int,
    skipped: Sequence[Path],
    outputs: Callable[[Result], Iterable[Path]],
) -> list[Result]:
    """Name outputs, notes and errors as they come."""
    if skipped:
        screen.note(f"{len(skipped)} exist already and are skipped.")
    done = []
    with screen.counting(count, doing) as progress:
        for item in results:
            done.append(item)
            if item.error:
                failure(item.error)
            else:
                for path in outputs(item):
                    screen.result(path)
                for note in item.notes:
                    screen.warn(f"{item.source}: {note}.")
                screen.detail(f"{item.source}: {item.size[0]}x{item.size[1]} in {item.seconds:.2f} s")
            if progress is not None:
                progress.advance(progress.task_ids[0])
    return done


def conclude(
    screen: Screen,
    head: Mapping[str, Any],
    done: Sequence[Result],
    skipped: Sequence[Path],
    details: Callable[[Result], Mapping[str, Any]],
) -> int:
    """The JSON object of a call, and its exit code: 1 if some images failed, 2 if there is nothing but failures."""
    failed = [item for item in done if item.error]
    written = [item for item in done if not item.error]
    screen.json(
        {
            **head,
            "files": [
                {
                    "input": str(item.source),
                    **details(item),
                    "width": item.size[0],
                    "height": item.size[1],
                    "seconds": round(item.seconds, 4),
                    "notes": list(item.notes),
                }
                for item in written
            ],
            "skipped": [str(path) for path in skipped],
            "failed": [{"input": str(item.source), "error": item.error} for item in failed],
        }
    )
    if not failed:
        return 0
    if len(done) > 1:
        screen.warn(f"{len(failed)} of {len(done)} failed.")
    return 1 if written or skipped else 2
