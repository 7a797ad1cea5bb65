"""A run's data, as it was when the run last began or went on: noted, and compared when it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gantool.data.fingerprint import (
    Changes,
    Files,
    compare_files,
    digest_of,
    note_files,
    read_files,
    write_files,
)
from gantool.data.sources.names import resolve_data
from gantool.documents import brief
from gantool.errors import RunError
from gantool.methods.base import Method
from gantool.models.runs import Run
from gantool.settings import Settings

__all__ = ["DataFiles", "look_at_data"]

_SHOWN = 3  # names of files per sentence


@dataclass(frozen=True)
class DataFiles:
    """What is to be noted in the run about its data.

    Attributes:
        files: those of the data now; none where it is drawn.
        changes: since they were last noted.
        note: for the user; empty if there is nothing to say.
    """

    files: Files
    changes: Changes
    note: str = ""

    def record(self, run: Run, facts: Mapping[str, Any], epoch: int) -> dict[str, Any]:
        """Write the list beside ``run.json`` and return the facts with its number and digest.

        Args:
            epoch: after which the run goes on.
        """
        if not self.files:
            return dict(facts)
        write_files(run.data_files, self.files)
        new = {**facts, "data_files": {"count": len(self.files), "sha256": digest_of(self.files)}}
        if self.changes:
            counts = {name: len(getattr(self.changes, name)) for name in ("added", "removed", "changed")}
            when = datetime.now(UTC).isoformat(timespec="seconds")
            new["changed_data"] = [*facts.get("changed_data", []), {"when": when, "epoch": epoch, **counts}]
        return new


def look_at_data(run: Run, settings: Settings, method: Method, *, resumed: bool, accept: bool) -> DataFiles:
    """Look at the files of a run's data and, if it is resumed, compare them with those that were noted.

    Args:
        accept: go on although they have changed.

    Raises:
        RunError: they have changed; says what.
    """
    if not method.files:
        return DataFiles({}, Changes())
    folders = {
        name: resolve_data(folder) if not name else Path(folder) for name, folder in settings.data.folders.items()
    }
    before = read_files(run.data_files) if resumed else None
    now = note_files(folders, method.files, contents=settings.data.hashes, known=before)
    noted = run.facts().get("data_files") if resumed else None
    if before is None:
        if noted is None or noted["sha256"] == digest_of(now):
            return DataFiles(now, Changes())
        if not accept:
            raise RunError(
                f"{run.data_files}: is missing or damaged, so nobody can tell whether the data has changed.",
                "Resume all the same with --accept-changed-data.",
            )
    changes = compare_files(before, now) if before is not None else Changes(changed=tuple(now))
    if changes and not accept:
        raise RunError(
            f"{run.path}: its data has changed since, {_described(changes)}; it cannot be resumed exactly.",
            "Put the data back, or resume with what is there now: --accept-changed-data.",
        )
    return DataFiles(now, changes, _note(changes))


def _note(changes: Changes) -> str:
    if changes:
        return f"The run's data has changed, {_described(changes)}; it is resumed, but not exactly."
    if changes.copied:
        return (
            "All files of the data have other times than before; as names and sizes are the same, it is taken for a "
            "copy (data.hashes=true compares contents)."
        )
    return ""


def _described(changes: Changes) -> str:
    """How many files of each kind, with a few names."""
    kinds = (("added", changes.added), ("removed", changes.removed), ("changed", changes.changed))
    return ", ".join(f"{len(names)} {kind} ({_some(names)})" for kind, names in kinds if names)


def _some(names: tuple[str, ...]) -> str:
    shown = [brief(name.encode(errors="backslashreplace").decode(), 60) for name in names[:_SHOWN]]
    return ", ".join([*shown, *(["..."] if len(names) > _SHOWN else [])])
