"""What is done with one image, in a worker: from the bytes of a request to those of an answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gantool.arrays import IGNORE, hex_color
from gantool.data.images import Picture
from gantool.data.masks import encode_mask
from gantool.errors import DataError, GantoolError, UsageError
from gantool.predict.bands import loaded_size
from gantool.predict.load import open_segmenter, open_translator
from gantool.predict.segmenter import LabelMap, LoadedSegmenter
from gantool.predict.translator import Translator
from gantool.serve.limits import Refusal
from gantool.serve.models import ServedModel
from gantool.serve.workers.multipart import image_parts
from gantool.serve.workers.pictures import TYPES, Encoded, encoded, opened

__all__ = ["LABEL_FORMS", "LABEL_IMAGES", "Answer", "Bench", "Wish"]

LABEL_FORMS = ("mask", "overlay", "color", "json", "polygons")
"""What is answered of a label map."""
LABEL_IMAGES = ("mask", "overlay", "color")
"""Those that can stand in its JSON."""


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Attributes:
        do: ``translate``, ``segment``, or ``parts`` for where the images of a multipart body lie.
        model: the name that it is served under.
        to: the domain to translate to.
        form: ``image`` or ``json``; of label maps one of `LABEL_FORMS`.
        kind: format of the image, of `TYPES`; empty for that of the request.
        images: of `LABEL_IMAGES`, which the JSON holds.
        type: of the body.
    """

    do: str
    model: str = ""
    to: str = ""
    form: str = "image"
    kind: str = ""
    images: tuple[str, ...] = ()
    type: str = ""

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Wish:
        fields = json.loads(text)
        return cls(**fields | {"images": tuple(fields["images"])})


@dataclass(frozen=True)
class Answer:
    """The body of an answer, and what is told about it.

    Attributes:
        pixels: that were worked on.
        shares: of the classes, where the image was segmented.
    """

    data: bytes
    type: str
    pixels: int = 0
    shares: Mapping[str, float] | None = None


class Bench:
    """The models, loaded once, with what makes answers of them.

    Args:
        most_pixels: of an image, as it comes and as a segmenter sees it.
        device: as for ``--device``.
        trust: also run TorchScript and ``.pt2`` files that this user did not export here.

    Raises:
        GantoolError: a model cannot be loaded.
    """

    def __init__(
        self, models: Sequence[ServedModel], most_pixels: int, *, device: str = "auto", trust: bool = False
    ) -> None:
        self._most = most_pixels
        self._translators: dict[tuple[str, str], Translator] = {}
        self._segmenters: dict[str, LoadedSegmenter] = {}
        for model in models:
            for target in model.targets:
                made = open_translator(model.found, target, device=device, trust=trust, live=False)
                self._translators[model.name, target] = made
            if model.segments:
                self._segmenters[model.name] = open_segmenter(model.found, device=device, trust=trust, live=False)
        self._ways: Mapping[str, Callable[[Wish, bytes], Answer]] = {
            "translate": self._translate, "segment": self._segment, "parts": self._parts,
        }  # fmt: skip

    @property
    def device(self) -> str:
        """What the models run on."""
        devices = [one.device for one in self._translators.values()]
        devices += [one.device for one in self._segmenters.values()]
        return ", ".join(dict.fromkeys(devices))

    def answer(self, wish: Wish, body: bytes) -> Answer:
        """Answer a request.

        Raises:
            Refusal: why it is not.
        """
        try:
            return self._ways[wish.do](wish, body)
        except DataError as error:
            raise Refusal(422, str(error)) from None
        except UsageError:
            raise Refusal(413, "The image is too long and narrow for the model.") from None
        except MemoryError:
            raise Refusal(413, "The image takes more memory than there is for one.") from None
        except GantoolError:  # its words may name files of this machine
            raise Refusal(422, "The model cannot be run on this image.") from None

    def _parts(self, wish: Wish, body: bytes) -> Answer:
        return Answer(json.dumps(image_parts(body, wish.type)).encode(), "application/json")

    def _picture(self, wish: Wish, body: bytes) -> tuple[Picture, str]:
        if wish.type.startswith("multipart/"):
            parts = image_parts(body, wish.type)
            if len(parts) > 1:
                raise Refusal(400, "The multipart body has several files; send one, or all of them to a /batch/.")
            body = body[slice(*parts[0])]
        picture, kind = opened(body, self._most)
        return picture, wish.kind or kind

    def _translate(self, wish: Wish, body: bytes) -> Answer:
        picture, kind = self._picture(wish, body)
        translator = self._translators[wish.model, wish.to]
        translator.doubts(picture.pixels, "The image")
        made = encoded(translator(picture.pixels), kind, picture)
        height, width = picture.pixels.shape[:2]
        if wish.form == "image":
            return Answer(made.data, made.type, height * width)
        told = {"model": wish.model, "from": translator.source.name, "to": wish.to, "width": width, "height": height}
        return _told({**told, "image": _embedded(made)}, height * width)

    def _segment(self, wish: Wish, body: bytes) -> Answer:
        picture, kind = self._picture(wish, body)
        segmenter = self._segmenters[wish.model]
        height, width = picture.pixels.shape[:2]
        side = getattr(segmenter.predictor, "load_size", 0)
        high, wide = loaded_size(height, width, side)
        if high * wide > max(self._most, 4 * side * side):
            raise Refusal(413, "The image is too long and narrow for the model.")
        labels = segmenter(picture.pixels)
        if wish.form in LABEL_IMAGES:
            made = _label_image(wish.form, labels, picture, kind)
            return Answer(made.data, made.type, height * width, labels.shares)
        told = {"model": wish.model, "width": width, "height": height, **_legend(segmenter, labels)}
        if wish.images:
            told["images"] = {form: _embedded(_label_image(form, labels, picture, kind)) for form in wish.images}
        if wish.form == "polygons":
            told["polygons"] = _polygons(labels)
        return _told(told, height * width, labels.shares)


def _label_image(form: str, labels: LabelMap, picture: Picture, kind: str) -> Encoded:
    if form == "mask":
        return Encoded(encode_mask(labels.mask, labels.colors[:IGNORE]), TYPES["png"])
    if form == "color":
        return encoded(labels.color(), "png")
    return encoded(labels.overlay(picture.pixels), kind, picture)


def _legend(segmenter: LoadedSegmenter, labels: LabelMap) -> dict[str, Any]:
    shares = labels.shares
    classes = [
        {"name": one.name, "color": hex_color(one.color), "share": shares[one.name]} for one in segmenter.classes
    ]
    return {"shares": dict(shares), "classes": classes}


def _polygons(labels: LabelMap) -> list[dict[str, Any]]:
    """As labelme has them: painted in their order they give the label map back."""
    from gantool.data.regions.regions import find_regions
    from gantool.data.regions.simplify import simplified_outline

    regions = find_regions(labels.mask)
    return [
        {
            "label": labels.classes[region.index],
            "points": simplified_outline(regions, place, 0.0).tolist(),
        }
        for place, region in enumerate(regions.listed)
    ]


def _embedded(made: Encoded) -> dict[str, str]:
    return {"type": made.type, "base64": base64.b64encode(made.data).decode()}


def _told(tree: Mapping[str, Any], pixels: int, shares: Mapping[str, float] | None = None) -> Answer:
    return Answer(json.dumps(tree).encode(), "application/json", pixels, shares)
