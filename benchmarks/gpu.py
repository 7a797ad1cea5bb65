"""One report of what a CUDA machine does with gantool: is it right, how fast is it, and a model trained meanwhile.

    python benchmarks/gpu.py --minutes 8 --out DIR [--stage tests|speed|seasons] [--data DIR]

``DIR/report.json`` and ``DIR/report.md`` are written anew after every row, so whatever stops it, what was measured is
kept; ``DIR/log.txt`` has all that the parts printed. Each group of parts runs in a process of its own with its share
of the time: one that hangs is ended, one that breaks the GPU's context does not break the next. A part that is there
already is measured again; ``--skip-done`` leaves those out that ended well.

- tests: the tests marked ``gpu``; a step in fp32 against the CPU; two processes on the GPU, with gloo.
- speed: matrix products and copying; samples per second of every method at its paper's settings, plain and by
  gantool, in fp32, TF32 and bf16, against the arithmetic limit; inference; compiled; as CUDA graphs.
- seasons: the recipe of the built-in model at 256 px on ``--data`` (two seasons of photographs) for the rest of the
  time. The same command with the same folder goes on; ``seasons.safetensors`` and ``seasons.png`` are the result.

The exit code is 1 if a part failed; one that was stopped by its time has not. Nothing is installed or downloaded.
``--device cpu --tiny`` tries all of it on any machine in some minutes.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent / "src"
# The report is of this checkout, whether or not another gantool is installed.
sys.path[:0] = [str(SOURCE), str(HERE)]


from gpu_report.report import Report
from measured import machine, versions

if TYPE_CHECKING:
    from gpu_report.parts import Part

NEEDED = (
    "torch", "torchvision", "lightning_fabric", "segmentation_models_pytorch", "torchmetrics", "typer", "rich",
    "pydantic", "PIL", "numpy", "safetensors", "ruamel.yaml", "pycocotools", "contourpy", "platformdirs", "filelock",
    "jinja2", "onnx", "onnxscript", "onnxruntime", "pytest", "psutil",
)  # fmt: skip
_GRACE = 5.0  # seconds between the time at which a process should end by itself and that at which it is ended


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--stage", action="append", choices=("tests", "speed", "seasons"), help="may be repeated")
    parser.add_argument("--data", type=Path, metavar="DIR", help="photographs for seasons; default drawn scenes")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="further settings of seasons")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="smallest networks and images, to try the report itself")
    parser.add_argument("--skip-done", action="store_true", help="leave out what is in DIR already")
    parser.add_argument("--part", action="append", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part is not None:
        return work(options)
    return conduct(options)


# -- the process that conducts ---------------------------------------------------------------------------------------


def conduct(options: argparse.Namespace) -> int:
    """Run the parts in processes of their own, each within its share of the time."""
    end = time.monotonic() + 60 * options.minutes
    out = options.out.resolve()
    report = Report(out, _facts(options))
    try:
        from gpu_report.parts import chosen
    except ImportError as error:
        print(
            f"gantool cannot be used here ({error}); missing: {', '.join(report.content['missing'])}.",
            file=sys.stderr,
        )
        return 2
    left = [
        part for part in chosen(options.stage or ()) if not (options.skip_done and _status(report, part) == "done")
    ]
    asked = list(left)
    while left:
        group = [part for part in left if part.group == left[0].group]
        seconds = end - time.monotonic() - _GRACE
        if seconds < 2:
            for part in left:
                report.end(part.name, "stopped", error="there was no time left")
            break
        share = sum(part.weight for part in group) / sum(part.weight for part in left)
        code, took = _run(options, out, [part.name for part in group], seconds * share)
        report.read()
        for part in _ended(report, group, code, took):
            print(f"{part.name}: {_status(report, part)} {report.part(part.name).get('error', '')}", flush=True)
            left.remove(part)
    print(out / "report.md")
    return int(any(_status(report, part) == "failed" for part in asked))


def _facts(options: argparse.Namespace) -> dict[str, Any]:
    missing = [name for name in NEEDED if not _is_there(name)]
    if missing:
        print(f"Missing packages: {', '.join(missing)}; what needs them will fail.")
    words = ["python benchmarks/gpu.py", f"--minutes {options.minutes:g}"]
    words += [f"--stage {one}" for one in options.stage or ()] + ["--tiny"] * options.tiny
    date = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {"date": date, "machine": machine(), "gpu": "", "versions": versions()}
    return {**facts, "command": " ".join(words), "missing": missing}


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:
        return False


def _status(report: Report, part: Part) -> str:
    return str(report.content["benchmarks"].get(part.name, {}).get("status", "waiting"))


def _ended(report: Report, group: Sequence[Part], code: int | None, seconds: float) -> list[Part]:
    """The parts that a process is done with; the one it was at when it ended badly is told so.

    The others wait for another process.
    """
    done = list(takewhile(lambda part: _status(report, part) not in ("waiting", "running"), group))
    if len(done) == len(group) or (done and _status(report, group[len(done)]) == "waiting"):
        return done
    at = group[len(done)]
    why = "its process was ended after its time" if code is None else f"its process ended with {code}; see log.txt"
    report.end(at.name, "stopped" if code is None else "failed", seconds, why)
    return [*done, at]


def _run(options: argparse.Namespace, out: Path, names: Sequence[str], seconds: float) -> tuple[int | None, float]:
    """Run parts in one process; return its exit code (None if it had to be ended) and the seconds it took."""
    call = [sys.executable, str(HERE / "gpu.py"), "--out", str(out), "--device", options.device]
    call += ["--seconds", str(seconds), *(word for name in names for word in ("--part", name))]
    call += ["--data", str(options.data.resolve())] if options.data is not None else []
    call += [word for one in options.set for word in ("--set", one)]
    call += ["--tiny"] if options.tiny else []
    path = os.pathsep.join([str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    print(f"\n{', '.join(names)}: {seconds:.0f} s", flush=True)
    started = time.monotonic()
    with (out / "log.txt").open("a", encoding="utf-8") as log:
        log.write(f"\n=== {', '.join(names)}\n")
        log.flush()
        process = subprocess.Popen(
            call, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=HERE.parent, start_new_session=True
        )
        with _ending(process):
            try:
                code: int | None = process.wait(timeout=seconds + _GRACE)
            except subprocess.TimeoutExpired:
                code = None
    return code, time.monotonic() - started


@contextmanager
def _ending(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """A region after which a process and all that it has started are ended, also if this one is asked to end."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


# -- a process that works --------------------------------------------------------------------------------------------


def work(options: argparse.Namespace) -> int:
    """Run the parts named, one after the other, each within its share of the seconds."""
    import torch
    from gpu_report.checks import rank
    from gpu_report.context import Context
    from gpu_report.parts import PARTS
    from gpu_report.timing import Broken, Deadline, OutOfTime, log_failure

    device = torch.device(options.device)
    if options.part[0].startswith("rank:"):
        rank(options.out, int(options.part[0].partition(":")[2]), device, options.tiny)
        return 0
    whole = Deadline(options.seconds)
    report = Report(options.out)
    for name in options.part:
        report.content["benchmarks"][name] = {"rows": [], "status": "waiting"}
    _describe_device(report, device)
    parts = [next(part for part in PARTS if part.name == name) for name in options.part]
    for n, part in enumerate(parts):
        seconds = whole.left * part.weight / sum(one.weight for one in parts[n:])
        report.begin(part.name, f"part {part.name}, {seconds:.0f} s")
        print(f"--- {part.name}: {seconds:.0f} s", flush=True)
        module, function, *arguments = part.function.split(":")
        context = Context(
            report, part.name, device, Deadline(seconds), options.tiny, options.data, tuple(options.set)
        )
        started, status, error, broken = time.monotonic(), "done", "", False
        try:
            getattr(importlib.import_module(f"gpu_report.{module}"), function)(context, *arguments)
        except OutOfTime as problem:
            status, error = "stopped", str(problem)
        except Broken as problem:
            status, error, broken = "failed", str(problem), True
        except Exception as problem:  # the others go on
            log_failure(problem)
            status, error = "failed", f"{type(problem).__name__}: {problem}"[:300]
        report.end(part.name, status, time.monotonic() - started, error)
        if broken:
            return 3
    return 0


def _describe_device(report: Report, device: Any) -> None:
    """What computes, by the only process that may start the GPU."""
    import torch

    name = platform.machine() + " without a GPU"
    if device.type == "cuda":
        facts = torch.cuda.get_device_properties(device)
        name = f"{facts.name} ({facts.total_memory / 2**30:.0f} GiB, compute capability {facts.major}.{facts.minor})"
        report.content["versions"] = {
            **versions(),
            "CUDA": str(torch.version.cuda),
            "cuDNN": str(torch.backends.cudnn.version()),
        }
    report.content["gpu"] = name
    report.write()


if __name__ == "__main__":
    sys.exit(main())
