"""A command as typer makes it, with the spellings that it used to have."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperOption

__all__ = ["OLD_SPELLINGS", "Command"]

OLD_SPELLINGS = {
    "prepare": {"--size": "--shorter-side"},
    "train": {"--size": "--crop"},
    "segment": {"--size": "--shorter-side"},
}
"""By command: options that have a name of their own by now, and go on being understood."""


class Command(TyperCommand):
    """Understands old spellings and ``--no-`` before every flag, of which the help says nothing."""

    def make_parser(self, ctx: Any) -> Any:
        parser = super().make_parser(ctx)
        options = [param for param in self.params if isinstance(param, TyperOption)]
        by_name = {name: option for option in options for name in option.opts}
        for old, new in OLD_SPELLINGS.get(self.name or "", {}).items():
            option = by_name[new]
            parser.add_option(obj=option, opts=[old], dest=option.name, nargs=option.nargs)
        for option in options:
            if option.is_flag and not option.secondary_opts and not option.is_eager:
                names = [f"--no-{name[2:]}" for name in option.opts if name.startswith("--")]
                parser.add_option(obj=option, opts=names, dest=option.name, action="store_const", const=False)
        return parser
