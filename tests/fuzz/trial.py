"""One case: a damaged file, what is done with it, and what is demanded of that.

A command may end well, or say what is wrong and end with 1 or 2. It may not end with an internal error, take longer
than `PATIENCE`, or leave anything temporary behind. A case is a pure function of its kind, seed and number.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from fuzz import corpus
from fuzz.mutation import bend, damage
from ruamel.yaml import YAML

from gantool.cli import app
from gantool.data.images import read_picture, read_pixels, upright_size
from gantool.data.masks import read_index_mask
from gantool.errors import GantoolError
from gantool.methods import registry

PATIENCE = 20  # seconds
Action = Callable[[], int]


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
    """What an internal error was."""

    errors: list[BaseException] = field(default_factory=list)


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
    began = time.monotonic()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _limited(), _watched(seen):
            code = action()
    except GantoolError as error:
        code = error.exit_code
    except TooSlow as error:
        return f"took longer than {PATIENCE} s", _where(error)
    except Exception as error:  # every other error is the finding
        return f"{type(error).__name__}: {str(error)[:100]}", _where(error)
    if seen.errors:
        return f"exit {code}, {type(seen.errors[0]).__name__}: {str(seen.errors[0])[:100]}", _where(seen.errors[0])
    if code not in (0, 1, 2):
        return f"exit {code}", "the end"
    if "Traceback" in out.getvalue() + err.getvalue():
        return "a traceback is shown", "the end"
    if time.monotonic() - began > PATIENCE:
        return f"took longer than {PATIENCE} s", "one call that nothing could stop"
    left = [path.name for path in work.rglob("*") if path.name.startswith(".") or path.suffix == ".partial"]
    left += [path.name for path in temporary.iterdir()]
    return (f"leaves {left[0]}", "the end") if left else None


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


@contextlib.contextmanager
def _quiet_place(root: Path) -> Iterator[None]:
    """A working folder, caches and temporary files of one case; warnings of other libraries are not the subject."""
    before, temporary, environment = Path.cwd(), tempfile.tempdir, dict(os.environ)
    (root / "temporary").mkdir()
    os.environ |= {"GANTOOL_CACHE": str(root / "cache"), "GANTOOL_STATE": str(root / "state"), "COLUMNS": "200"}
    os.environ["GANTOOL_MIRROR"] = "http://127.0.0.1:9"
    tempfile.tempdir = str(root / "temporary")
    os.chdir(root / "work")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.chdir(before)
        tempfile.tempdir = temporary
        os.environ.clear()
        os.environ.update(environment)


@contextlib.contextmanager
def _watched(seen: _Seen) -> Iterator[None]:
    """See the error itself where the command line would only write it to a file."""
    original = app._internal_error

    def note(error: Exception) -> int:
        seen.errors.append(error)
        return app.INTERNAL_ERROR

    app._internal_error = note
    try:
        yield
    finally:
        app._internal_error = original


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


# -- kinds: each writes a damaged file into the working folder and says what is done with it ----------------------


def _command(*arguments: str) -> Action:
    return lambda: app.run([*arguments])


def _function(call: Callable[[], Any]) -> Action:
    def action() -> int:
        call()
        return 0

    return action


def images(rng: random.Random, work: Path) -> Action:
    name = rng.choice(sorted(corpus.images()))
    path = work / name
    path.write_bytes(damage(rng, corpus.images()[name], list(corpus.images().values())))
    if rng.random() < 0.15:
        (work / "set/summer").mkdir(parents=True)
        (work / "set/winter").mkdir()
        for place in (f"set/summer/{name}", f"set/winter/{name}"):
            shutil.copy(path, work / place)
        (work / "set/summer/sound.png").write_bytes(corpus.scene(1))
        (work / "set/winter/sound.png").write_bytes(corpus.scene(2))
        return _command("prepare", "set", "--as", "unpaired", *rng.choice(([], ["--check"])), "-o", "out", "--json")
    return rng.choice(
        (
            _command("info", name),
            _command("info", name, "--json"),
            _function(lambda: read_index_mask(path)),
            _function(lambda: read_picture(path)),
            _function(lambda: read_pixels(path, 1)),
            _function(lambda: upright_size(path)),
        )
    )


def models(rng: random.Random, work: Path) -> Action:
    name = rng.choice(sorted(corpus.models()))
    data = corpus.models()[name]
    bent = _bend_onnx if name.endswith(".onnx") else _bend_safetensors
    data = bent(rng, data) if rng.random() < 0.6 else damage(rng, data, list(corpus.models().values()))
    (work / name).write_bytes(data)
    if rng.random() < 0.7:
        return _command("info", name, *rng.choice(([], ["--json"])))
    (work / "scene.png").write_bytes(corpus.scene())
    verb = ["segment"] if "unet" in name or "handmade" in name else ["translate", "--to", "winter"]
    return _command(*verb, "scene.png", "--model", name, "-o", "out.png", "--device", "cpu")


def _bend_safetensors(rng: random.Random, data: bytes) -> bytes:
    """Change the header: places and types of tensors, or the card in it."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    if rng.random() < 0.7:
        card = json.dumps(bend(rng, json.loads(header["__metadata__"]["gantool"])))
        header["__metadata__"]["gantool"] = card
    else:
        header = bend(rng, header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def _bend_onnx(rng: random.Random, data: bytes) -> bytes:
    import onnx

    model = onnx.load_from_string(data)
    for entry in model.metadata_props:
        if entry.key == "gantool":
            entry.value = json.dumps(bend(rng, json.loads(entry.value)))
    written: bytes = model.SerializeToString()
    return written


def archives(rng: random.Random, work: Path) -> Action:
    name = rng.choice(sorted(corpus.archives()))
    (work / name).write_bytes(damage(rng, corpus.archives()[name], list(corpus.archives().values()), most=3))
    return _command("prepare", name, "--check", "--as", "unpaired")


def annotations(rng: random.Random, work: Path) -> Action:
    tool = rng.choice(sorted(corpus.annotations()))
    _, tree = corpus.annotations()[tool]
    if isinstance(tree, str):
        text = _bend_xml(rng, tree).encode("utf-8")
    else:
        text = json.dumps(bend(rng, tree) if rng.random() < 0.85 else tree).encode()
    if rng.random() < 0.15:
        text = damage(rng, text, [text])
    corpus.write_annotated_set(work / "set", tool, text)
    options = rng.choice(([], ["--check", "--json"], ["--check"]))
    return _command("prepare", "set", "-o", "out", *options) if rng.random() < 0.8 else _command("info", "set")


def _bend_xml(rng: random.Random, text: str) -> str:
    """Put odd values into attributes."""
    values = (
        "",
        "-1",
        "1e308",
        "nan",
        "inf",
        "9" * 30,
        "1,2,3",
        ";",
        "a",
        "0",
        "1.5",
        "../../x.png",
        "é",
        "1_0",
        "٣",
    )
    parts = text.split('"')
    for _ in range(rng.randint(1, 3)):
        parts[rng.randrange(len(parts) // 2) * 2 + 1] = rng.choice(values)
    return '"'.join(parts)


def settings(rng: random.Random, work: Path) -> Action:
    name = rng.choice(sorted(corpus.settings()))
    data, path = corpus.settings()[name], work / "settings.yaml"
    if rng.random() < 0.6:
        buffer = io.StringIO()
        yaml = YAML(typ="safe", pure=True)
        yaml.dump(bend(rng, yaml.load(data.decode())), buffer)
        path.write_text(buffer.getvalue(), "utf-8")
    else:
        path.write_bytes(damage(rng, data, list(corpus.settings().values())))
    preset = {"unet": "segmentation"}.get(name, name)
    return rng.choice(
        (
            _function(lambda: registry.read_settings(path)),
            _function(lambda: registry.load_settings(preset, config=path)),
            _function(
                lambda: registry.overlay_settings(path, config=None, assignments=("train.seed=1",), overrides={})
            ),
        )
    )


KINDS: dict[str, Callable[[random.Random, Path], Action]] = {
    one.__name__: one for one in (images, models, archives, annotations, settings)
}
