"""The addresses of the server, and what each of them does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gantool._version import __version__
from gantool.data.sample import draw_scene
from gantool.serve.batch import zipped
from gantool.serve.bodies import Bodies
from gantool.serve.door import Door, refused
from gantool.serve.limits import Limits, Refusal
from gantool.serve.metrics import Metrics
from gantool.serve.models import Shelf
from gantool.serve.openapi import document, reference_page
from gantool.serve.wishes import body_type, read_wish
from gantool.serve.workers.pictures import encoded
from gantool.serve.workers.pool import Pool
from gantool.serve.workers.work import Answer, Wish

__all__ = ["make_app"]

_STATIC: Mapping[str, str] = {
    "app.js": "text/javascript; charset=utf-8", "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}  # fmt: skip
_SENTENCES = {404: "There is nothing at this address; GET /docs lists what there is.",
              405: "This address does not take that method; GET /docs lists what it takes."}  # fmt: skip

_SCENE, _HEALTH = "/static/scene.jpg", "/health"

Handler = Callable[[Request], Awaitable[Response]]


def make_app(
    pool: Pool, shelf: Shelf, limits: Limits, metrics: Metrics, *, token: str = "", hosts: Collection[str] = ()
) -> Door:
    """The whole server as an ASGI application."""
    desk = _Desk(pool, shelf, limits, metrics)
    pages = _pages(limits, needs_token=bool(token))
    routes = [Route(path, _constant(*page)) for path, page in pages.items()]
    routes += [
        Route(_SCENE, _answer_scene),
        Route(_HEALTH, desk.health),
        Route("/models", desk.models),
        Route("/metrics", desk.metrics_text),
        Route("/translate", desk.one("translate"), methods=["POST"]),
        Route("/segment", desk.one("segment"), methods=["POST"]),
        Route("/batch/translate", desk.many("translate"), methods=["POST"]),
        Route("/batch/segment", desk.many("segment"), methods=["POST"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_route, Refusal: _refusal})
    app.router.redirect_slashes = False
    return Door(
        app, hosts=hosts, token=token, open_paths=frozenset({*pages, _SCENE, _HEALTH}),
        known_paths=frozenset(route.path for route in routes),
        on_answer=metrics.request, on_mistake=metrics.mistake,
    )  # fmt: skip


class _Desk:
    """Takes requests for images to the workers."""

    def __init__(self, pool: Pool, shelf: Shelf, limits: Limits, metrics: Metrics) -> None:
        self._pool, self._shelf, self._limits, self._metrics = pool, shelf, limits, metrics
        self._bodies = Bodies(limits)

    async def health(self, request: Request) -> Response:
        if not self._pool.running:
            raise Refusal(503, "No worker is running.", {"Retry-After": "5"})
        return _json({"status": "ok", "version": __version__})

    async def models(self, request: Request) -> Response:
        return _json({"models": [model.about() for model in self._shelf.models]})

    async def metrics_text(self, request: Request) -> Response:
        now = {
            "workers": self._pool.running,
            "workers_idle": self._pool.idle,
            "requests_waiting": self._pool.waiting,
            "body_bytes": self._bodies.held,
        }
        return Response(self._metrics.text(now), media_type="text/plain; version=0.0.4")

    def one(self, do: str) -> Handler:
        """What answers a request with one image."""

        async def answer(request: Request) -> Response:
            wish = replace(read_wish(request, do, self._shelf), type=body_type(request))
            async with self._bodies.of(request) as body:
                made = await self._pool.run(wish, body)
            self._metrics.image(made.pixels)
            return Response(made.data, media_type=made.type, headers={"Vary": "Accept"})

        return answer

    def many(self, do: str) -> Handler:
        """What answers a request with several images."""

        async def answer(request: Request) -> Response:
            wish, type_ = read_wish(request, do, self._shelf), body_type(request)
            if not type_.startswith("multipart/"):
                raise Refusal(415, "Send the images as the files of multipart/form-data.")
            stack = AsyncExitStack()
            body = await stack.enter_async_context(self._bodies.of(request, batch=True))
            try:
                parts = json.loads((await self._pool.run(Wish("parts", type=type_), body)).data)
                if len(parts) > self._limits.batch:
                    raise Refusal(413, f"The batch has more than {self._limits.batch} images.")
            except BaseException:
                await stack.aclose()
                raise
            return StreamingResponse(
                self._zip(wish, body, parts, stack), media_type="application/zip",
                headers={"Content-Disposition": f'attachment; filename="{do}.zip"'},
            )  # fmt: skip

        return answer

    async def _zip(
        self, wish: Wish, body: bytearray, parts: list[tuple[int, int]], stack: AsyncExitStack
    ) -> AsyncIterator[bytes]:
        def count(made: Answer) -> None:
            self._metrics.image(made.pixels)

        async with stack:
            async for chunk in zipped(self._pool, wish, body, parts, count):
                yield chunk


def _pages(limits: Limits, *, needs_token: bool) -> dict[str, tuple[bytes, str]]:
    """All that is the same for everyone, by path; there is no way from a path to a file."""
    folder = Path(__file__).with_name("static")
    openapi = document(limits, needs_token=needs_token)
    pages = {f"/static/{name}": ((folder / name).read_bytes(), type_) for name, type_ in _STATIC.items()}
    pages["/"] = (folder / "index.html").read_bytes(), "text/html; charset=utf-8"
    pages["/docs"] = reference_page(openapi).encode(), "text/html; charset=utf-8"
    pages["/openapi.json"] = json.dumps(openapi, indent=2).encode(), "application/json"
    return pages


@cache
def _scene() -> bytes:
    """A picture of our own for those who have none at hand; it takes half a second, so it waits for the first one."""
    return encoded(draw_scene(4, size=(960, 640)).summer, "jpg").data


async def _answer_scene(request: Request) -> Response:
    return Response(await asyncio.to_thread(_scene), media_type="image/jpeg")


def _constant(content: bytes, type_: str) -> Handler:
    async def answer(request: Request) -> Response:
        return Response(content, media_type=type_)

    return answer


def _json(tree: object) -> Response:
    return Response(json.dumps(tree), media_type="application/json")


async def _refusal(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return refused(refusal)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = _SENTENCES.get(error.status_code, "The request cannot be answered.")
    return refused(Refusal(error.status_code, sentence, error.headers or {}))
