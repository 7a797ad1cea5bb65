"""Draw the packages of gantool in layers, from the import contracts and the packages' docstrings."""

from __future__ import annotations

import ast
import textwrap
import tomllib
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parent.parent

_WIDTH, _HEIGHT, _GAP, _MARGIN = 960, 74, 22, 12
_LETTERS = 6.1  # pixels of a letter of the small font, about


def layers() -> list[list[str]]:
    """The rooms of every layer, the top one first, without the package's name."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    lines = next(one["layers"] for one in contracts if one["type"] == "layers")
    return [[room.strip().removeprefix("gantool.") for room in line.split("|")] for line in lines]


def about(room: str) -> str:
    """The first sentence of a room's docstring."""
    path = ROOT / "src" / "gantool" / room
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].replace("`", "").split()).rstrip(".")


def picture() -> str:
    """The drawing, as SVG that reads on light and dark pages."""
    rows = layers()
    height = len(rows) * (_HEIGHT + _GAP) - _GAP + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif">',
        "<title>The packages of gantool: imports point only downwards</title>",
        f'<rect width="{_WIDTH}" height="{height}" rx="10" fill="#f6f8fa"/>',
    ]
    for place, rooms in enumerate(rows):
        parts += _row(rooms, _MARGIN + place * (_HEIGHT + _GAP), last=place + 1 == len(rows))
    return "\n".join([*parts, "</svg>", ""])


def _row(rooms: list[str], top: int, *, last: bool) -> list[str]:
    wide = (_WIDTH - 2 * _MARGIN - _GAP * (len(rooms) - 1)) / len(rooms)
    parts = []
    for n, room in enumerate(rooms):
        left = _MARGIN + n * (wide + _GAP)
        parts.append(
            f'<rect x="{left:.1f}" y="{top}" width="{wide:.1f}" height="{_HEIGHT}" rx="8" fill="#ffffff" '
            'stroke="#2a7ab0" stroke-width="1.5"/>'
        )
        middle = left + wide / 2
        parts.append(
            f'<text x="{middle:.1f}" y="{top + 22}" text-anchor="middle" font-size="15" font-weight="600" '
            f'fill="#0b3c5d">{escape(room)}</text>'
        )
        lines = textwrap.wrap(about(room), int((wide - 16) / _LETTERS))
        for line, text in enumerate(lines[:3]):
            more = "…" if line == 2 and len(lines) > 3 else ""
            parts.append(
                f'<text x="{middle:.1f}" y="{top + 39 + 14 * line}" text-anchor="middle" font-size="11" '
                f'fill="#444444">{escape(text)}{more}</text>'
            )
    if not last:
        bottom = top + _HEIGHT
        parts.append(f'<path d="M{_WIDTH / 2 - 7} {bottom + 6} h14 l-7 10 z" fill="#2a7ab0" opacity="0.7"/>')
    return parts
