"""Whatever a model file holds, as a function from pixels to values that says what it can take.

Free of torch, so that an ONNX file runs without it; networks are in `gantool.predict.live`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np

from gantool.arrays import Floats, Pixels, to_values
from gantool.cards import Card
from gantool.cores import is_on_one_core, tell_torch
from gantool.devices import choose_device, require_precision
from gantool.documents import brief
from gantool.errors import ModelError, SettingsError
from gantool.models.formats.onnx_file import open_onnx

__all__ = [
    "SMALLEST_SIDE",
    "FileRunner",
    "Runner",
    "Strips",
    "file_runner",
    "onnx_runner",
    "require_numbers",
    "torch_file_runner",
]

Strips = Callable[[Pixels], Iterator[Floats]]
"""One image ``(H, W, C)`` to finished rows ``(C', rows, W)`` of the result, from top to bottom."""

SMALLEST_SIDE = 16
"""Of what files are given, in pixels; reflection padding inside the networks needs a few at a quarter of the size."""
_LARGEST_PIECE = 2048 * 1536  # pixels; how much memory a file takes cannot be asked


class Runner(Protocol):
    """Runs images of one size: ``(N, H, W, C)`` uint8 to ``(N, C', H, W)`` float32, pictures in [-1, 1] or logits.

    On a CPU several threads may call it at once, each `on_one_core`.

    Attributes:
        multiple_of, smallest: what it needs of height and width.
        fixed: the only height and width that it takes; None for any.
        batches: whether it takes more than one image at once.
        device, precision: what it runs on and in.
    """

    multiple_of: int
    smallest: int
    fixed: tuple[int, int] | None
    batches: bool
    device: str
    precision: str

    @property
    def most_pixels(self) -> float:
        """Pixels of all images of one call that memory suffices for, as far as that is known."""
        ...

    @property
    def parameters(self) -> int:
        """Weights of the network; 0 where they cannot be counted."""
        ...

    @property
    def strips(self) -> Strips | None:
        """Runs one image of any size exactly and with bounded memory; None where that is not possible."""
        ...

    def __call__(self, images: Pixels) -> Floats: ...


def require_numbers(values: Floats) -> Floats:
    """Return what a runner gave.

    Raises:
        ModelError: some of it is no number, or infinite.
    """
    if not np.isfinite(values).all():
        raise ModelError(
            "The model gives values that are no numbers (NaN or infinite).",
            "Its weights are damaged, or it needs --precision fp32.",
        )
    return values


class FileRunner:
    """An exported file.

    Args:
        function: ``(N, C, H, W)`` float32 in [-1, 1] to ``(N, C', H, W)`` float32.
    """

    parameters = 0
    most_pixels = _LARGEST_PIECE
    strips = None

    def __init__(
        self,
        function: Callable[[Floats], Floats],
        *,
        multiple_of: int = 4,
        smallest: int = SMALLEST_SIDE,
        fixed: tuple[int, int] | None = None,
        device: str = "cpu",
        precision: str = "fp32",
    ) -> None:
        self._function = function
        self.multiple_of, self.smallest, self.fixed = multiple_of, max(smallest, SMALLEST_SIDE), fixed
        self.batches = fixed is None  # a file of a fixed size is of one image, too
        self.device, self.precision = device, precision

    def __call__(self, images: Pixels) -> Floats:
        """Run the file.

        Raises:
            ModelError: it cannot be run on such images, or gives something else than values for each pixel.
        """
        batch = to_values(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        try:
            made = self._function(batch)
        except Exception as error:  # every kind of file has errors of its own
            raise ModelError(f"The model file cannot be run ({brief(error, 160)}).") from error
        if made.ndim != 4 or (len(made), *made.shape[2:]) != (len(batch), *batch.shape[2:]):
            raise ModelError(f"The model file gives {made.shape} for {batch.shape}, expected values for each pixel.")
        return made


def file_runner(
    path: Path, card: Card, *, device: str = "auto", precision: str = "auto", trust: bool = False
) -> FileRunner:
    """Open an exported file of any kind.

    Args:
        trust: also a TorchScript or ``.pt2`` file that this user did not export here.

    Raises:
        ModelError: no exported file for values, or damaged.
        SettingsError: it does not run on that device or in that precision.
    """
    exported = card.exported
    if exported is None or exported.pixels:
        raise ModelError(
            f"{path}: takes and gives pixels itself (--pixels), for programs without gantool.",
            "Export it without --pixels to use it here.",
        )
    if precision not in ("auto", exported.precision):
        require_precision(precision)
        raise SettingsError(f"--precision {precision}: {path} was exported in {exported.precision}.")
    if exported.format == "onnx":
        return onnx_runner(path, card, device)
    return torch_file_runner(path, card, device, trust=trust)


def onnx_runner(path: Path, card: Card, device: str = "auto") -> FileRunner:
    """Open an ONNX file; torch is not imported."""
    if device.partition(":")[0] not in ("auto", "cpu", "cuda"):
        raise SettingsError(f"--device {device}: an ONNX file runs on cpu or cuda.")
    session, _ = open_onnx(path, device)
    opening = Lock()  # so that threads that begin together open one session for all of them
    names = [one.name for one in session.get_inputs()]
    if len(names) != 1:
        raise ModelError(f"{path}: takes {len(names)} inputs, expected one, the picture.")

    def run(batch: Floats) -> Floats:
        chosen = session
        if is_on_one_core():
            with opening:
                chosen, _ = open_onnx(path, device, threads=1)
        return np.asarray(chosen.run(None, {names[0]: batch})[0], dtype=np.float32)

    return _as_the_card_says(run, card, "cpu" if device == "auto" else device)


def torch_file_runner(path: Path, card: Card, device: str = "auto", *, trust: bool = False) -> FileRunner:
    """Open a TorchScript or ``.pt2`` file; see `file_runner`."""
    from gantool.models.formats.torch_archive import torch_runner

    assert card.exported is not None
    chosen = choose_device(device)
    function = torch_runner(path, card.exported.format, chosen, trust=trust)

    def run(batch: Floats) -> Floats:
        tell_torch()
        return function(batch)

    return _as_the_card_says(run, card, str(chosen))


def _as_the_card_says(function: Callable[[Floats], Floats], card: Card, device: str) -> FileRunner:
    assert card.exported is not None
    return FileRunner(
        function, multiple_of=card.multiple_of, smallest=card.smallest, fixed=card.exported.static_size,
        device=device, precision=card.exported.precision,
    )  # fmt: skip
