"""Tables of classes: names with indices, stored values or colors, as data sets bring them along."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gantool.arrays import Color
from gantool.data.sources.formats.shapes import LONGEST_NAME
from gantool.data.sources.text_files import read_lines
from gantool.errors import DataError

__all__ = ["BACKGROUND_NAMES", "BINARY", "VOID_NAMES", "ClassTable", "read_class_table"]


BACKGROUND_NAMES = ("background", "_background_")
"""Names of the class of everything that annotation tools have no region for."""

VOID_NAMES = frozenset({"void", "unlabelled", "unlabeled", "ignore", "ignored", "__ignore__"})
"""Names that data sets use for pixels that belong to no class, in lower case."""

BINARY = ("background", "foreground")
"""Names of the classes of masks that say yes or no, however they store it."""

_HEX = re.compile(r"#([0-9a-fA-F]{6})(?![0-9a-zA-Z])")
_TRIPLE = re.compile(r"(?<![\w.])(\d{1,3})[,;\s]+(\d{1,3})[,;\s]+(\d{1,3})(?![\w.])")
_VALUE_FIRST = re.compile(r"(\d+)\s*[,:;\s]\s*(\D.*)")
_VALUE_LAST = re.compile(r"(.*\D)[,:;]\s*(\d+)")
_AROUND = " \t,:;\"'"
_STRUCTURED = frozenset({".json", ".yaml", ".yml", ".xml"})
_DIGITS = 9  # of a stored value


@dataclass(frozen=True)
class ClassTable:
    """Classes in their order; ``values`` and ``colors`` are those stored in the masks, where the table says."""

    names: tuple[str, ...]
    values: tuple[int, ...] | None = None
    colors: tuple[Color, ...] | None = None


def read_class_table(path: Path) -> ClassTable:
    """Read a text or CSV file with a class per line.

    A line is ``name``, ``value,name`` (or ``name,value``), ``name,R,G,B``, ``R G B name``, ``name:R,G,B::`` or
    ``name #rrggbb``; a header line and lines that begin with ``# `` are left out.

    Raises:
        DataError: names the file and the line.
    """
    if path.suffix.lower() in _STRUCTURED:
        raise DataError(
            f"{path}: is a {path.suffix[1:].upper()} file, expected text with a class per line.",
            "Lines are a name; value,name; or name,R,G,B.",
        )
    rows = [
        (number, *_row(line, path, number))
        for number, line in enumerate(read_lines(path), 1)
        if line and not (line.startswith("#") and not _HEX.match(line))
    ]
    if len(rows) > 1 and rows[0][2:] == (None, None) and rows[1][2:] != (None, None):
        rows = rows[1:]  # a header
    return _table(path, rows)


def _table(path: Path, rows: Sequence[tuple[int, str, int | None, Color | None]]) -> ClassTable:
    if not rows:
        raise DataError(f"{path}: names no classes.", "Expected one name per line.")
    names = [name for _, name, _, _ in rows]
    values, colors = [value for *_, value, _ in rows], [color for *_, color in rows]
    for number, name, _, _ in rows:
        if not name:
            raise DataError(f"{path}: line {number} has no name.")
        if len(name) > LONGEST_NAME:
            raise DataError(
                f"{path}: line {number} has a name of {len(name)} characters, expected at most {LONGEST_NAME}."
            )
    columns: tuple[tuple[str, list[object]], ...] = (("name", [*names]), ("value", [*values]), ("color", [*colors]))
    for what, entries in columns:
        twice = {entry for entry in entries if entry is not None and entries.count(entry) > 1}
        if twice:
            raise DataError(f"{path}: the {what} {sorted(map(str, twice))[0]} stands twice.")
        if what != "name" and None in entries and any(entry is not None for entry in entries):
            number = rows[entries.index(None)][0]
            raise DataError(f"{path}: line {number} has no {what}, other lines have one.")
    return ClassTable(
        tuple(names),
        tuple(value for value in values if value is not None) or None,
        tuple(color for color in colors if color is not None) or None,
    )


def _row(line: str, path: Path, number: int) -> tuple[str, int | None, Color | None]:
    """Name, value and color of a line."""
    color: Color | None = None
    match = _HEX.search(line)
    if match:
        color = (int(match[1][0:2], 16), int(match[1][2:4], 16), int(match[1][4:6], 16))
    else:
        match = _TRIPLE.search(line)
        if match:
            # Four numbers in front are a value and a color: take the last three.
            longer = _TRIPLE.search(line, match.start(2))
            match = longer if longer and longer.start() == match.start(2) else match
            color = (int(match[1]), int(match[2]), int(match[3]))
            if max(color) > 255:
                raise DataError(f"{path}: line {number} has the color {color}, expected 0 to 255.")
    rest = (line[: match.start()] + " " + line[match.end() :] if match else line).strip(_AROUND)
    name, value = rest, None
    if found := _VALUE_FIRST.fullmatch(rest):
        value, name = found.groups()
    elif found := _VALUE_LAST.fullmatch(rest):
        name, value = found.groups()
    if value is not None and len(value) > _DIGITS:
        raise DataError(f"{path}: line {number} has a value of {len(value)} digits, which no mask stores.")
    return name.strip(_AROUND), None if value is None else int(value), color
