"""Shares that a launcher tries again when their process dies: what the earlier try has written is the next one's.

The launcher makes a folder within the output's, ``.gantool-shares/launch-JOB``, which also shows whether all who do
shares see the same disk. A share that has found none of its results there, or leave to replace them, begins with a
note in it; so a share that finds its own note may replace what is there. All goes when the launcher ends.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gantool.errors import OutputError
from gantool.workflows.shares.share import FOLDER, Share

__all__ = ["begin", "has_begun", "launch_folder"]


@contextmanager
def launch_folder(output: Path, job: str) -> Iterator[Path]:
    """Make the folder of a launch, which goes again, as does an output's folder that stayed empty.

    Raises:
        OutputError: nothing can be written there.
    """
    folder, is_new = _folder(output, job), not output.exists()
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror}).", "Choose another place.") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for empty in (folder.parent, output)[: 1 + is_new]:
            with suppress(OSError):
                empty.rmdir()


def begin(share: Share, output: Path) -> None:
    """Note that a share is about to write, if its launcher may try it again.

    Raises:
        OutputError: the note cannot be written.
    """
    folder = _folder(output, share.job)
    if not share.job or not folder.is_dir():
        return
    try:
        _note(folder, share).touch()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}).") from None


def has_begun(share: Share, output: Path) -> bool:
    """Whether an earlier try of this share, in this launch, came to writing."""
    return bool(share.job) and _note(_folder(output, share.job), share).exists()


def _folder(output: Path, job: str) -> Path:
    return output / FOLDER / f"launch-{hashlib.sha256(job.encode()).hexdigest()[:16]}"


def _note(folder: Path, share: Share) -> Path:
    return folder / f"begun-{share.place + 1}"
