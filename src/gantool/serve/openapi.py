"""The OpenAPI document of the server, and a page that shows it without anything from elsewhere."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gantool._version import __version__
from gantool.serve.limits import Limits
from gantool.serve.workers.pictures import TYPES
from gantool.serve.workers.work import LABEL_FORMS, LABEL_IMAGES

__all__ = ["document", "reference_page"]

Tree = dict[str, Any]

_BINARY: Tree = {"schema": {"type": "string", "format": "binary"}}
_JSON: Tree = {"application/json": {"schema": {"type": "object"}}}
_REFUSALS = {
    "400": "The query, the multipart body or the image cannot be understood.",
    "401": "The token is missing or wrong.",
    "403": "The request comes from a page of another site.",
    "404": "There is no such model, or it does not do that.",
    "406": "No type that the Accept header allows can be answered.",
    "408": "The body came too slowly.",
    "413": "The body is too large, or the image has too many pixels.",
    "415": "The body is not an image in a format that is read.",
    "421": "The Host header is not a name of this server.",
    "422": "The model cannot be run on the image.",
    "429": "Too many requests wait already.",
    "503": "No worker was free in time.",
    "504": "The image took too long.",
}


def document(limits: Limits, *, needs_token: bool) -> Tree:
    """The OpenAPI 3.1 document."""
    size = f"At most {limits.body / 10**6:g} MB and {limits.pixels / 10**6:g} million pixels."
    sizes = f"At most {limits.batch} images and {limits.batch_bodies * limits.body / 10**6:g} MB together."
    to = _parameter("to", "The domain to translate to, such as `winter`.", required=True)
    translate = [to, _model("translates to it"), _form(("image", "json")), _format()]
    segment = [
        _model("segments"), _form(LABEL_FORMS), _format(),
        _parameter("images", "With `as=json` or `polygons`: images that the JSON holds, separated by commas, of "
                   f"{', '.join(LABEL_IMAGES)}."),
    ]  # fmt: skip
    image = dict.fromkeys(TYPES.values(), _BINARY) | _JSON
    archive = {"application/zip": _BINARY}
    tree: Tree = {
        "openapi": "3.1.0",
        "info": {
            "title": "gantool serve",
            "version": __version__,
            "description": "Translates and segments pictures. Every answer that is no result is JSON with one "
            "sentence under `error`.",
        },
        "paths": {
            "/translate": _post("Translate an image into another domain", size, translate, _one(), image),
            "/segment": _post("Tell the class of every pixel", size, segment, _one(), image),
            "/batch/translate": _post(
                "Translate several images; answers a zip", sizes, translate, _several(), archive
            ),
            "/batch/segment": _post("Segment several images; answers a zip", sizes, segment, _several(), archive),
            "/models": _get("The models that are served, with directions and classes", _JSON),
            "/metrics": _get("Counters in the text format of Prometheus", {"text/plain": {}}),
            "/health": _get("Whether the server answers", _JSON, is_open=True),
            "/openapi.json": _get("This document", _JSON, is_open=True),
        },
    }
    if needs_token:
        tree["components"] = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
        tree["security"] = [{"token": []}]
    return tree


def _post(summary: str, size: str, parameters: list[Tree], body: Tree, content: Tree) -> Tree:
    refusals = {status: {"description": about, "content": _JSON} for status, about in _REFUSALS.items()}
    return {
        "post": {
            "summary": summary,
            "description": size,
            "parameters": parameters,
            "requestBody": {"required": True, "content": body},
            "responses": {"200": {"description": "Done", "content": content}, **refusals},
        }
    }


def _get(summary: str, content: Tree, *, is_open: bool = False) -> Tree:
    tree: Tree = {"summary": summary, "responses": {"200": {"description": "Done", "content": content}}}
    return {"get": tree | ({"security": []} if is_open else {})}


def _parameter(name: str, about: str, *, required: bool = False, values: tuple[str, ...] = ()) -> Tree:
    schema: Tree = {"type": "string"} | ({"enum": list(values)} if values else {})
    return {"name": name, "in": "query", "required": required, "description": about, "schema": schema}


def _model(verb: str) -> Tree:
    return _parameter("model", f"The name of a model, of `/models`. Default: the first that {verb}.")


def _form(forms: tuple[str, ...]) -> Tree:
    return _parameter(
        "as", f"What is answered. Default: what the Accept header prefers, or {forms[0]}.", values=forms
    )


def _format() -> Tree:
    return _parameter("format", "Of an image that is answered. Default: that of the request's.", values=tuple(TYPES))


def _one() -> Tree:
    return {"image/*": _BINARY, "application/octet-stream": _BINARY, "multipart/form-data": _form_data({
        "image": {"type": "string", "format": "binary"},
    })}  # fmt: skip


def _several() -> Tree:
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    return {"multipart/form-data": _form_data({"image": files})}


def _form_data(properties: Tree) -> Tree:
    return {"schema": {"type": "object", "properties": properties, "required": list(properties)}}


def reference_page(tree: Tree) -> str:
    """The document as a page, without scripts."""
    environment = Environment(
        loader=PackageLoader("gantool.serve"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("reference.html").render(api=tree)
