"""One case: a damaged file, what is done with it, and what is demanded of that.

A command may end well, or say what is wrong and end with 1 or 2; with 2 it has written nothing. It may not end with
an internal error, take longer than `PATIENCE` or `MEMORY` more than the process held before, leave anything temporary
behind, or let other libraries speak on stderr. A case is a pure function of its kind, seed and number.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import random
import re
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from fuzz.actions import Action
from fuzz.kinds import KINDS

from gantool.cli import app
from gantool.errors import GantoolError

__all__ = ["KINDS", "MEMORY", "PATIENCE", "Failure", "TooSlow", "try_case"]

PATIENCE = 20  # seconds of work, as the machine may have other things to do
MEMORY = 2 * 2**30  # bytes
_LONGEST = 1500  # characters of a message: a sentence, a remedy, and the paths in them


@dataclass(frozen=True)
class Failure:
    """What went wrong, and where in the package."""

    kind: str
    seed: int
    number: int
    what: str
    place: str

    def __str__(self) -> str:
        return f"--kind {self.kind} --seed {self.seed} --only {self.number}: {self.what} at {self.place}"


class TooSlow(BaseException):  # not to be caught by those who handle errors
    pass


@dataclass
class _Seen:
    """What was noticed while a case ran."""

    errors: list[BaseException] = field(default_factory=list)
    """Internal errors."""
    raw: list[str] = field(default_factory=list)
    """What other libraries wrote to stderr, warned of or logged."""


def try_case(kind: str, seed: int, number: int, *, keep: Path | None = None) -> Failure | None:
    """Build a case in a folder of its own, run it and judge it; the folder of one that fails goes to ``keep``."""
    rng = random.Random(f"{kind}:{seed}:{number}")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        root = Path(name).resolve()
        work = root / "work"
        work.mkdir()
        with _quiet_place(root):
            found = _judge(KINDS[kind](rng, work), work, root / "temporary")
        if found is None:
            return None
        if keep is not None:
            shutil.copytree(work, keep / f"{kind}-{seed}-{number}", dirs_exist_ok=True)
    return Failure(kind, seed, number, *found)


def _judge(action: Action, work: Path, temporary: Path) -> tuple[str, str] | None:
    seen = _Seen()
    out, err = io.StringIO(), io.StringIO()
    before = {*work.rglob("*")}
    began = time.process_time()
    _forget_peak()
    held = _peak()  # by what ran before in this process
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _limited(), _watched(seen):
            code = action()
    except GantoolError as error:
        code = error.exit_code
        err.write(str(error))
    except TooSlow as error:
        return f"took longer than {PATIENCE} s", _where(error)
    except Exception as error:  # every other error is the finding
        return f"{type(error).__name__}: {str(error)[:100]}", _where(error)
    if seen.errors:
        return f"exit {code}, {type(seen.errors[0]).__name__}: {str(seen.errors[0])[:100]}", _where(seen.errors[0])
    what = _wrong_words(code, out.getvalue(), err.getvalue(), seen)
    if time.process_time() - began > PATIENCE:
        return f"took longer than {PATIENCE} s", "one call that nothing could stop"
    if (taken := _peak() - held) > MEMORY:
        what = what or f"took {taken / 2**30:.1f} GiB of memory"
    what = what or _left_over(code, {*work.rglob("*")} - before, temporary)
    return (what, "the end") if what else None


def _wrong_words(code: int, out: str, err: str, seen: _Seen) -> str:
    """What is wrong with the exit code and with what was written; empty if nothing is."""
    if code not in (0, 1, 2):
        return f"exit {code}"
    if "Traceback" in out + err:
        return "a traceback is shown"
    if code and not err.strip():
        return f"exit {code} without a word"
    longest = max((len(line) for line in err.splitlines()), default=0)
    if longest > _LONGEST:
        return f"a line of {longest} characters is shown"
    return f"a library says: {seen.raw[0][:200]}" if seen.raw else ""


def _left_over(code: int, new: set[Path], temporary: Path) -> str:
    """What should not be there; empty if nothing is."""
    left = [path.name for path in new if path.name.startswith(".") or path.suffix == ".partial"]
    left += [path.name for path in temporary.iterdir()]
    if code == 2:
        left += [path.name for path in new if path.name != "log.txt"]
    return f"leaves {left[0]}" if left else ""


def _where(error: BaseException) -> str:
    """The innermost line of the package that the error passed."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "gantool" in Path(frame.filename).parts[:-1]
    ]
    if not frames:
        return "outside"
    parts = Path(frames[-1].filename).parts
    inside = "/".join(parts[len(parts) - parts[::-1].index("gantool") :])
    return f"{inside}:{frames[-1].lineno} ({frames[-1].name})"


def _forget_peak() -> None:
    with contextlib.suppress(OSError):  # Linux only
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """Most memory of the process since `_forget_peak`, in bytes; 0 where that cannot be told."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return 0
    return int(found[1]) << 10 if found else 0


@contextlib.contextmanager
def _quiet_place(root: Path) -> Iterator[None]:
    """A working folder, caches and temporary files of one case, and the filters of warnings that users have."""
    before, temporary, environment = Path.cwd(), tempfile.tempdir, dict(os.environ)
    (root / "temporary").mkdir()
    os.environ |= {"GANTOOL_CACHE": str(root / "cache"), "GANTOOL_STATE": str(root / "state"), "COLUMNS": "200"}
    os.environ["GANTOOL_MIRROR"] = "http://127.0.0.1:9"
    tempfile.tempdir = str(root / "temporary")
    os.chdir(root / "work")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            for unseen in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
                warnings.simplefilter("ignore", unseen)
            yield
    finally:
        os.chdir(before)
        tempfile.tempdir = temporary
        os.environ.clear()
        os.environ.update(environment)


@contextlib.contextmanager
def _watched(seen: _Seen) -> Iterator[None]:
    """See the error itself where the command line would only write it to a file, and all that bypasses it."""
    original, last_resort = app._internal_error, logging.lastResort

    def note(error: Exception) -> int:
        seen.errors.append(error)
        return app.INTERNAL_ERROR

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.raw.append(record.getMessage())

    def hear(message: Warning | str, category: type[Warning], *where: object, **more: object) -> None:
        seen.raw.append(f"{category.__name__}: {message}")

    root, handlers = logging.getLogger(), logging.getLogger().handlers
    app._internal_error, logging.lastResort, warnings.showwarning = note, Handler(logging.WARNING), hear  # type: ignore[assignment]
    root.handlers = []  # of test runners; users have none
    try:
        with _descriptor_watched(seen):
            yield
    finally:
        app._internal_error, logging.lastResort, root.handlers = original, last_resort, handlers


@contextlib.contextmanager
def _descriptor_watched(seen: _Seen) -> Iterator[None]:
    """See what libraries in C write to stderr."""
    kept = os.dup(2)
    with tempfile.TemporaryFile(dir=Path.cwd().parent) as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            seen.raw += file.read().decode("utf-8", "replace").splitlines()[:3]


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    previous = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
