"""The folder that a copy gets: chosen, kept from others meanwhile, and named when all is in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from gantool.errors import OutputError
from gantool.locks import locked
from gantool.workflows.prepare.options import PrepareOptions
from gantool.workflows.prepare.sending import SetAtAddress

__all__ = ["choose_target", "give_name", "lock_target", "require_free", "writing_to"]


def choose_target(name: str, sources: Sequence[Path], options: PrepareOptions) -> Path | SetAtAddress:
    """The new data set's place, ``data/NAME`` unless it is given.

    Raises:
        OutputError: it exists, or lies within a source.
    """
    if options.address is not None:
        return _choose_address(options.address, options)
    target = options.place(name)
    require_free(target, options)
    for folder in sources:
        if folder.resolve() in (target.resolve(), *target.resolve().parents):
            raise OutputError(f"{target}: lies within its own source {folder}.", "Choose another -o.")
    return target


def _choose_address(address: str, options: PrepareOptions) -> SetAtAddress:
    target, source = SetAtAddress(address), str(options.source).rstrip("/")
    if f"{target}/".startswith(f"{source}/"):
        raise OutputError(f"{target}: lies within its own source {source}.", "Choose another -o.")
    target.require_free(replace=options.overwrite)
    return target


def require_free(target: Path, options: PrepareOptions) -> None:
    """Refuse a target that exists, unless it may be replaced.

    Raises:
        OutputError: it may not.
    """
    if target.exists() and not (options.overwrite and (target / "dataset.yaml").is_file()):
        raise OutputError(
            f"{target}: exists already.",
            "Choose another -o, or --overwrite a data set that gantool wrote.",
        )


def lock_target(target: Path) -> AbstractContextManager[bool]:
    """Keep other processes from writing there meanwhile; yields whether the file system can do that.

    Raises:
        OutputError: another one is writing it; says which.
    """

    def busy(who: str) -> OutputError:
        return OutputError(f"{target}: is being written by {who}.", "Wait for its end, or choose another -o.")

    return locked(target.with_name(f".{target.name}.lock"), target, busy)


@contextmanager
def writing_to(target: Path) -> Iterator[None]:
    """Name the data set in what the system says of its disk.

    Raises:
        OutputError: the folder cannot be written to, or the disk is full.
    """
    try:
        yield
    except OSError as error:
        remedy = "Free some space, or choose another -o." if error.errno in (28, 122) else "Choose another -o."
        raise OutputError(f"{target}: cannot be written ({error.strerror or error}).", remedy) from error


def give_name(partial: Path, target: Path) -> None:
    """Let the new data set take the place of an old one; none that is half removed ever has the name."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)  # of a process that was killed here
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)
