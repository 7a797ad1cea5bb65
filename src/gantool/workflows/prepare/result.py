"""What ``gantool prepare`` found and wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gantool.data.sources.contents import Contents
from gantool.workflows.prepare.findings import Finding

__all__ = ["Prepared"]


@dataclass(frozen=True)
class Prepared:
    """What `prepare` found and wrote.

    Attributes:
        output: the new data set, as text where that is an address, or None where it was only looked at.
        counts: images by split and domain, as written.
        statistics: per domain, mean and standard deviation of every channel in [0, 1].
        sizes: the most frequent image sizes with their counts.
        unusable: images that were left out because they cannot be read.
        dropped: images that were left out as duplicates.
        classes: fraction of the labelled pixels by class, for segmentation.
        tiles: written by split, where images were cut.
        remarks: what reading the masks showed, such as how many pixels were moved to the nearest class color.
    """

    source: Contents
    output: Path | str | None
    findings: tuple[Finding, ...]
    counts: Mapping[str, Mapping[str, int]]
    statistics: Mapping[str, Mapping[str, tuple[float, float]]]
    sizes: tuple[tuple[str, int], ...]
    unusable: tuple[Path, ...] = ()
    dropped: tuple[Path, ...] = ()
    classes: Mapping[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    tiles: Mapping[str, int] = field(default_factory=dict)
