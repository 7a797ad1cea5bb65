"""What `translate` and `segment` say of the images that they work on, while they do and at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantool.cli.console import Screen, failure
from gantool.errors import counted

if TYPE_CHECKING:
    from gantool.workflows.image_files import ImageOutcome

__all__ = ["conclude", "follow"]


def follow(
    screen: Screen, results: Iterable[ImageOutcome], *, doing: str, count: int, skipped: Sequence[Path]
) -> list[ImageOutcome]:
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
                for path in item.outputs.values():
                    screen.result(path)
                for note in item.written.notes:
                    screen.warn(f"{item.source}: {note}.")
                screen.detail(f"{item.source}: {item.written.size[0]}x{item.written.size[1]} in {item.seconds:.2f} s")
            if progress is not None:
                progress.advance(progress.task_ids[0])
    _tell_renamed(screen, done)
    return done


def _tell_renamed(screen: Screen, done: Sequence[ImageOutcome]) -> None:
    from gantool.workflows.image_jobs import is_renamed

    renamed = [path for item in done for path in item.outputs.values() if is_renamed(item.source, path)]
    if renamed:
        screen.note(
            f"{counted(len(renamed), 'result')} not named as the image, for systems that do not accept its name: "
            f"{renamed[0]}{', ...' if len(renamed) > 1 else ''}"
        )


def conclude(
    screen: Screen,
    head: Mapping[str, Any],
    done: Sequence[ImageOutcome],
    skipped: Sequence[Path],
    details: Callable[[ImageOutcome], Mapping[str, Any]],
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
                    "width": item.written.size[0],
                    "height": item.written.size[1],
                    "seconds": round(item.seconds, 4),
                    "notes": list(item.written.notes),
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
