"""A user's own defaults of options: ``GANTOOL_*`` variables, ``gantool.yaml`` in the folder, and the user's own.

The command line is stronger than a variable, a variable than the file in the working folder, and that than the user's
file. A command that finds neither file pays for two looks at the disk.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gantool.errors import SettingsError, closest

__all__ = ["EVERYWHERE", "Defaults", "defaults_of", "effective", "settings_files"]

NAME = "gantool.yaml"
EVERYWHERE = ("device", "precision", "runs", "recursive", "skip-existing", "json", "quiet", "verbose")
"""Options that mean the same in all commands that have them, so that a file may name them for all at once."""

# What is written over or run must be said each time: a file may have come with somebody's pictures.
_NEVER = ("trust", "overwrite", "accept-changed-data", "output", "dry-run", "check", "help", "list", "list-models",
          "write-settings", "resume", "null", "files-from", "shard", "host", "allow-host")  # fmt: skip
_ON_RESUME = ("runs", "json", "quiet", "verbose", "workers", "devices")  # a run brings the rest along
_GIVES_WAY = {"skip-existing": ("overwrite",), "data": ("domain", "generated", "predicted"), "domain": ("data",),
              "model": ("model", "distill", "resume")}  # fmt: skip


class Defaults:
    """Values by parameter name, and where each comes from.

    No dataclass, because each of those takes a millisecond of every start.
    """

    def __init__(self, values: Mapping[str, Any] | None = None, origins: Mapping[str, str] | None = None) -> None:
        self.values, self.origins = values or {}, origins or {}


def settings_files() -> list[Path]:
    """The settings files that are there, the strongest first."""
    return [path for path in (Path(NAME), _user_folder() / NAME) if path.is_file()]


def _user_folder() -> Path:
    if sys.platform.startswith("linux"):  # as platformdirs has it, whose import takes longer than all else here
        home = os.environ.get("XDG_CONFIG_HOME", "").strip()
        return Path(home or "~/.config").expanduser() / "gantool"
    import platformdirs

    return platformdirs.user_config_path("gantool", appauthor=False)


def defaults_of(command: Any, given: Mapping[str, Any]) -> Defaults:
    """The defaults of a command that a user has set.

    Args:
        given: what stands on the command line, by parameter name.

    Raises:
        SettingsError: a key that there is not, or that may not stand in a file; a value of the wrong kind.
    """
    options = _options(command)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for path in reversed(settings_files()):
        for key, value in _of_file(path, command, options).items():
            _put(options[key], value, f"{path}", values, origins)
    for key, (variable, text) in _of_variables(str(command.name), options).items():
        _put(options[key], text, variable, values, origins)
    for name in _weaker(options, given):
        values.pop(name, None)
    return Defaults(values, {name: origin for name, origin in origins.items() if name in values})


def _options(command: Any) -> dict[str, Any]:
    """Options that can have a default of the user's, by their long name without dashes."""
    found = {}
    for param in command.params:
        name = next((name[2:] for name in param.opts if name.startswith("--")), "")
        if param.param_type_name == "option" and name and name not in _NEVER:
            found[name] = param
    return found


def _weaker(options: Mapping[str, Any], given: Mapping[str, Any]) -> Iterable[str]:
    """Defaults that make no sense beside what is given."""
    for key, param in options.items():
        if "resume" in given and key not in _ON_RESUME:
            yield param.name
        if any(other.replace("-", "_") in given for other in _GIVES_WAY.get(key, ())):
            yield param.name


def _of_variables(command: str, options: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """By option: the variable that is set, and its text; one of the command is stronger than one of all."""
    found = {}
    for key in options:
        own = f"GANTOOL_{command}_{key}".upper().replace("-", "_")
        general = f"GANTOOL_{key}".upper().replace("-", "_") if key in EVERYWHERE else own
        for variable in (general, own):
            if text := os.environ.get(variable, ""):
                found[key] = (variable, text)
    return found


def _of_file(path: Path, of: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says for a command: what it says for all, then what it says for this one."""
    tree, command = _read(path), str(of.name)
    for key in tree:
        _check_key(path, key, of.siblings)
    own = tree.get(command)
    if own is not None and not isinstance(own, dict):
        raise SettingsError(f"{path}: {command}: expected options, such as tile: 512.")
    found = {key: value for key, value in tree.items() if key in EVERYWHERE and key in options}
    for key, value in (own or {}).items():
        _check_option(path, command, str(key), options)
        found[str(key)] = value
    return found


def _read(path: Path) -> dict[str, Any]:
    from gantool.settings.sources import read_yaml

    return {str(key): value for key, value in read_yaml(path).items()}


def _check_key(path: Path, key: str, commands: Sequence[str]) -> None:
    if key in _NEVER:
        raise SettingsError(f"{path}: {key}: has to be said each time.", f"Use --{key} on the command line.")
    if key not in EVERYWHERE and key not in commands:
        raise SettingsError(
            f"{path}: {key}: is neither a command nor an option of all commands.",
            closest(key, [*EVERYWHERE, *commands]),
        )


def _check_option(path: Path, command: str, key: str, options: Mapping[str, Any]) -> None:
    if key in _NEVER:
        raise SettingsError(
            f"{path}: {command}.{key}: has to be said each time.", f"Use --{key} on the command line."
        )
    if key not in options:
        raise SettingsError(f"{path}: {command}.{key}: there is no such option.", closest(key, options))


def _put(param: Any, value: Any, origin: str, values: dict[str, Any], origins: dict[str, str]) -> None:
    """Note a value, as text, which is what a command line has; None is none."""
    if value is None:
        return
    key = next(name for name in param.opts if name.startswith("--"))
    parts: Sequence[Any] = value if isinstance(value, list) else [value]
    if any(isinstance(part, dict | list) for part in parts) or (isinstance(value, list) and not param.multiple):
        raise SettingsError(f"{origin}: {key[2:]}: expected one value, got several.")
    if param.is_flag:
        values[param.name] = _switch(value, key, origin)
    elif param.multiple:
        values[param.name] = [_text(part) for part in parts]
    else:
        values[param.name] = _text(value)
    origins[param.name] = origin


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _switch(value: Any, key: str, origin: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    word = str(value).lower()
    if word not in words:
        raise SettingsError(f"{key} {value} (from {origin}): expected true or false.")
    return words[word]


def effective(commands: Iterable[Any]) -> dict[str, Any]:
    """For `gantool info`: the files and variables that are in effect, checked for all commands.

    Raises:
        SettingsError: something in them is wrong.
    """
    known: set[str] = set()
    for command in commands:
        defaults_of(command, {})
        for key in _options(command):
            known |= {f"GANTOOL_{command.name}_{key}".upper().replace("-", "_")}
            known |= {f"GANTOOL_{key}".upper().replace("-", "_")} if key in EVERYWHERE else set()
    return {
        "settings files": [str(path.resolve()) for path in settings_files()],
        "variables": sorted(name for name in os.environ if name in known and os.environ[name]),
    }
