"""Whether it is right: the tests that need a GPU, a step against the CPU, two processes on one GPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from gantool.engine.runtime import Runtime
from gantool.methods.registry import METHODS
from gpu_report.context import Context
from gpu_report.subject import Subject, arithmetic
from gpu_report.timing import Deadline, OutOfTime, time_steps

__all__ = ["parity", "processes", "pytest_gpu", "rank"]

ROOT = Path(__file__).parent.parent.parent
_RANKS = 2
_MORE = "MORE THAN"


# -- tests -----------------------------------------------------------------------------------------------------------


def pytest_gpu(context: Context) -> None:
    """``pytest -m gpu``, ended at its deadline; what ran until then counts.

    Warnings are no errors here: those of libraries that are only on this machine say nothing about gantool.
    """
    files = [
        path for path in sorted((ROOT / "tests").rglob("test_*.py")) if "pytest.mark.gpu" in path.read_text("utf-8")
    ]
    words = ["-m", "gpu", "-v", "--tb=short", "-p", "no:cacheprovider", "-rfE", "-W", "default"]
    call = [sys.executable, "-m", "pytest", *words, *map(str, files)]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as out:
        process = subprocess.Popen(call, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
        try:
            code: int | None = process.wait(timeout=max(context.deadline.left, 1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
        out.seek(0)
        text = out.read()
    print(text, flush=True)
    counts, failed = outcomes(text)
    for name in ("passed", "failed", "error", "skipped"):
        if counts.get(name):
            context.report.add(context.part, name, counts[name], "tests")
    for test, why in failed.items():
        context.report.add(context.part, test, None, "", note=why)
    if code is None:
        raise OutOfTime("the time for tests was over before the last one")
    if failed:
        raise RuntimeError(f"{len(failed)} tests did not pass")
    if code:
        raise RuntimeError(f"pytest ended with {code}: {(text.strip().splitlines() or ['it said nothing'])[-1]}")


def outcomes(text: str) -> tuple[dict[str, int], dict[str, str]]:
    """How many tests ended how, and those that did not pass with the reason, from what ``pytest -v -rfE`` prints.

    A test that was begun and not ended has no outcome.
    """
    counts: dict[str, int] = {}
    failed: dict[str, str] = {}
    for test, outcome in re.findall(r"^(\S+::.+?) (PASSED|FAILED|ERROR|SKIPPED)\b", text, re.MULTILINE):
        counts[outcome.lower()] = counts.get(outcome.lower(), 0) + 1
        if outcome in ("FAILED", "ERROR"):
            failed[test] = "see the log"
    for test, why in re.findall(r"^(?:FAILED|ERROR) (\S+::.+?) - (.+)$", text, re.MULTILINE):
        failed[test] = why
    return counts, failed


# -- parity ----------------------------------------------------------------------------------------------------------


def parity(context: Context) -> None:
    """Losses of two steps and outputs in between, on this device against the CPU, from the same first weights.

    In fp32 without TF32. Dropout is off, whose chances differ between devices. The second step shows the first one's
    gradients; Adam makes whole steps of those that are rounding only, so it is bounded less tightly. In bf16 the
    losses are shown, too.

    Raises:
        RuntimeError: something is further apart than it may be.
    """
    for name, spec in METHODS.items():
        title = f"{name}: losses"

        def work(name: str = name, spec: Any = spec) -> None:
            size = 2 if name == "segmentation" else 1
            options: dict[str, Any] = {"most": size, "tiny": context.tiny, "model.dropout": False}
            with arithmetic("fp32"):
                here = _two_steps(Subject(spec, torch.device("cpu"), **options), "fp32", size)
                there = _two_steps(Subject(spec, context.device, **options), "fp32", size)
            half = _two_steps(Subject(spec, context.device, **options), "bf16", size)
            for what, bound in (("losses", 1e-3), ("outputs", 1e-3), ("losses of a second step", 5e-2)):
                apart = _apart(there[what], here[what])
                note = "as on the CPU" if apart <= bound else f"{_MORE} {bound:g}"
                context.report.add(context.part, f"{name}: {what}", apart, "relative difference", note=note)
            apart = _apart(half["losses"], here["losses"])
            context.report.add(context.part, f"{name}: losses in bf16", apart, "relative difference")

        context.try_row(title, "relative difference", work)
    _require_equal(context)


def _require_equal(context: Context) -> None:
    wrong = [row["name"] for row in context.report.part(context.part)["rows"] if row["note"].startswith(_MORE)]
    if wrong:
        raise RuntimeError(f"too far apart: {', '.join(wrong)}")


def _two_steps(subject: Subject, precision: str, size: int) -> dict[str, dict[str, Tensor]]:
    runtime = subject.runtime(precision)
    task = subject.task(runtime)
    runtime.prepare(task.players)
    update, batch = runtime.make_update(subject.settings.optimizer.clip_norm), subject.batch(size)
    found = {"outputs": subject.outputs(task)}
    for what in ("losses", "losses of a second step"):
        with runtime.autocast():
            losses = task.step(batch, update)
        found[what] = {name: loss.float().cpu() for name, loss in losses.items()}
    return found


def _apart(ones: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> float:
    """The largest difference, relative to the size of what it is of."""
    return max(
        float((one - others[name]).abs().max() / others[name].abs().max().clamp(min=1e-6))
        for name, one in ones.items()
    )


# -- two processes ---------------------------------------------------------------------------------------------------


class SharedGpu(Runtime):
    """One of several ranks that share a device; NCCL refuses that, gloo does not."""

    @property
    def rank(self) -> int:
        return dist.get_rank()

    @property
    def world_size(self) -> int:
        return dist.get_world_size()


def processes(context: Context) -> None:
    """Two ranks with an image each against one process with both: the same losses, and at what speed."""
    with tempfile.TemporaryDirectory() as folder:
        # Without a network the machine's own name may lead nowhere.
        own = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
        environment = {**own, **os.environ}
        calls = [
            [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--out", folder, "--device", str(context.device),
             *(["--tiny"] if context.tiny else []), "--part", f"rank:{n}", "--seconds", str(context.deadline.left)]
            for n in range(_RANKS)
        ]  # fmt: skip
        ranks = [subprocess.Popen(call, env=environment) for call in calls]
        try:
            codes = [one.wait(timeout=max(context.deadline.left, 1)) for one in ranks]
        except subprocess.TimeoutExpired:
            raise OutOfTime("two processes took too long") from None
        finally:
            for one in ranks:
                one.kill()
                one.wait()
        if any(codes):
            raise RuntimeError(f"the processes ended with {codes}; see the log")
        together = torch.load(Path(folder) / "rank.pt", weights_only=True)
    alone = _in_one(context)
    for step, bound in ((1, 1e-3), (2, 5e-2), (3, 5e-2)):
        own, others = ({name: value for name, value in one["losses"].items() if name.endswith(f"step {step}")}
                       for one in (together, alone))  # fmt: skip
        apart = _apart(own, others)
        note = "as in one process" if apart <= bound else f"{_MORE} {bound:g}"
        context.report.add(context.part, f"losses of step {step}", apart, "relative difference", note=note)
    context.report.add(
        context.part, "one process", 2 / alone["seconds"], "samples/s", more={"ms": 1000 * alone["seconds"]}
    )
    context.report.add(
        context.part, "two processes", 2 / together["seconds"], "samples/s", baseline="one process",
        more={"ms": 1000 * together["seconds"]},
    )  # fmt: skip
    _require_equal(context)


def _in_one(context: Context) -> dict[str, Any]:
    subject = Subject(METHODS["cyclegan"], context.device, most=_RANKS, tiny=context.tiny)
    return _steps(subject, subject.runtime("fp32"), subject.batch(_RANKS))


def rank(folder: Path, number: int, device: torch.device, tiny: bool) -> None:
    """What one of the processes does: its share of each batch; the first one writes down what they found."""
    store = f"file://{folder / 'store'}"
    dist.init_process_group("gloo", store, timedelta(seconds=60), rank=number, world_size=_RANKS)
    subject = Subject(METHODS["cyclegan"], device, most=_RANKS, tiny=tiny)
    shared = SharedGpu(str(device), 1, "fp32")
    own = {name: tensor[number : number + 1].clone() for name, tensor in subject.batch(_RANKS).items()}
    found = _steps(subject, shared, own)
    found["losses"] = {name: torch.tensor(value) for name, value in shared.mean(
        {name: float(value) for name, value in found["losses"].items()}).items()}  # fmt: skip
    if number == 0:
        torch.save(found, folder / "rank.pt")
    dist.barrier()
    dist.destroy_process_group()


def _steps(subject: Subject, runtime: Runtime, batch: Mapping[str, Tensor]) -> dict[str, Any]:
    """The losses of three steps, and the seconds of one; ranks take the same number, for they wait for each other."""
    with arithmetic("fp32"):
        task = subject.task(runtime)
        runtime.prepare(task.players)
        update = runtime.make_update()
        losses: dict[str, Tensor] = {}
        for n in range(3):
            for name, value in task.step(batch, update).items():
                losses[f"{name} of step {n + 1}"] = value.float().cpu()
        timing = time_steps(lambda: task.step(batch, update), subject.device, Deadline(1e9), seconds=1e9, most=5)
    return {"losses": losses, "seconds": timing.seconds}
