"""What a request asks for, read from its query and its Accept header; its path and its files' names say nothing."""

from __future__ import annotations

from starlette.requests import Request

from gantool.errors import closest
from gantool.serve.limits import Refusal
from gantool.serve.models import Shelf
from gantool.serve.workers.pictures import TYPES
from gantool.serve.workers.work import LABEL_FORMS, LABEL_IMAGES, Wish

__all__ = ["body_type", "read_wish"]

_LONGEST = 200  # characters of a value
_BODIES = ("multipart/form-data", "application/octet-stream", "")
_KIND_OF = {type_: kind for kind, type_ in TYPES.items()}


def read_wish(request: Request, do: str, shelf: Shelf) -> Wish:
    """What a request to translate or to segment asks for.

    Raises:
        Refusal: it cannot be understood, or not be had.
    """
    known = {"translate": ("to", "model", "as", "format"), "segment": ("model", "as", "format", "images")}[do]
    values = _values(request, known)
    kind = _format(values.get("format", ""))
    form = values.get("as", "")
    if not form:
        form, accepted = _accepted(request.headers.get("accept", ""), do)
        kind = kind or accepted
    if do == "translate":
        _require(form, ("image", "json"), "as")
        to = values.get("to", "")
        model = shelf.translator(to, values.get("model", ""))
        return Wish(do, model.name, to, form, kind)
    _require(form, LABEL_FORMS, "as")
    images = tuple(dict.fromkeys(filter(None, values.get("images", "").split(","))))
    for image in images:
        _require(image, LABEL_IMAGES, "images")
    return Wish(do, shelf.segmenter(values.get("model", "")).name, "", form, kind, images)


def body_type(request: Request) -> str:
    """The type of a body, which is an image or holds one.

    Raises:
        Refusal: it says that it is something else.
    """
    said = request.headers.get("content-type", "")
    kind = said.partition(";")[0].strip().lower()
    if kind not in _BODIES and not kind.startswith("image/"):
        raise Refusal(
            415,
            "Send the image itself with a Content-Type such as image/jpeg, or multipart/form-data with it as a file.",
        )
    return said.strip() if kind == "multipart/form-data" else kind


def _values(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise Refusal(400, f"The query has a name that means nothing here. {closest(name, known)}".strip())
        if name in values:
            raise Refusal(400, f"The query has {name} twice.")
        if len(value) > _LONGEST:
            raise Refusal(400, f"The query's {name} is too long.")
        values[name] = value
    return values


def _require(value: str, known: tuple[str, ...], name: str) -> None:
    if value not in known:
        raise Refusal(400, f"The query's {name} is unknown. {closest(value, known)}".strip())


def _format(text: str) -> str:
    kind = "jpg" if text == "jpeg" else text
    if kind:
        _require(kind, tuple(TYPES), "format")
    return kind


def _accepted(header: str, do: str) -> tuple[str, str]:
    """Form and format that an Accept header prefers (RFC 9110, 12.5.1); the first of equals."""
    image = "image" if do == "translate" else "mask"
    offers = [("*/*", (image, "")), ("image/*", (image, "")), ("application/json", ("json", ""))]
    # Masks are PNG whatever is preferred, so only PNG brings one.
    offers += [(type_, (image, kind)) for type_, kind in _KIND_OF.items() if do == "translate" or kind == "png"]
    known = dict(offers)
    best, most = (image, ""), 0.0
    for entry in header.split(",") if header.strip() else ["*/*"]:
        type_, *parameters = (part.strip().lower() for part in entry.split(";"))
        weight = next((_weight(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
        if type_ in known and weight > most:
            best, most = known[type_], weight
    if most == 0:
        raise Refusal(406, "The answer can be image/jpeg, image/png, image/webp or application/json.")
    return best


def _weight(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value <= 1 else 0.0
