"""From a model that was found to something that runs: a network in torch, or an exported file.

Torch is imported only where it is needed: an ONNX file runs without it.
"""

from __future__ import annotations

from gantool.cards import Card
from gantool.devices import choose_device, choose_precision
from gantool.errors import UsageError
from gantool.models.files import load_net, load_segmenter, read_card
from gantool.models.find import FoundModel
from gantool.predict.changes import Change
from gantool.predict.labels import LabelPredictor
from gantool.predict.pictures import PicturePredictor
from gantool.predict.runner import Runner, file_runner
from gantool.predict.segmenter import LoadedSegmenter, NearestColors
from gantool.predict.sizes import parse_side, require_size
from gantool.predict.tiling import Tiling
from gantool.predict.translator import Translator

__all__ = ["open_runner", "open_segmenter", "open_translator"]

_LARGEST_SIDE = 512  # that a segmenter sees in its ONNX form; larger ones are worth the start of torch


def open_runner(
    model: FoundModel,
    target: str | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    trust: bool = False,
    live: bool = True,
) -> Runner:
    """Load the direction of a translation that ends in ``target``, or a segmenter.

    Args:
        trust: also a TorchScript or ``.pt2`` file that this user did not export here.
        live: a built-in model as a network in torch; otherwise as its ONNX form, if no other device and no precision
            is asked for.

    Raises:
        ModelError, SettingsError: with the remedy.
    """
    path, card = model.path, model.card
    if not live and device in ("auto", "cpu") and precision == "auto":
        form = model.onnx_form(target)
        path, card = (form, read_card(form)) if form is not None else (path, card)
    if card.exported is not None:
        return file_runner(path, card, device=device, precision=precision, trust=trust)
    from gantool.predict.live import LiveRunner, stored_as_cast

    chosen = choose_device(device)
    # bf16 moves a picture by about one level of 255; pictures are worth the time unless asked otherwise.
    kind = "fp32" if precision == "auto" else choose_precision(precision, chosen)
    # Networks of other libraries may look at what their weights are stored as.
    net = load_segmenter(path, card) if target is None else stored_as_cast(load_net(path, card, target), kind)
    return LiveRunner(net, multiple_of=card.multiple_of, smallest=card.smallest, device=chosen, precision=kind)


def open_translator(
    model: FoundModel,
    target: str,
    *,
    device: str = "auto",
    precision: str = "auto",
    tiling: Tiling | None = None,
    trust: bool = False,
    live: bool = True,
) -> Translator:
    """Load one direction of a translation; for ``trust`` and ``live`` see `open_runner`.

    Raises:
        ModelError, SettingsError, UsageError: with the remedy.
    """
    card = model.card
    direction = card.direction(target)
    side = direction.change_size or card.change_size
    change = Change(side, card.change_blur, direction.change_strength) if side else None
    runner = open_runner(model, target, device=device, precision=precision, trust=trust, live=live)
    predictor = PicturePredictor(runner, tiling=tiling, change=change)
    return Translator(predictor, model, card.domain(direction.source), card.domain(target))


def open_segmenter(
    model: FoundModel,
    *,
    device: str = "auto",
    precision: str = "auto",
    tiling: Tiling | None = None,
    size: str | None = None,
    tta: bool = False,
    trust: bool = False,
    live: bool = True,
) -> LoadedSegmenter:
    """Load a segmenter, or a translation to label maps as one; for ``trust`` and ``live`` see `open_runner`.

    Args:
        size: shorter side to scale to, or ``native``; None for that of the training.
        tta: average over views, which only a network does for a built-in model, and so it is with large sizes.

    Raises:
        ModelError, SettingsError, UsageError: with the remedy.
    """
    card = model.card
    if card.to_labels is None:
        load_size = _load_size(size, card)
        live = live or tta or not 0 < load_size <= _LARGEST_SIDE
        runner = open_runner(model, device=device, precision=precision, trust=trust, live=live)
        labels = LabelPredictor(runner, card.mode, load_size=load_size, tiling=tiling, tta=tta)
        return LoadedSegmenter(labels, model, card.classes)
    if tta or size is not None:
        raise UsageError(f"{model.label}: is a translation to label maps, it takes neither --tta nor --shorter-side.")
    by_color = open_translator(
        model, card.to_labels.target, device=device, precision=precision, tiling=tiling, trust=trust
    )
    classes = by_color.target.classes
    return LoadedSegmenter(NearestColors(by_color.predictor, [entry.color for entry in classes]), model, classes)


def _load_size(size: str | None, card: Card) -> int:
    if size is None:
        return card.load_size
    if size == "native":
        return 0
    side = parse_side(size)
    if side is not None and side >= 32:
        require_size(f"--shorter-side {size}", side, side)
        return side
    raise UsageError(f"--shorter-side {size}: expected a number of pixels, at least 32, or native.")
