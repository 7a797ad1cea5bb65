"""What ``gantool prepare`` was asked to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gantool.data.sources.labels import ClassTable, LabelOptions, read_class_table
from gantool.data.sources.names import Kind, name_of
from gantool.errors import UsageError
from gantool.fetch.remote.addresses import is_address, require_disk, takes_files
from gantool.files import parse_bytes, safe_name
from gantool.predict.sizes import require_size
from gantool.workflows.prepare.sending import SetAtAddress
from gantool.workflows.shares.share import ALONE, Share

__all__ = ["PrepareOptions", "ShardLimit"]

_LARGEST_SIDE = 2**16  # of any picture format
_USUAL_SHARD = 256 * 10**6


@dataclass(frozen=True)
class ShardLimit:
    """How large a shard may grow: bytes, or images."""

    size: int | None = None
    count: int | None = None

    def is_full(self, count: int, size: int) -> bool:
        """Whether a shard of so many images would be too large with one more.

        Args:
            size: its bytes with that one.
        """
        return (self.count is not None and count >= self.count) or (self.size is not None and size > self.size)


@dataclass(frozen=True)
class PrepareOptions:
    """Everything that can be said about a source and its copy.

    Attributes:
        source: a folder, an archive, an annotation file or a named data set (see `gantool.data.sources.catalog`); or
            ``domains``, two plain folders by domain name.
        output: the new data set's folder; default ``data/NAME``. With ``shards`` also an address, as text.
        names: names of the two halves of side-by-side pairs, left to right.
        kind: decides what the source is where it is ambiguous.
        size: scale so that the shorter side has this many pixels.
        tile: cut images and masks into squares of this side (segmentation); all tiles of one image share its split.
        stride: from one tile to the next; default the tile's side.
        drop_empty: leave out tiles that show no class but the background.
        classes: class names in the order of their indices, or a file of them, with values or colors where needed
            (see `gantool.data.sources.labels.read_class_table`).
        ignore: stored mask values, colors (``#rrggbb``) or names that belong to no class.
        attribute: of VIA regions, the attribute that holds the class.
        snap: largest distance in RGB from a mask's color to its class.
        split: fractions of train, val and test; default the source's own splits, or 10 % for testing.
        seed: changes which images are drawn for each split.
        drop_duplicates: leave out images whose pixels equal those of another (see `without_duplicates`).
        check_only: only check, write nothing; images of a single domain are enough.
        report: also write the page about the data set here; a data set always has its own ``report.html``.
        overwrite: replace an existing data set.
        image_format: of images whose pixels change (scaled, cut, turned, converted); others keep their files.
        link: hard-link unchanged files instead of copying them.
        dry_run: do everything but write.
        skip_existing: leave an existing data set as it is.
        share: which of the images this process checks and writes.
        shards: pack the files of the copy into tar files that WebDataset also reads.
        shard_size: largest size of one tar file: bytes such as ``256MB``, or a number of images.
    """

    source: str | Path | None = None
    output: str | Path | None = None
    domains: Mapping[str, str] | None = None
    names: tuple[str, str] | None = None
    kind: Kind | None = None
    size: int | None = None
    tile: int | None = None
    stride: int | None = None
    drop_empty: bool = False
    classes: Sequence[str] | str | Path | None = None
    ignore: Sequence[int | str] = ()
    attribute: str | None = None
    snap: float | None = None
    split: tuple[float, float, float] | None = None
    seed: int = 0
    drop_duplicates: bool = False
    check_only: bool = False
    report: str | Path | None = None
    overwrite: bool = False
    image_format: Literal["png", "jpg", "webp"] = "png"
    link: bool = False
    dry_run: bool = False
    skip_existing: bool = False
    share: Share = ALONE
    shards: bool = False
    shard_size: str | None = None

    def __post_init__(self) -> None:
        if self.overwrite and self.skip_existing:
            raise UsageError("--overwrite and --skip-existing do not go together.", "Leave one of them out.")
        if self.address is None or not self.shards:
            require_disk(self.output, "data sets are written", remedy="Name a folder, or pack it with --shards.")
        elif not takes_files(self.address):
            raise UsageError(
                f"-o {self.output}: such servers take no files.", "Name a folder, or an address as s3://."
            )

    @property
    def address(self) -> str | None:
        """Where the new data set goes if that is no folder on a disk."""
        return self.output if isinstance(self.output, str) and is_address(self.output) else None

    def place(self, name: str) -> Path:
        """The new data set's folder, ``data/NAME`` unless it is given."""
        return Path(self.output) if self.output is not None else Path("data") / safe_name(name)

    def existing(self) -> Path | str | None:
        """The data set that is there already, where it is to be left; None if there is something to do.

        Raises:
            OutputError: it is at an address that may not be listed, or the server does not answer for a while.
        """
        if not self.skip_existing or self.check_only or (self.source is None and not self.domains):
            return None
        if self.address is not None:
            return self.address if SetAtAddress(self.address).is_complete() else None
        target = self.place(name_of(self.source) if self.source is not None else "2".join(self.domains or ()))
        return target if (target / "dataset.yaml").is_file() else None

    def require_possible(self) -> None:
        """Check sizes and fractions.

        Raises:
            UsageError: none can be like that.
        """
        for option, side in (("--shorter-side", self.size), ("--tile", self.tile), ("--stride", self.stride)):
            if side is not None and not 1 <= side <= _LARGEST_SIDE:
                raise UsageError(f"{option} {side}: must be from 1 to {_LARGEST_SIDE} pixels.")
        self.shard_limit()
        if self.shard_size is not None and not self.shards:
            raise UsageError("--shard-size needs --shards.")
        if self.shards and not self.share.is_alone:
            raise UsageError("--shards are written by one process.", "Leave --devices and --shard out.")
        if self.shards and self.check_only:
            raise UsageError("--check writes nothing, so there is nothing for --shards to pack.", "Leave one out.")
        if self.shards and self.link:
            raise UsageError("--link and --shards do not go together: files in shards have no names on the disk.")
        if self.split is None:
            return
        train, val, test = self.split
        if not (train > 0 and val >= 0 and test >= 0 and abs(train + val + test - 1) <= 0.01):  # False for no numbers
            raise UsageError(
                f"--split {train:g},{val:g},{test:g}: the shares must be positive for training and add up to 1."
            )

    def shard_limit(self) -> ShardLimit:
        """How large a shard may grow.

        Raises:
            UsageError: no such size.
        """
        if self.shard_size is None:
            return ShardLimit(size=_USUAL_SHARD)
        size = parse_bytes(self.shard_size)
        if size:
            return ShardLimit(size=size)
        if self.shard_size.strip().isdecimal() and int(self.shard_size) > 0:
            return ShardLimit(count=int(self.shard_size))
        raise UsageError(
            f"--shard-size {self.shard_size}: expected bytes such as 256MB, or a number of images such as 10000."
        )

    def scaled(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that an image of this size is written in.

        Raises:
            UsageError: more pixels than any image may have.
        """
        if self.size is None or min(width, height) == self.size:
            return width, height
        grow = self.size / min(width, height)
        size = max(round(width * grow), self.size), max(round(height * grow), self.size)
        require_size(f"--shorter-side {self.size}", *size)
        return size

    def about_labels(self) -> LabelOptions:
        """What is said about labels.

        Raises:
            DataError: the file of classes cannot be read.
        """
        if isinstance(self.classes, str | Path):
            table: ClassTable | None = read_class_table(Path(self.classes))
        else:
            table = ClassTable(tuple(self.classes)) if self.classes is not None else None
        return LabelOptions(table, tuple(str(value) for value in self.ignore), self.attribute, self.snap)
