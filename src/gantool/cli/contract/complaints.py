"""What is wrong with a command line, in our own sentences."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gantool.documents import shown
from gantool.errors import UsageError

__all__ = ["complaint", "is_usage_error", "no_such_command"]


def is_usage_error(error: Exception) -> bool:
    """Whether typer complains.

    It brings its own copy of click, whose exceptions have no public name; they all can show themselves.
    """
    return hasattr(error, "exit_code") and hasattr(error, "format_message")


def complaint(
    error: Any, command: Any, context: Any, arguments: Sequence[str], origins: Mapping[str, str]
) -> UsageError:
    """The sentence for an error of typer's in the options of a command.

    Args:
        arguments: of the command.
        origins: of values that do not stand on the command line, by parameter name.
    """
    see = f"See {context.command_path} --help."
    kind = type(error).__name__
    param = getattr(error, "param", None)
    if kind == "NoSuchOption":
        return UsageError(
            f"{error.option_name}: there is no such option.", _nearest(error.option_name, command) or see
        )
    if kind == "MissingParameter" and param is not None:
        return UsageError(f"{_name(param)} is missing.", f"{param.help} {see}" if param.help else see)
    if kind == "BadOptionUsage":
        return _of_usage(error.option_name, command, see)
    if param is not None:
        value = _given(command, context, arguments, param)
        origin = f" (from {origins[param.name]})" if param.name in origins else ""
        return UsageError(f"{_name(param)}{value}{origin}: expected {_expected(param)}.")
    extra = command.make_parser(context).parse_args(args=list(arguments))[1]
    if extra:
        return UsageError(f"{shown(extra[0])}: is one argument too many.", see)
    return UsageError(error.format_message(), see)


def _nearest(option: str, command: Any) -> str:
    """A did-you-mean for an option; empty where none is near."""
    known = [name for param in command.params for name in (*param.opts, *param.secondary_opts) if name[:1] == "-"]
    near = difflib.get_close_matches(option, known, n=1, cutoff=0.6)
    return f'Did you mean "{near[0]}"?' if near else ""


def no_such_command(name: str, known: Iterable[str]) -> UsageError:
    """The sentence for a command that there is not."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if name[:1] == "-":
        return UsageError(f"{shown(name)}: there is no such option.", "See gantool --help.")
    return UsageError(
        f"There is no command {shown(name)}.", f'Did you mean "{near[0]}"?' if near else f"Known: {', '.join(names)}."
    )


def _name(param: Any) -> str:
    if param.param_type_name == "argument":
        return str(param.metavar or param.name.upper()).strip("[]").removesuffix("...")
    return str(next((name for name in param.opts if name.startswith("--")), param.opts[0]))


def _of_usage(option: str, command: Any, see: str) -> UsageError:
    """A value that is missing, or one that is too many."""
    for param in command.params:
        if option in (*param.opts, *param.secondary_opts) and not param.is_flag:
            return UsageError(f"{option}: expected a value, {option} {param.metavar or 'N'}.", see)
    return UsageError(f"{option}: takes no value.", see)


def _given(command: Any, context: Any, arguments: Sequence[str], param: Any) -> str:
    values, _, _ = command.make_parser(context).parse_args(args=list(arguments))
    value = values.get(param.name, context.lookup_default(param.name))
    return "" if value is None else f" {shown(value) if not isinstance(value, str) else value[:80]}"


def _expected(param: Any) -> str:
    """What a number or a switch has to be; all else is text, which we look at ourselves."""
    descriptor = getattr(param, "type_descriptor", None)
    kind = getattr(descriptor, "annotation", None)
    name = getattr(getattr(param, "type", None), "name", "")
    if param.param_type_name == "option" and param.is_flag:
        return "true or false"
    what = (
        "a whole number" if kind is int or "int" in name else "a number" if kind is float or "float" in name else ""
    )
    if not what:
        return f"a valid {param.metavar or 'value'}"
    # Older versions of typer say them of the type.
    bounded = param if hasattr(param, "min") else getattr(param, "type", None)
    low, high = getattr(bounded, "min", None), getattr(bounded, "max", None)
    if low is not None and high is not None:
        return f"{what} from {low} to {high}"
    return (
        what
        if low is None and high is None
        else f"{what} of at {'most' if low is None else 'least'} {high if low is None else low}"
    )
