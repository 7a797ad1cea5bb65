"""Connections that are cut when their client is too slow, and that lose no request when the server stops."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from gantool.serve.limits import Limits

__all__ = ["connections_with"]

_LEAST_READ = 2**16  # bytes of an answer that a client takes within `Limits.download`, as long as more are to come
_SYSTEM_KEEPS = 2**17  # bytes of an answer that are on their way
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
        self._reading: asyncio.TimerHandle | None = None  # until the client has to have read some
        self._unread = float("inf")  # bytes, when the clock last ran out
        self._works = False  # whether the clock is that of a request whose headers have come
        self._is_last = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # The system would take megabytes, and only a third of them having been read would be seen here.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SYSTEM_KEEPS)
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

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop(self._reading)

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
        self._stop(self._clock)
        self._stop(self._reading)
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
        self._stop(self._clock)
        self._works = works
        seconds = self.limits.whole if works else self.limits.headers
        self._unread = float("inf")
        self._clock = self.loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        """Cut the connection, unless all that is under way is an answer that its client takes its time to read."""
        unread = self.transport.get_write_buffer_size()
        if self._works or not 0 < unread < self._unread:
            self.transport.abort()
            return
        self._unread = unread
        self._clock = self.loop.call_later(self.limits.headers, self._expire)

    def _expect_reader(self, before: float = float("inf")) -> None:
        """Cut the connection when its client has not read enough after a while, and again after the next one."""

        def look() -> None:
            unread = self.transport.get_write_buffer_size()
            if before - unread < _LEAST_READ:
                self.transport.abort()
            else:
                self._expect_reader(unread)

        self._reading = self.loop.call_later(self.limits.download, look)

    @staticmethod
    def _stop(clock: asyncio.TimerHandle | None) -> None:
        if clock is not None:
            clock.cancel()
