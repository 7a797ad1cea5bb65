"""A command and the group of all, as typer makes them: with our help, our sentences, and a user's own defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup, TyperOption

from gantool.cli import console
from gantool.cli.contract.defaults import Defaults, defaults_of
from gantool.errors import GantoolError

__all__ = ["OLD_SPELLINGS", "Command", "Group"]

OLD_SPELLINGS: Mapping[str, Mapping[str, str]] = {
    "prepare": {"--size": "--shorter-side"},
    "train": {"--size": "--crop"},
    "segment": {"--size": "--shorter-side"},
}
"""By command: options that have a name of their own by now, and go on being understood."""


class Command(TyperCommand):
    """One command.

    It also understands old spellings and ``--no-`` before every flag, of which the help says nothing.
    """

    siblings: Sequence[str] = ()
    """The names of all commands."""
    defaults = Defaults()

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

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line.

        Raises:
            UsageError, SettingsError: what is wrong with it or with a user's defaults, and what to do.
        """
        arguments = list(args)
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        try:
            given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
            self.defaults = defaults_of(self, given) if "help" not in given else Defaults()
            ctx.default_map = dict(self.defaults.values)
            rest = super().parse_args(ctx, args)
        except GantoolError:
            raise
        except Exception as error:
            from gantool.cli.contract.complaints import complaint, is_usage_error

            if not is_usage_error(error):
                raise
            raise complaint(error, self, ctx, arguments, self.defaults.origins) from None
        if ctx.params.get("json_output"):
            console.answer_in_json()
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error that names an option tells where its value came from."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise console.Interrupted from None
        except GantoolError as error:
            for param in self.params:
                origin = self.defaults.origins.get(param.name or "")
                named = next((name for name in param.opts if name.startswith("--")), "")
                if origin and named and any(word in f"{error.message} " for word in (f"{named} ", f".{named[2:]}: ")):
                    error.add_note(f"{named} comes from {origin}.")
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from gantool.cli.contract.help import command_help

        console.print_text(command_help(self, ctx))


class Group(TyperGroup):
    """All commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that is named.

        Raises:
            UsageError: there is none; names the nearest.
        """
        if not ctx.resilient_parsing and args[0] not in self.commands:
            from gantool.cli.contract.complaints import no_such_command

            raise no_such_command(args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what stands before the command.

        Raises:
            UsageError: an option that there is not.
        """
        try:
            return super().parse_args(ctx, args)
        except GantoolError:
            raise
        except Exception as error:
            if ctx.resilient_parsing or type(error).__name__ not in ("NoSuchOption", "BadOptionUsage"):
                raise
            from gantool.cli.contract.complaints import complaint

            raise complaint(error, self, ctx, list(args), {}) from None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from gantool.cli.contract.help import group_help

        console.print_text(group_help(self, ctx))
