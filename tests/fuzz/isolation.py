"""Cases in processes of their own, which may die or never end without taking the others along. Not for Windows."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from fuzz import corpus, model_kinds, set_corpus
from fuzz.trial import PATIENCE, Failure, try_case

__all__ = ["preload", "try_in_children"]

_SOUND = (
    corpus.images, corpus.models, corpus.archives, corpus.annotations, corpus.settings, set_corpus.masks,
    set_corpus.prepared, model_kinds.sound_exports, model_kinds.sound_weights,
)  # fmt: skip
_TOGETHER = 40  # cases of one child, as starting one takes longer than most of them
_LONGEST = 15 * PATIENCE  # seconds by the clock until a child that does not heed its alarm is killed


def preload() -> None:
    """Import what commands import late, and make the sound files, once for all children."""
    import onnxruntime  # noqa: F401
    import torch  # noqa: F401

    import gantool.predict.load
    import gantool.workflows.evaluate
    import gantool.workflows.export
    import gantool.workflows.prepare
    import gantool.workflows.segment
    import gantool.workflows.train
    import gantool.workflows.translate  # noqa: F401

    for make in _SOUND:
        make()
    gc.freeze()  # so that children need not copy what their collector would look at


def try_in_children(
    kind: str, seed: int, numbers: Sequence[int], *, keep: Path | None = None
) -> Iterator[Failure | None]:
    """`try_case` for every number, in child processes, whose death is a failure as well."""
    left = [*numbers]
    while left:
        with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as name:
            sys.stdout.flush()
            here, there = Pipe(duplex=False)
            child = os.fork()
            if not child:
                _be_child(kind, seed, left[:_TOGETHER], keep, Path(name), there)
            there.close()
            for number in left[:_TOGETHER]:
                found = _outcome(child, here)
                del left[0]
                if isinstance(found, str):
                    if keep is not None:
                        shutil.copytree(name, keep / f"{kind}-{seed}-{number}", dirs_exist_ok=True)
                    yield Failure(kind, seed, number, found, "a child process")
                    break
                yield found
            else:
                os.waitpid(child, 0)
            here.close()


def _be_child(
    kind: str, seed: int, numbers: Sequence[int], keep: Path | None, folder: Path, told: Connection
) -> None:
    try:
        tempfile.tempdir = str(folder)
        for number in numbers:
            told.send(try_case(kind, seed, number, keep=keep))
    except BaseException as error:
        told.send(f"the trial itself failed: {type(error).__name__}: {error}"[:300])
    finally:
        os._exit(0)  # nothing of the parent's is flushed or removed here


def _outcome(child: int, told: Connection) -> Failure | str | None:
    """What the child found next, or in words how it ended."""
    if not told.poll(_LONGEST):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return f"took longer than {_LONGEST} s by the clock, nothing could stop it"
    try:
        found: Failure | str | None = told.recv()
    except EOFError:
        _, status = os.waitpid(child, 0)
        return f"died of {signal.Signals(os.WTERMSIG(status)).name}" if os.WIFSIGNALED(status) else "ended at once"
    if isinstance(found, str):
        os.waitpid(child, 0)
    return found
