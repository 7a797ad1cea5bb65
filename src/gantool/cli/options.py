"""Options that several commands share, so that they are spelled and explained once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gantool.errors import UsageError

__all__ = [
    "DeviceOption",
    "FilesFromOption",
    "FormatOption",
    "InputsArgument",
    "JsonOption",
    "NullOption",
    "OutputOption",
    "OverwriteOption",
    "PrecisionOption",
    "QuietOption",
    "RecursiveOption",
    "RunsOption",
    "SkipExistingOption",
    "TileOption",
    "TrustOption",
    "VerboseOption",
    "parse_domains",
    "parse_halves",
]

InputsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[INPUT...]", help="Images, folders, globs, or - for an image, or paths, on standard input."
    ),
]
FilesFromOption = Annotated[
    str | None,
    typer.Option(
        "--files-from", metavar="FILE", help="A list of further inputs, one per line; - for standard input."
    ),
]
NullOption = Annotated[
    bool, typer.Option("--null", "-0", help="The list's paths end in zero bytes (find -print0), not in lines.")
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", metavar="FORMAT", help="Of the results: png, jpg, webp, tif, bmp or ppm."),
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps. Default auto.")
]
PrecisionOption = Annotated[
    str | None, typer.Option("--precision", metavar="PRECISION", help="auto, fp32, bf16 or fp16. Default auto.")
]
RunsOption = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Folder of the runs.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout instead of lines.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="More about what happens.")]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="A folder if it is one, ends in / or has no image suffix; - for standard output; else a file. "
        "Default: the current folder.",
    ),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]
SkipExistingOption = Annotated[bool, typer.Option("--skip-existing", help="Leave outputs that exist, do the rest.")]
RecursiveOption = Annotated[bool, typer.Option("--recursive", "-r", help="Look into folders within folders.")]
TileOption = Annotated[
    str,
    typer.Option(
        "--tile",
        metavar="auto|N|off",
        help="Large images: auto is exact with bounded memory, N uses tiles of N pixels, off always one piece.",
    ),
]
TrustOption = Annotated[
    bool,
    typer.Option("--trust", help="Also run TorchScript and .pt2 files that you did not export here."),
]


def parse_domains(entries: list[str]) -> dict[str, str] | None:
    """Read repeated ``NAME=DIR``; None for no entries."""
    domains: dict[str, str] = {}
    for entry in entries:
        name, equals, folder = entry.partition("=")
        if not (name and equals and folder):
            raise UsageError(f"--domain {entry}: expected NAME=DIR, such as winter=photos/winter.")
        if name in domains:
            raise UsageError(f"--domain {entry}: the domain {name} is named twice.")
        domains[name] = folder
    return domains or None


def parse_halves(text: str | None) -> tuple[str, str] | None:
    """Read ``LEFT,RIGHT``; None for None."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise UsageError(f"--domains {text}: expected two names, left and right, such as photo,label.")
    return names[0], names[1]
