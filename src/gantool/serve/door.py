"""Who may come in, and what every answer carries: the layer between the connections and the routes."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gantool.serve.limits import Refusal

__all__ = ["Door", "refused"]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


_DRAINED_SECONDS = 2.0
_DRAINED_BYTES = 256 * 10**6


def refused(refusal: Refusal) -> Response:
    """The answer to a request that is refused: one sentence, as JSON."""
    text = json.dumps({"error": refusal.sentence})
    return Response(text, refusal.status, dict(refusal.headers), "application/json")


class Door:
    """Lets in what comes from this server's own pages, or from programs, to a host that is meant, with the token.

    Args:
        hosts: names that requests may call this server by, besides addresses and ``localhost``.
        token: that is demanded; empty for none.
        open_paths: which need no token.
        known_paths: by which requests are counted; other paths are one.
        on_answer: called with path, status and seconds.
        on_mistake: called with the kind of an exception that no one thought of.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str] = (),
        token: str = "",
        open_paths: Collection[str] = (),
        known_paths: Collection[str] = (),
        on_answer: Callable[[str, int, float], None] = lambda path, status, seconds: None,
        on_mistake: Callable[[str], None] = lambda kind: None,
    ) -> None:
        self._app = app
        self._hosts = {name.lower().rstrip(".") for name in hosts}
        self._token = token.encode()
        self._open, self._known = open_paths, known_paths
        self._on_answer, self._on_mistake = on_answer, on_mistake
        self.closing = False
        """Set when the server stops: answers then tell clients not to use their connections again."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started, status = time.perf_counter(), 0

        body = _Incoming(scope, receive)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start" and message["status"] >= 400:
                await body.drain()
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                for name, value in _HEADERS.items():
                    headers[name] = value
                if self.closing:
                    headers["Connection"] = "close"
                message["headers"] = headers.raw
            await send(message)

        try:
            self._look_at(scope)
            await self._app(scope, body.receive, answer)
        except Refusal as refusal:
            await refused(refusal)(scope, body.receive, answer)
        except Exception as error:
            self._on_mistake(type(error).__name__)
            if status:
                raise  # it has begun already; the connection is closed, so that no one takes it for whole
            await refused(Refusal(500, "Something went wrong here."))(scope, body.receive, answer)
        finally:
            path = scope["path"] if scope["path"] in self._known else "other"
            self._on_answer(path, status, time.perf_counter() - started)

    def _look_at(self, scope: Scope) -> None:
        """Refuse what may not come in.

        Raises:
            Refusal: why.
        """
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._is_meant(host):
            raise Refusal(421, "This server does not answer to that name; see gantool serve --allow-host.")
        if scope["method"] not in ("GET", "HEAD"):
            _require_same_site(headers, host)
        if self._token and scope["path"] not in self._open:
            self._require_token(headers)

    def _is_meant(self, host: str) -> bool:
        """Whether a Host header names this server. Names can be made to point here (DNS rebinding), addresses not."""
        name = _name_of(host)
        if name in ("localhost", *self._hosts):
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _require_token(self, headers: Headers) -> None:
        kind, _, given = headers.get("authorization", "").partition(" ")
        # Compared in a time that does not tell how much of it is right.
        if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token):
            raise Refusal(401, "This server asks for its token.", {"WWW-Authenticate": 'Bearer realm="gantool"'})


class _Incoming:
    """The body of a request on its way in. A client that still sends one does not read, and where its connection is
    closed meanwhile it never gets to read why; so what is left of a refused body is taken, and thrown away.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        said = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        self._receive = receive
        self._left = said and headers.get("expect", "").lower() != "100-continue"  # who waits, sends nothing

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._left = False
        return message

    async def drain(self) -> None:
        taken = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAINED_SECONDS):
                while self._left and taken < _DRAINED_BYTES:
                    taken += len((await self.receive()).get("body", b""))


def _name_of(host: str) -> str:
    """A Host header without its port, in lower case; empty for what is none."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return ""
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        return ""
    return (parts.hostname or "").rstrip(".")


def _require_same_site(headers: Headers, host: str) -> None:
    """Refuse what a page of another site sends; browsers say where a request comes from, programs say nothing."""
    origin = headers.get("origin")
    if origin is not None:
        try:
            same = urlsplit(origin).netloc.lower() == host.lower()
        except ValueError:
            same = False
        if not same:
            raise Refusal(403, "Requests from pages of other sites are not answered.")
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise Refusal(403, "Requests from pages of other sites are not answered.")
