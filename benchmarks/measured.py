"""What a benchmark measured, in the form that `run.py` reads: rows, and the machine they are of.

Every script of this folder takes ``--json FILE`` and writes a list of rows into it, each an object with

    name      what was measured, one of a kind within the script
    value     a number; null where it could not be measured, and ``note`` says why
    unit      "s", "ms", "MiB", ...: less is better; whatever is per second ("images/s"), and "SSIM": more is
    ratio     value / that of the row named as ``baseline``, measured side by side; null without one
    baseline  name of that row
    noise     half of the distance between the quartiles of the repetitions, as a share of the median: of the ratio
              where there is one, else of the value; null if it was measured once

and whatever else the script has to say of it. Only the first three are required.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["Row", "alternate", "argument_parser", "finish", "machine", "middle", "more_is_better", "versions"]


@dataclass(frozen=True)
class Row:
    """One measured number; see above."""

    name: str
    value: float | None
    unit: str
    ratio: float | None = None
    baseline: str | None = None
    noise: float | None = None
    note: str = ""


def more_is_better(unit: str) -> bool:
    return unit.endswith("/s") or unit == "SSIM"


def middle(values: Sequence[float]) -> tuple[float, float | None]:
    """The median, and the noise around it.

    >>> middle([1.0, 2.0, 2.0, 2.2, 9.0])
    (2.0, 0.05)
    >>> middle([3.0])
    (3.0, None)
    """
    median = statistics.median(values)
    if len(values) < 3 or not median:
        return median, None
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return median, round((high - low) / 2 / abs(median), 4)


def alternate(
    ways: Mapping[str, Callable[[], object]], rounds: int, *, unit: str = "s", warmup: int = 1
) -> list[Row]:
    """Time several ways to do the same in turn, so that a machine that slows down does so for all of them.

    Args:
        ways: by name; the first one is the baseline of the others.
        unit: "s" or "ms".
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(-warmup, rounds):
        for name, run in ways.items():
            started = time.perf_counter()
            run()
            if turn >= 0:
                times[name].append((time.perf_counter() - started) * (1000 if unit == "ms" else 1))
    first, *others = times
    median, noise = middle(times[first])
    rows = [Row(first, median, unit, noise=noise)]
    for name in others:
        ratio, noise = middle([one / base for one, base in zip(times[name], times[first], strict=True)])
        rows.append(Row(name, statistics.median(times[name]), unit, ratio, first, noise))
    return rows


def argument_parser(about: str | None) -> argparse.ArgumentParser:
    """A parser that says what the script is for, and has ``--json``."""
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    return parser


def finish(rows: Sequence[Row], file: Path | None) -> None:
    """Print the rows and, if asked, write them."""
    wide = max(len(row.name) for row in rows)
    for row in rows:
        value = row.note if row.value is None else f"{row.value:10.4g} {row.unit}"
        noise = f"  +- {100 * row.noise:.1f} %" if row.noise is not None else ""
        ratio = f"  {row.ratio:.3f} of {row.baseline}" if row.ratio is not None else ""
        print(f"{row.name:{wide}}  {value}{ratio}{noise}", flush=True)
    if file is not None:
        file.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", "utf-8")


def machine(gpu: str = "") -> str:
    """What the figures are of, in words, without the machine's name.

    Args:
        gpu: the GPU's name where it computed.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name, flags = platform.processor() or platform.machine(), ""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        name = value.strip() if key.strip() == "model name" else name
        flags = value if key.strip() == "flags" else flags
    extra = " with AMX" if "amx_bf16" in flags else " with AVX512-BF16" if "avx512_bf16" in flags else ""
    count = {1: "one core", 2: "two cores"}.get(cores or 0, f"{cores} cores")
    return f"{gpu + ', ' if gpu else ''}{count} of {name}{extra}"


def versions() -> dict[str, str]:
    """Of what computes; torch is not imported for it."""
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, Any] = {"python": platform.python_version()}
    for name in ("torch", "onnxruntime", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if threads := os.environ.get("OMP_NUM_THREADS"):
        found["OMP_NUM_THREADS"] = threads
    return found
