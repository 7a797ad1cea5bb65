"""The report of a GPU: one JSON file and one page of Markdown, whole after every row. Free of torch.

The JSON has the form of the files in ``benchmarks/results`` (see `run.py`), and a key ``gpu`` with the GPU's name.
A row may have ``more``: further numbers by the title of their column.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Report", "markdown"]

TITLES: Mapping[str, str] = {
    "pytest": "The tests that need a GPU",
    "parity": "One step in fp32 against the CPU",
    "limits": "What the machine can do",
    "inference": "Translating and labelling",
    "compiled": "Compiled",
    "graphs": "The whole step as CUDA graphs",
    "processes": "Two processes on one GPU, with gloo",
    "seasons": "A training of seasons",
}


class Report:
    """Rows by part, written to ``report.json`` and ``report.md`` of a folder each time one is added.

    Only one process may write at a time; another one that opens the folder later goes on with what is there.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.read()
        if facts:
            self.content.update(facts)
            self.write()

    def read(self) -> None:
        """Take what another process has written meanwhile."""
        file = self.folder / "report.json"
        self.content: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
        self.content.setdefault("benchmarks", {})

    def part(self, name: str) -> dict[str, Any]:
        part: dict[str, Any] = self.content["benchmarks"].setdefault(name, {"rows": []})
        return part

    def begin(self, name: str, command: str) -> None:
        """Start a part anew."""
        self.content["benchmarks"][name] = {"command": command, "rows": [], "status": "running"}
        self.write()

    def end(self, name: str, status: str, seconds: float | None = None, error: str = "") -> None:
        """Say how a part ended: ``done``, ``stopped`` (by its time limit) or ``failed``."""
        part = self.part(name)
        part["status"] = status
        if seconds is not None:
            part["seconds"] = round(seconds, 1)
        if error:
            part["error"] = error
        self.write()

    def add(
        self,
        part: str,
        name: str,
        value: float | None,
        unit: str,
        *,
        baseline: str | None = None,
        noise: float | None = None,
        note: str = "",
        more: Mapping[str, float | None] | None = None,
    ) -> None:
        """Add a row; the ratio to ``baseline``, another row of this part, follows."""
        base = self.value(part, baseline) if baseline is not None else None
        ratio = value / base if value is not None and base else None
        row: dict[str, Any] = {
            "name": name, "value": _short(value), "unit": unit, "ratio": _short(ratio),
            "baseline": baseline if ratio is not None else None, "noise": noise, "note": note,
        }  # fmt: skip
        if more:
            row["more"] = {title: _short(one) for title, one in more.items()}
        self.part(part)["rows"].append(row)
        self.write()

    def value(self, part: str, name: str) -> float | None:
        """What another row says."""
        rows = self.content["benchmarks"].get(part, {}).get("rows", [])
        found = [row["value"] for row in rows if row["name"] == name]
        return found[-1] if found else None

    def write(self) -> None:
        _replace(self.folder / "report.json", json.dumps(self.content, indent=1) + "\n")
        _replace(self.folder / "report.md", markdown(self.content, heading="##") + "\n")


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def _replace(path: Path, text: str) -> None:
    """Write a file at once or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(temporary).replace(path)


def markdown(content: Mapping[str, Any], *, heading: str) -> str:
    """The report as a page; parts that did not end well say so."""
    told = ", ".join(f"{key} {value}" for key, value in content.get("versions", {}).items())
    day = str(content.get("date", ""))[:10]
    lines = [
        f"{heading} {content.get('gpu', 'GPU')}",
        "",
        f"`{content.get('command', '')}`: {content.get('machine', '')}; {told}; {day}.",
    ]
    if missing := content.get("missing"):
        lines += ["", f"Missing packages: {', '.join(missing)}."]
    for name, part in content["benchmarks"].items():
        lines += ["", f"{heading}# {TITLES.get(name, f'Training: {name}')}", ""]
        status, error = part.get("status", "done"), part.get("error", "")
        if status != "done":
            lines += [f"**{'Failed' if status == 'failed' else 'Not finished'}**{': ' + error if error else ''}.", ""]
        lines += [_table(part["rows"])] if part["rows"] else ["No rows."]
    return "\n".join(lines)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    further = list(dict.fromkeys(title for row in rows for title in row.get("more", {})))
    baselines = list(dict.fromkeys(row["baseline"] for row in rows if row.get("baseline")))
    against = f"ratio to {baselines[0].rpartition(', ')[2]}" if baselines else "ratio"
    head = ["", "measured", *([against] if baselines else []), "noise", *further, "note"]
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for row in rows:
        value = "" if row["value"] is None else f"{row['value']:.4g} {row['unit']}"
        ratio = [] if not baselines else ["" if row.get("ratio") is None else f"{row['ratio']:.3g}"]
        noise = "" if row.get("noise") is None else f"{100 * row['noise']:.1f} %"
        more = [_cell(row.get("more", {}).get(title)) for title in further]
        cells = [row["name"], value, *ratio, noise, *more, row.get("note", "")]
        lines.append(f"| {' | '.join(str(cell).replace('|', '/').replace(chr(10), ' ') for cell in cells)} |")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
