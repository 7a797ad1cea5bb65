"""The help of a command: what it does, examples, and its options in groups, as wide as the terminal."""

from __future__ import annotations

import io
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

__all__ = ["command_help", "group_help", "shown_default", "spelling"]

_NARROWEST, _WIDEST = 40, 100
_LEFT = 24  # columns for an option; a longer one has a line of its own


def command_help(command: Any, context: Any) -> str:
    """The help of one command."""
    arguments = " ".join(_argument(param) for param in command.params if param.param_type_name == "argument")
    lines = [_usage(f"{context.command_path} [OPTIONS] {arguments}"), *_paragraphs(command.help)]
    lines += _examples(command.epilog)
    groups: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(context):
        if not getattr(param, "hidden", False):
            group = getattr(param, "rich_help_panel", None) or "Messages"
            groups.setdefault(group, []).append((spelling(param), _meaning(param)))
    for name, rows in groups.items():
        lines += [Text(), _heading(name), *_rows(rows)]
    return _rendered(lines)


def group_help(group: Any, context: Any) -> str:
    """The help of the program: its commands and its own options."""
    lines = [_usage(f"{context.command_path} COMMAND [OPTIONS] ..."), *_paragraphs(group.help)]
    lines += _examples(group.epilog)
    rows = [(name, _first_sentence(group.commands[name].help or "")) for name in group.list_commands(context)]
    lines += [Text(), _heading("Commands"), *_rows(rows, left=10)]
    params = [param for param in group.get_params(context) if not getattr(param, "hidden", False)]
    lines += [Text(), _heading("Options"), *_rows([(spelling(param), _meaning(param)) for param in params])]
    return _rendered([*lines, Text(), Text("gantool COMMAND --help tells more.")])


def spelling(param: Any) -> str:
    """An argument or an option as it is typed."""
    if param.param_type_name == "argument":
        return _argument(param).replace("[", "").replace("]", "")
    names = [*sorted(param.opts, key=lambda name: name[:2] != "--"), *param.secondary_opts]
    return ", ".join(names) + ("" if param.is_flag else f" {param.metavar or 'N'}")


def shown_default(param: Any) -> str:
    """A default that the meaning does not tell already; empty for none."""
    default = getattr(param, "default", None)
    if param.param_type_name == "argument" or param.is_flag or default in (None, "", ()) or callable(default):
        return ""
    if isinstance(default, float):
        return f"{default:g}"
    return "" if str(default) == "." else str(default)


def _width() -> int:
    return max(min(shutil.get_terminal_size((80, 24)).columns, _WIDEST), _NARROWEST)


def _rendered(lines: Iterable[Text]) -> str:
    buffer = io.StringIO()
    colors = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    console = Console(file=buffer, width=1000, highlight=False, force_terminal=colors, no_color=not colors)
    for line in lines:
        console.print(line, soft_wrap=True)
    return buffer.getvalue()


def _usage(text: str) -> Text:
    return Text.assemble(("Usage: ", "bold"), " ".join(text.split()))


def _heading(text: str) -> Text:
    return Text(text, style="bold")


def _examples(epilog: str | None) -> Iterator[Text]:
    if epilog:
        yield from (Text(), _heading("Examples"))
        for line in epilog.strip().splitlines():
            yield Text(f"  {line.strip()}")


def _paragraphs(text: str | None) -> Iterator[Text]:
    for part in (text or "").strip().split("\n\n"):
        yield Text()
        yield from (Text(line) for line in textwrap.wrap(" ".join(part.split()), _width(), break_on_hyphens=False))


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split()).partition(". ")[0].rstrip(".") + "."


def _argument(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _meaning(param: Any) -> str:
    text = " ".join((param.help or "").split())
    if param.param_type_name == "option" and param.required:
        return f"{text} Required."
    default = shown_default(param)
    return f"{text} Default: {default}." if default else text


def _rows(rows: Sequence[tuple[str, str]], left: int = _LEFT) -> Iterator[Text]:
    for name, meaning in rows:
        first, *rest = textwrap.wrap(meaning, _width() - left - 4, break_on_hyphens=False) or [""]
        if len(name) > left:
            yield Text.assemble("  ", (name, "cyan"))
            rest = [first, *rest]
        else:
            yield Text.assemble("  ", (f"{name:{left}}", "cyan"), "  ", first)
        yield from (Text(" " * (left + 4) + line) for line in rest)
