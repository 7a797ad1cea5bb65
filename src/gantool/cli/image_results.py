"""Which images `translate` and `segment` work on, and what they say of them meanwhile and at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantool.cli.console import Screen, answer_in_json, failure, write_bytes
from gantool.errors import UsageError, counted

if TYPE_CHECKING:
    from gantool.workflows.image_files import ImageOutcome
    from gantool.workflows.image_jobs import FileOptions, ImageJob

__all__ = ["conclude", "file_options", "follow", "not_done"]


def file_options(screen: Screen, inputs: Sequence[str] | None, output: str | None, **options: Any) -> FileOptions:
    """Which images, and where their results go.

    Raises:
        UsageError: options that contradict each other, or bytes where they would do harm.
    """
    from gantool.workflows.image_jobs import FileOptions

    if not inputs and options.get("files_from") is None:
        raise UsageError(
            "INPUT is missing.",
            "Name files, folders or globs, - for an image on standard input, or --files-from FILE.",
        )
    if output == "-":
        if screen.json_output:
            answer_in_json(False)  # a reader of bytes must not get a text instead
            raise UsageError("-o - and --json both write to standard output.", "Leave one of them out.")
        if sys.stdout.isatty():
            raise UsageError(
                "-o -: standard output is a terminal, which shows no pictures.",
                "Send it somewhere: > FILE, or | the next program.",
            )
    return FileOptions(tuple(inputs or ()), output, stream=write_bytes if output == "-" else None, **options)


def not_done(jobs: Sequence[ImageJob]) -> Iterator[ImageOutcome]:
    """What would become of images, as far as their headers tell; for ``--dry-run``."""
    from gantool.errors import GantoolError
    from gantool.workflows.image_files import ImageOutcome, Written, look_at

    for job in jobs:
        try:
            yield ImageOutcome(job.source, job.outputs, written=Written(look_at(job).size))
        except GantoolError as error:
            yield ImageOutcome(job.source, {}, error=str(error))


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
                    if isinstance(path, Path):  # else it was the result itself
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
    schema: str,
    head: Mapping[str, Any],
    done: Sequence[ImageOutcome],
    skipped: Sequence[Path],
    details: Callable[[ImageOutcome], Mapping[str, Any]],
) -> int:
    """The JSON object of a call, and its exit code: 1 if some images failed, 2 if there is nothing but failures."""
    if head.get("dry_run"):
        screen.note("Dry run: nothing was written.")
    failed = [item for item in done if item.error]
    written = [item for item in done if not item.error]
    screen.json(
        schema,
        {
            **head,
            "files": [
                {
                    "input": _input(item),
                    **details(item),
                    "width": item.written.size[0],
                    "height": item.written.size[1],
                    "seconds": round(item.seconds, 4),
                    "notes": list(item.written.notes),
                }
                for item in written
            ],
            "skipped": [str(path) for path in skipped],
            "failed": [{"input": _input(item), "error": item.error} for item in failed],
        },
    )
    if not failed:
        return 0
    if len(done) > 1:
        screen.warn(f"{len(failed)} of {len(done)} failed.")
    return 1 if written or skipped else 2


def _input(item: ImageOutcome) -> str:
    return str(item.source) if isinstance(item.source, Path) else "-"
