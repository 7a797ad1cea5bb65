"""What ``gantool evaluate`` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gantool.errors import UsageError
from gantool.workflows.shares.share import ALONE, Share

__all__ = ["EvaluateOptions"]


@dataclass(frozen=True)
class EvaluateOptions:
    """Models, or two folders of pictures, or two of masks; see `gantool.evaluate`.

    Attributes:
        generated, real: folders of pictures.
        paired: whether pictures of the same name in these belong together.
        predicted, truth: folders of index masks with the same names.
        trust: also run TorchScript and ``.pt2`` files that were not exported here.
        output: folder for the files of the evaluation; None writes nothing.
        overwrite: whether it may hold another evaluation.
        skip_existing: leave one that it holds.
        classes: that must be among those of the data.
        share: which of the images this process measures.

    Raises:
        UsageError: they do not fit together.
    """

    models: tuple[str, ...] = ()
    data: str | None = None
    split: str = "test"
    to: str | None = None
    size: int | None = None
    segmenter: str | None = None
    inception_weights: Path | None = None
    fid_mode: Literal["clean", "legacy"] = "clean"
    generated: Path | None = None
    real: Path | None = None
    paired: bool = False
    predicted: Path | None = None
    truth: Path | None = None
    output: Path | None = None
    overwrite: bool = True
    skip_existing: bool = False
    classes: tuple[str, ...] = ()
    runs: Path = Path("runs")
    device: str = "auto"
    precision: str = "auto"
    trust: bool = False
    share: Share = ALONE

    def __post_init__(self) -> None:
        if self.overwrite and self.skip_existing:
            raise UsageError("--overwrite and --skip-existing do not go together.", "Leave one of them out.")
        folders = {
            "--generated and --real": (self.generated, self.real),
            "--predicted and --truth": (self.predicted, self.truth),
        }
        given = {name: pair for name, pair in folders.items() if pair != (None, None)}
        if bool(self.models) + len(given) != 1:
            raise UsageError(
                "Name models, or two folders of pictures (--generated DIR --real DIR), or two folders of masks "
                "(--predicted DIR --truth DIR)."
            )
        for name, pair in given.items():
            if None in pair:
                raise UsageError(f"{name} go together.")
        if self.split not in ("train", "val", "test"):
            raise UsageError(f"--split {self.split}: expected train, val or test.")
        if not self.share.is_alone and self.output is None:
            raise UsageError("Shares of an evaluation need a folder for what they measure.", "Name an output.")
        if self.fid_mode not in ("clean", "legacy"):
            raise UsageError(f"--fid-mode {self.fid_mode}: expected clean or legacy.")

    def refuse_for_label_maps(self) -> None:
        """Refuse what only means something for pictures."""
        options = {
            "--size": self.size, "--segmenter": self.segmenter, "--inception-weights": self.inception_weights,
        }  # fmt: skip
        for option, value in options.items():
            if value is not None:
                raise UsageError(f"{option} is for translations to pictures; {self.models[0]} makes label maps.")

    def refuse_classes(self) -> None:
        """Refuse gates of classes where there are none."""
        if self.classes:
            raise UsageError(f'There is no class "{self.classes[0]}": pictures are measured, not label maps.')
