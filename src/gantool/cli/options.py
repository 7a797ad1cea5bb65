"""Options that several commands share, so that they are spelled and explained once, and the groups of the help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gantool.cli.contract import completion
from gantool.errors import UsageError

__all__ = [
    "COMPUTING",
    "IMAGES",
    "MESSAGES",
    "MODEL",
    "RESULTS",
    "BatchSizeOption",
    "DataOption",
    "DeviceOption",
    "DomainsOption",
    "DryRunOption",
    "FilesFromOption",
    "FormatOption",
    "InputsArgument",
    "JsonOption",
    "ModelOption",
    "NullOption",
    "OutputOption",
    "OverwriteOption",
    "PrecisionOption",
    "QuietOption",
    "RecursiveOption",
    "RunsOption",
    "SizeOption",
    "SkipExistingOption",
    "TileOption",
    "ToOption",
    "TrustOption",
    "VerboseOption",
    "named_model",
    "no_stream",
    "parse_domains",
    "parse_halves",
    "parse_size",
]

# The groups of the help, in their order.
IMAGES, MODEL, RESULTS, COMPUTING, MESSAGES = "Images", "Model", "Results", "Computing", "Messages"

InputsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT...",
        help="Images, clips, folders or globs; - reads an image, or a list of paths, from standard input.",
        rich_help_panel=IMAGES,
    ),
]
FilesFromOption = Annotated[
    str | None,
    typer.Option(
        "--files-from",
        metavar="FILE",
        help="File with further inputs, one path per line; - for standard input.",
        rich_help_panel=IMAGES,
    ),
]
NullOption = Annotated[
    bool,
    typer.Option(
        "--null",
        "-0",
        help="Paths in the list end with a zero byte (find -print0) instead of a newline.",
        rich_help_panel=IMAGES,
    ),
]
RecursiveOption = Annotated[
    bool, typer.Option("--recursive", "-r", help="Include subfolders.", rich_help_panel=IMAGES)
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DATA",
        help="Data set: a folder, or a name under ./data.",
        rich_help_panel=IMAGES,
        autocompletion=completion.offered(completion.data_sets),
    ),
]
DomainsOption = Annotated[
    str | None,
    typer.Option(
        "--domains",
        metavar="LEFT,RIGHT",
        help="Names of the left and right halves of side-by-side pairs.",
        rich_help_panel=IMAGES,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Model file, run (cyclegan-2), kind of model (cyclegan: its newest run) or built-in model.",
        rich_help_panel=MODEL,
        autocompletion=completion.offered(completion.models),
    ),
]
ToOption = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="DOMAIN",
        help="Only translations to this domain. Default: all.",
        rich_help_panel=MODEL,
        autocompletion=completion.offered(completion.domains),
    ),
]
RunsOption = Annotated[
    Path, typer.Option("--runs", metavar="DIR", help="Folder with the runs.", rich_help_panel=MODEL)
]
TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Also run TorchScript and .pt2 files from elsewhere, which can contain code.",
        rich_help_panel=MODEL,
    ),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="Output file; a folder if it exists as one, ends in / or has no image suffix; an address "
        "(s3://...) of either; - for standard output. Default: the current folder.",
        rich_help_panel=RESULTS,
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="Image format: png, jpg, webp, tif, bmp or ppm. Default: that of the input for "
        "translate, png for segment.",
        rich_help_panel=RESULTS,
        autocompletion=completion.of("png", "jpg", "webp", "tif", "bmp", "ppm"),
    ),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace existing files.", rich_help_panel=RESULTS)
]
SkipExistingOption = Annotated[
    bool,
    typer.Option("--skip-existing", help="Skip outputs that exist already.", rich_help_panel=RESULTS),
]
DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Check everything, write nothing.", rich_help_panel=RESULTS),
]
SizeOption = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="WxH",
        help="Resize images to this size first, such as 640x480.",
        rich_help_panel=COMPUTING,
    ),
]
TileOption = Annotated[
    str,
    typer.Option(
        "--tile",
        metavar="auto|N|off",
        help="Split large images: auto where memory requires it, N into tiles of NxN pixels, off never.",
        rich_help_panel=COMPUTING,
        autocompletion=completion.of("auto", "off"),
    ),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option("--batch-size", metavar="N", min=1, help="Images per batch.", rich_help_panel=COMPUTING),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="auto, cpu, cuda, cuda:1 or mps. Default: auto.",
        rich_help_panel=COMPUTING,
        autocompletion=completion.offered(completion.devices),
    ),
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="PRECISION",
        help="auto, fp32, bf16 or fp16. Default: auto.",
        rich_help_panel=COMPUTING,
        autocompletion=completion.of("auto", "fp32", "bf16", "fp16"),
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the results as one JSON object.", rich_help_panel=MESSAGES)
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print results and errors only.", rich_help_panel=MESSAGES)
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Print more details.", rich_help_panel=MESSAGES)]


def named_model(argument: str | None, option: str | None) -> str | None:
    """The one model that is named, as an argument or by ``--model``.

    Raises:
        UsageError: both are given.
    """
    if argument is not None and option is not None:
        raise UsageError(f"{argument} and --model {option} name the model twice.", "Give one of them.")
    return argument if argument is not None else option


def no_stream(output: object, what: str, *, addresses: bool = False) -> None:
    """Refuse standard output, and addresses, for what are files on a disk.

    Args:
        addresses: leave those to others.

    Raises:
        UsageError: it is ``-``, or an address.
    """
    from gantool.fetch.remote.addresses import require_disk

    if str(output) == "-":
        raise UsageError(f"-o -: {what} are files.", "Name a folder; one that is called so is ./-")
    if not addresses:
        require_disk(output, f"{what} are written")


def parse_size(option: str, text: str, *, square: bool = False) -> tuple[int, int]:
    """Read ``WxH`` as width and height.

    Args:
        square: whether ``N`` alone stands for ``NxN``.

    Raises:
        UsageError: it is none.
    """
    from gantool.predict.sizes import parse_side

    width, x, height = text.lower().partition("x")
    height = width if square and not x else height
    size = parse_side(width), parse_side(height)
    if not (size[0] and size[1]):
        raise UsageError(f"{option} {text}: expected WIDTHxHEIGHT, such as 640x480.")
    return size[0], size[1]


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
    if len(domains) == 1:
        raise UsageError(
            "--domain: names one folder, two are expected.", "Give it twice: --domain A=DIR --domain B=DIR."
        )
    return domains or None


def parse_halves(text: str | None) -> tuple[str, str] | None:
    """Read ``LEFT,RIGHT``; None for None."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise UsageError(f"--domains {text}: expected two names, left and right, such as photo,label.")
    return names[0], names[1]
