"""Which images `translate` and `segment` work on, and what they say of them meanwhile and at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantool.cli.console import Screen, answer_in_json, failure, write_bytes
from gantool.cli.shares import handed_in
from gantool.errors import UsageError, counted

if TYPE_CHECKING:
    from gantool.files import Target
    from gantool.workflows.image_files import ImageOutcome
    from gantool.workflows.image_jobs import FileOptions, ImageJob
    from gantool.workflows.shares.elsewhere import AnyParts

__all__ = ["conclude", "file_options", "follow", "not_done", "tell_outcome", "tell_skipped"]


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
    screen: Screen, results: Iterable[ImageOutcome], *, doing: str, count: int, skipped: Sequence[Target]
) -> list[ImageOutcome]:
    """Name outputs, notes and errors as they come."""
    tell_skipped(screen, skipped)
    done = []
    with screen.counting(count, doing) as progress:
        for item in results:
            done.append(item)
            tell_outcome(screen, item)
            if not item.error:
                screen.detail(f"{item.source}: {item.written.size[0]}x{item.written.size[1]} in {item.seconds:.2f} s")
            if progress is not None:
                progress.advance(progress.task_ids[0])
    _tell_renamed(screen, done)
    return done


def tell_skipped(screen: Screen, skipped: Sequence[Target]) -> None:
    """Say how many outputs are left because they exist."""
    if skipped:
        screen.note(f"{len(skipped)} exist already and are skipped.")


def tell_outcome(screen: Screen, item: ImageOutcome) -> None:
    """Name the outputs of an image or a clip and what is to be noted about it, or its error."""
    if item.error:
        failure(item.error)
        return
    from gantool.fetch.remote.outbox import RemoteFile
    from gantool.shards.members import said

    for path in item.outputs.values():
        if isinstance(path, Path | RemoteFile):  # else it was the result itself
            screen.result(str(path))
    for note in item.written.notes:
        screen.warn(f"{said(item.source)}: {note}.")


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
    skipped: Sequence[Target],
    details: Callable[[ImageOutcome], Mapping[str, Any]],
    parts: AnyParts | None = None,
    jobs: Sequence[ImageJob] = (),
    finish: Callable[[Mapping[str, Any], Sequence[int]], None] = lambda document, places: None,
) -> int:
    """The JSON object of a call, and its exit code: 1 if some images failed, 2 if there is nothing but failures.

    Args:
        parts: where a share is handed in; whoever is last tells of all.
        jobs: of the share, whose places say how all its images are ordered.
        finish: what the last one does before it tells, with the whole document and the places of its files.
    """
    if head.get("dry_run"):
        screen.note("Dry run: nothing was written.")
    failed = [item for item in done if item.error]
    written = [item for item in done if not item.error]
    document = {
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
    }
    if parts is None:
        screen.json(schema, document)
    else:
        places = {job.source: job.place for job in jobs}
        written_at, failed_at = ([places[item.source] for item in some] for some in (written, failed))
        parts.hand_in({"document": document, "written": written_at, "failed": failed_at})
        with parts.last() as several:
            if several is None:
                handed_in(screen, schema, parts, document)
            else:
                screen.speak_up()
                whole, order = _put_together(several)
                finish(whole, order)
                screen.json(schema, whole)
    if not failed:
        return 0
    if len(done) > 1:
        screen.warn(f"{len(failed)} of {len(done)} failed.")
    return 1 if written or skipped else 2


def _put_together(several: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[int]]:
    """The document of all shares, as one process would give it, and the places of its files."""
    documents = [one["document"] for one in several]

    def in_order(key: str, places: str) -> list[tuple[int, Any]]:
        pairs = (zip(one[places], one["document"][key], strict=True) for one in several)
        return sorted((pair for some in pairs for pair in some), key=lambda pair: pair[0])

    written, failed = in_order("files", "written"), in_order("failed", "failed")
    whole = {
        **documents[0],
        "files": [entry for _, entry in written],
        "skipped": sorted({path for one in documents for path in one["skipped"]}),
        "failed": [entry for _, entry in failed],
        "shares": len(documents),
    }
    return whole, [place for place, _ in written]


def _input(item: ImageOutcome) -> str:
    from gantool.shards.members import said

    return said(item.source) if isinstance(item.source, Path) else "-"
