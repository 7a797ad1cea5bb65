"""Run directories: made once, never shared, found again by name or by age.

``runs/cyclegan-3/`` holds ``run.json`` (what was started and when), ``settings.yaml``, ``data_files.jsonl`` (which
files it is trained on), ``metrics.jsonl``, ``confusion.json`` (of label maps), ``samples/``, ``checkpoints/``,
``model.safetensors`` (and, where a metric chooses it, ``last.safetensors``), ``report.html`` and ``log.txt``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gantool.documents import brief, load_json
from gantool.errors import OutputError, RunError, closest
from gantool.files import atomic, new_folder, safe_name

__all__ = ["Run", "create_run", "find_run", "list_runs"]


class _Kept(BaseModel):
    """What is read of a file; all else in it is kept as it is."""

    model_config = ConfigDict(extra="ignore", strict=True, defer_build=True)


class _DataFiles(_Kept):
    """Of ``run.json``: how many files the data has, and the digest of their list."""

    count: int
    sha256: str


class _Compiled(_Kept):
    """Of ``run.json``: whether the networks are compiled."""

    on: bool


class _Facts(_Kept):
    """Of ``run.json``."""

    created: str = ""
    kind: str = Field(default="", max_length=200)
    data: str | None = ""
    domains: list[str] = Field(default=[""], min_length=1)
    environment: dict[str, str] = {}
    data_files: _DataFiles | None = None
    compiled: _Compiled | None = None
    changed_data: list[dict[str, Any]] = []
    metrics: dict[str, float] = {}
    unseen: bool = True
    baselines: dict[str, dict[str, float]] = {}


class _Record(_Kept):
    """Of a line of ``metrics.jsonl``."""

    step: int = Field(ge=0)
    epoch: int = Field(default=0, ge=0)
    losses: dict[str, float] = {}
    metrics: dict[str, float] = {}
    seconds: float = 0.0
    time: float = 0.0
    images_per_second: float = 0.0
    best: bool = False


def _check(kind: type[_Kept], value: object, where: str) -> dict[str, Any]:
    """Return ``value`` if it is what is read there.

    Raises:
        RunError: names the key that is wrong.
    """
    try:
        kind.model_validate(value)
    except ValidationError as error:
        key = ".".join(brief(part, 40) for part in error.errors(include_url=False)[0]["loc"])
        raise RunError(f"{where} is damaged ({f'at {key}' if key else 'expected an object'}).") from None
    assert isinstance(value, dict)
    return value


@dataclass(frozen=True)
class Run:
    """One run's directory and the files in it."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def exists(self) -> bool:
        """Whether the directory is one of a run."""
        return self._facts.is_file()

    @property
    def _facts(self) -> Path:
        return self.path / "run.json"

    @property
    def settings(self) -> Path:
        return self.path / "settings.yaml"

    @property
    def data_files(self) -> Path:
        """Names, sizes and times of the files that the run is trained on."""
        return self.path / "data_files.jsonl"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def has_epochs(self) -> bool:
        """Whether any epoch was finished."""
        return self.metrics.is_file() and self.metrics.stat().st_size > 0

    @property
    def confusion(self) -> Path:
        """The confusion matrix of the last measurement of label maps."""
        return self.path / "confusion.json"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def judged(self) -> Path:
        """The worst and the best images of the last measurement."""
        return self.samples / "judged.png"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoints" / "last.pt"

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def last_model(self) -> Path:
        """The newest weights, where ``model`` holds the best ones."""
        return self.path / "last.safetensors"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    def numbered_checkpoint(self, epoch: int) -> Path:
        return self.path / "checkpoints" / f"epoch-{epoch}.pt"

    def locked(self) -> AbstractContextManager[bool]:
        """Keep other processes from training this run meanwhile; yields whether the file system can do that.

        Raises:
            RunError: another one is training it; says which.
        """
        from gantool.locks import locked

        def busy(who: str) -> RunError:
            return RunError(f"{self.path}: is being trained by {who}.", "Wait for its end, or stop it first.")

        return locked(self.path / ".lock", self.path, busy)

    @property
    def trained_by(self) -> str | None:
        """The process of this machine that seems to be training the run, as a phrase for people."""
        from gantool.locks import holder_of

        return holder_of(self.path / ".lock")

    def facts(self) -> dict[str, Any]:
        """The contents of ``run.json``."""
        path = self._facts
        try:
            facts = load_json(path.read_text("utf-8"))
        except FileNotFoundError:
            raise RunError(f"{self.path}: is not a run (it has no run.json).") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: is damaged ({brief(error, 160)}).") from None
        return _check(_Facts, facts, f"{path}:")

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        with atomic(self._facts) as temporary:
            temporary.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        try:
            with self.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise OutputError(f"{self.metrics}: cannot be written ({error.strerror}).") from error

    def read_metrics(self) -> list[dict[str, Any]]:
        """The epochs that were recorded; a line that was cut off is left out.

        Raises:
            RunError: the file is none that `append_metrics` wrote.
        """
        try:
            lines = self.metrics.read_text("utf-8").splitlines() if self.metrics.exists() else []
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"{self.metrics}: is damaged ({brief(error, 160)}).") from None
        records = []
        for number, line in enumerate(lines, 1):
            try:
                value = load_json(line)
            except ValueError:
                continue
            records.append(_check(_Record, value, f"{self.metrics}: line {number}"))
        return records

    def cut_metrics(self, step: int) -> None:
        """Drop what was recorded after ``step``, and a line that was cut off."""
        if not self.metrics.exists():
            return
        kept = [json.dumps(record) for record in self.read_metrics() if record["step"] <= step]
        with atomic(self.metrics) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in kept), "utf-8")


def create_run(folder: Path, kind: str, name: str | None, facts: Mapping[str, Any]) -> Run:
    """Make a new run directory, ``name`` or the next free ``kind-N``.

    Raises:
        RunError: the name is taken, or no file name on every system.
    """
    facts = {"created": datetime.now(UTC).isoformat(timespec="microseconds"), "kind": kind, **facts}
    if name is not None:
        if name != safe_name(name) or name.startswith("."):
            raise RunError(f"--name {name}: is no file name on every system.", f'Use "{safe_name(name)}".')
        if not _make(folder / name, facts):
            raise _taken(Run(folder / name))
        return Run(folder / name)
    number = 1 + max((_number(entry.name, kind) for entry in _entries(folder)), default=0)
    while not _make(folder / f"{kind}-{number}", facts):
        number += 1
    return Run(folder / f"{kind}-{number}")


def _taken(run: Run) -> RunError:
    """Why a name cannot be had, with a way on that works."""
    if run.checkpoint.is_file():
        return RunError(
            f"{run.path}: there is a run of that name already.",
            f"Choose another --name, or resume it: gantool train --resume {run.name}.",
        )
    what = "a run of that name already, without a checkpoint" if run.exists else "something of that name, but no run"
    return RunError(f"{run.path}: there is {what}.", "Choose another --name, or remove it if nothing uses it.")


def list_runs(folder: Path) -> list[Run]:
    """All runs in a folder, the newest first."""
    dated = []
    for run in (Run(entry) for entry in _entries(folder)):
        if run.exists:
            try:
                dated.append((str(run.facts().get("created", "")), run))
            except RunError:
                continue  # a damaged neighbor must not hide the others; naming it directly tells what is wrong
    return [run for _, run in sorted(dated, key=lambda pair: pair[0], reverse=True)]


def find_run(name: str, folder: Path) -> Run:
    """Return the run that ``name`` means: a path, a name in ``folder``, or ``latest``.

    Raises:
        RunError: there is none; names the nearest.
    """
    runs = list_runs(folder)
    if name == "latest":
        if not runs:
            raise RunError(f"{folder}: there are no runs yet.", "Start one: gantool train cyclegan.")
        return runs[0]
    for run in (Run(Path(name)), Run(folder / name)):
        if run.exists:
            return run
    for path in (Path(name), folder / name):
        if _is_left_over(path):
            raise RunError(
                f"{path}: is empty, its training was stopped before it began.",
                f"Start it again: gantool train MODEL --name {path.name}.",
            )
    raise RunError(f'There is no run "{name}" in {folder}.', closest(name, [run.name for run in runs]))


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]


def _make(path: Path, facts: Mapping[str, Any]) -> bool:
    """Make the directory of a run with all that belongs in it at once, so that none is ever without its facts."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise RunError(f"{path.parent}: is a file, not a folder of runs.", "Name a folder: --runs DIR.") from None
    except OSError as error:
        raise RunError(f"{path.parent}: cannot be made ({error.strerror}).") from None
    if _is_left_over(path):
        for entry in path.iterdir():
            with suppress(OSError):
                entry.rmdir()
    try:
        with new_folder(path) as temporary:
            run = Run(temporary)
            run.samples.mkdir()
            run.checkpoint.parent.mkdir()
            run.write_facts(facts)
    except FileExistsError:
        return False
    except OSError as error:
        raise RunError(f"{path}: cannot be made ({error.strerror}).") from None
    return True


def _is_left_over(path: Path) -> bool:
    """Whether this is what a training left that was killed before it began: empty folders, and no run."""
    try:
        return path.is_dir() and all(entry.is_dir() and not any(entry.iterdir()) for entry in path.iterdir())
    except OSError:
        return False


def _number(name: str, kind: str) -> int:
    match = re.fullmatch(re.escape(kind) + r"-(\d+)", name)
    return int(match[1]) if match else 0
