"""Run the benchmarks of this folder, say what got worse, and write the tables of docs/performance.md.

    python benchmarks/run.py [--only NAME]... [--data DIR] [--reference DIR]
    python benchmarks/run.py --take DIR/report.json     # of benchmarks/gpu.py
    python benchmarks/run.py --tables                   # only the page, from what is in benchmarks/results

A benchmark is a script here that takes ``--json FILE`` (see `measured`). It is found by that, so a new one needs no
line in this file unless it wants arguments. Each runs in a process of its own, within ``--limit`` minutes; one that
fails is named, and the others go on. The results go into ``benchmarks/results/DATE-MACHINE.json``: one file per day
and kind of machine, to be committed.

What is compared: each row with that of the same name in the newest older file of the same machine. Rows with a ratio
are compared by it, since a busy machine slows both sides. A row is worse if it changed for the worse by more than its
noise then and now together, and by more than 3 %. The exit code is 1 if something is worse or failed, else 0.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measured import machine, more_is_better, versions

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "performance.md"

ARGUMENTS: Mapping[str, Sequence[str]] = {
    "cyclegan_step": ("--steps", "9"),
    "export_speed": ("--rounds", "12"),
    "large_picture": ("--generator", "resnet_light", "--width", "16", "--size", "3000x2000", "--rounds", "3"),
    "light_generators": ("--seconds", "45"),
}
"""What scripts are given beside ``--json``; the others run as they are."""
NEEDS: Mapping[str, str] = {"seasons": "data", "against_reference": "reference"}
"""Scripts that need a folder, by the option that names it."""
ELSEWHERE = ("gpu", "equal_time")
"""Scripts with a report of their own, and one that trains for hours."""

_LEAST = 0.03
Found = dict[str, Any]


def scripts() -> list[str]:
    """The benchmarks of this folder by name."""
    files = [path for path in sorted(HERE.glob("*.py")) if path.name not in ("run.py", "measured.py")]
    texts = {path.stem: path.read_text("utf-8") for path in files}
    return [name for name, text in texts.items() if "--json" in text and name not in ELSEWHERE]


def command(name: str, options: argparse.Namespace) -> list[str] | None:
    """What a script is run with, without ``--json``; None if a folder is missing that it needs."""
    words = ["python", f"benchmarks/{name}.py"]
    if name in NEEDS:
        folder = getattr(options, NEEDS[name])
        if folder is None:
            return None
        words.append(str(folder))
    if name == "against_reference" and options.data is not None and (options.data / "trainA").is_dir():
        words += ["--data", str(options.data)]
    return [*words, *ARGUMENTS.get(name, ())]


def run(name: str, words: Sequence[str], limit: float) -> Found:
    """Run one script.

    Returns:
        Its command as others would type it, and its rows; or what went wrong.
    """
    shown = " ".join("DIR" if n > 1 and Path(word).is_dir() else word for n, word in enumerate(words))
    print(f"\n$ {shown}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        try:
            call = [sys.executable, *words[1:], "--json", str(file)]
            code = subprocess.run(call, cwd=HERE.parent, timeout=60 * limit).returncode
            rows = check_rows(json.loads(file.read_text("utf-8"))) if code == 0 else []
            error = f"ended with {code}" if code else ""
        except subprocess.TimeoutExpired:
            rows, error = [], f"took more than {limit:g} minutes"
        except (OSError, ValueError, KeyError, TypeError) as problem:
            rows, error = [], f"wrote no rows ({problem})"
    return {"command": shown, "rows": rows, **({"error": error} if error else {})}


def check_rows(rows: Any) -> list[Found]:
    """The rows of a script, as `measured` describes them.

    Raises:
        ValueError, KeyError, TypeError: they are not.
    """
    for row in rows:
        if row["value"] is not None:
            float(row["value"])
        if not isinstance(row["name"], str) or not isinstance(row["unit"], str):
            raise TypeError("a name and a unit are text")
    names = [row["name"] for row in rows]
    if not names or len(set(names)) < len(names):
        raise ValueError("a row needs a name of its own")
    return list(rows)


def compare(old: Iterable[Found], new: Iterable[Found]) -> list[str]:
    """One line for each row that is worse than before by more than the noise of both."""
    before = {row["name"]: row for row in old}
    lines = []
    for row in new:
        was = before.get(row["name"])
        if was is None or was.get("value") is None or was["unit"] != row["unit"]:
            continue
        if row.get("value") is None:
            lines.append(f"{row['name']}: could be measured before ({row.get('note') or 'no reason given'})")
            continue
        by_ratio = row.get("ratio") is not None and was.get("ratio") is not None
        key = "ratio" if by_ratio else "value"
        if not was[key]:
            continue
        change = row[key] / was[key]
        worse = 1 / change - 1 if more_is_better(row["unit"]) and change else change - 1
        noise = (row.get("noise") or 0) + (was.get("noise") or 0)
        if worse > max(noise, _LEAST):
            of = f" of {row['baseline']}" if by_ratio else f" {row['unit']}"
            lines.append(
                f"{row['name']}: {was[key]:.4g} is now {row[key]:.4g}{of}, "
                f"{100 * worse:.0f} % worse (noise {100 * noise:.0f} %)"
            )
    return lines


def earlier(name: str, where: str, results: Sequence[Found]) -> list[Found]:
    """The newest rows of a benchmark on a kind of machine."""
    for one in sorted(results, key=lambda one: str(one["date"]), reverse=True):
        if one["machine"] == where and one["benchmarks"].get(name, {}).get("rows"):
            return list(one["benchmarks"][name]["rows"])
    return []


def read_results() -> list[Found]:
    return [json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob("*.json"))]


def write_results(found: Found) -> Path:
    """Put results beside the others; what the same day's file has of other benchmarks stays."""
    short = re.sub(r"[^a-z0-9]+", "-", found["machine"].lower()).strip("-")
    path = RESULTS / f"{found['date'][:10]}-{short}.json"
    if path.exists():
        old = json.loads(path.read_text("utf-8"))
        found = {**found, "benchmarks": {**old["benchmarks"], **found["benchmarks"]}}
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return path


# -- the page --------------------------------------------------------------------------------------------------------


def tables(results: Sequence[Found]) -> str:
    """Markdown: of every benchmark the newest results on each kind of machine."""
    newest: dict[tuple[str, str], tuple[Found, Found]] = {}
    for one in sorted((one for one in results if "gpu" not in one), key=lambda one: str(one["date"])):
        for name, part in one["benchmarks"].items():
            if part["rows"]:
                newest[name, one["machine"]] = one, part
    parts = []
    for (name, where), (one, part) in sorted(newest.items()):
        told = ", ".join(f"{key} {value}" for key, value in one["versions"].items())
        parts += [
            f"### {name}",
            "",
            f"`{part['command']}`: {where}; {told}; {one['date'][:10]}.",
            "",
            table(part["rows"]),
            "",
        ]
    return "\n".join(parts).rstrip() or "Not run."


def table(rows: Sequence[Found]) -> str:
    """Markdown of rows, one line each."""
    lines = ["| | measured | against | ratio | noise |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        value = row.get("note") or "not measured" if row["value"] is None else f"{row['value']:.4g} {row['unit']}"
        ratio = "" if row.get("ratio") is None else f"{row['ratio']:.3g}"
        noise = "" if row.get("noise") is None else f"{100 * row['noise']:.1f} %"
        cells = [row["name"], value, row.get("baseline") or "", ratio, noise]
        lines.append(f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)


def gpu_tables(results: Sequence[Found]) -> str:
    """Markdown of the newest report of each kind of GPU."""
    from gpu_report.report import markdown

    newest = {one["gpu"]: one for one in sorted(results, key=lambda one: str(one["date"])) if one.get("gpu")}
    if not newest:
        return (
            "Not run: no GPU was at hand. `python benchmarks/gpu.py --minutes 8 --out DIR` does it on a CUDA machine."
        )
    return "\n\n".join(markdown(one, heading="###") for _, one in sorted(newest.items()))


def page(text: str, results: Sequence[Found]) -> str:
    """The page with its generated blocks renewed."""
    for name, made in (("tables", tables(results)), ("gpu", gpu_tables(results))):
        pattern = rf"(<!-- begin {name}: [^\n]*-->\n).*?(<!-- end {name} -->)"
        text, count = re.subn(
            pattern, lambda match, made=made: f"{match[1]}\n{made}\n\n{match[2]}", text, flags=re.DOTALL
        )
        if count != 1:
            raise ValueError(f"the page has {count} blocks {name}, expected one")
    return text


def write_page() -> None:
    PAGE.write_text(page(PAGE.read_text("utf-8"), read_results()), "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME", help="may be repeated")
    parser.add_argument("--data", type=Path, help="photographs of two seasons, for seasons and against_reference")
    parser.add_argument("--reference", type=Path, help="a checkout of the reference implementation")
    parser.add_argument("--limit", type=float, default=20, metavar="MINUTES", help="of one script")
    parser.add_argument("--take", type=Path, metavar="FILE", help="keep a report of benchmarks/gpu.py")
    parser.add_argument("--tables", action="store_true", help="only write the page")
    options = parser.parse_args()
    names = options.only or scripts()
    if unknown := set(names) - set(scripts()):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(scripts())}")
    if options.take is not None:
        report = json.loads(options.take.read_text("utf-8"))
        if "CUDA" not in report["versions"]:
            parser.error(f"{options.take}: is of a trial without a GPU")
        write_results(report)
    if options.take is not None or options.tables:
        write_page()
        return 0
    return measure(names, options)


def measure(names: Sequence[str], options: argparse.Namespace) -> int:
    """Run benchmarks, keeping the results of each before the next one begins."""
    older, where, worse = read_results(), machine(), list[str]()
    for name in names:
        words = command(name, options)
        if words is None:
            print(f"\n{name}: left out, it needs --{NEEDS[name]}")
            continue
        part = run(name, words, options.limit)
        if "error" in part:
            worse.append(f"{name}: {part['error']}")
            continue
        worse += [f"{name}: {line}" for line in compare(earlier(name, where, older), part["rows"])]
        date = datetime.now(UTC).isoformat(timespec="seconds")
        write_results({"date": date, "machine": where, "versions": versions(), "benchmarks": {name: part}})
        write_page()
    for line in worse:
        print(f"WORSE {line}")
    return int(bool(worse))


if __name__ == "__main__":
    sys.exit(main())
