"""Connections that are cut when their client is too slow, and that lose no request when the server stops."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from gantool.serve.limits import Limits

__all__ = ["connections_with"]

_LINGER = 0.5  # seconds in which a connection may still get a request that was on its way when the server stopped
_SENTENCE = b'{"error": "Too many connections are open; try again in a moment."}'
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Retry-After: 5\r\nContent-Length: %d\r\n\r\n%s" % (len(_SENTENCE), _SENTENCE)
)


def connections_with(limits: Limits) -> type[H11Protocol]:
    """The protocol of connections that keep to these limits."""
    return type("Connection", (_Connection,), {"limits": limits})


class _Connection(H11Protocol):
    limits: Limits

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._clock: asyncio.TimerHandle | None = None
        self._works = False  # whether the clock is that of a request whose headers have come
        self._is_last = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.write(_FULL)
            transport.close()
            return
        self._set_clock(works=False)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_last and self.cycle is not None:
            self.cycle.keep_alive = False
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Of the base class, which fails for HEAD, and where an answer has begun already."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._clock is not None:
            self._clock.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """See the module: what is on its way to an idle connection is still answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            super().shutdown()
            return
        self._is_last = True
        self.loop.call_later(_LINGER, self._end)

    def _end(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()

    def _watch(self) -> None:
        works = self.cycle is not None and not self.cycle.response_complete
        if works != self._works:
            self._set_clock(works=works)

    def _set_clock(self, *, works: bool) -> None:
        if self._clock is not None:
            self._clock.cancel()
        self._works = works
        seconds = self.limits.whole if works else self.limits.headers
        self._clock = self.loop.call_later(seconds, self.transport.abort)
