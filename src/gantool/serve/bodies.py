"""The bodies of requests: read into memory, never onto the disk, and with bounds on each and on all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

from gantool.serve.limits import Limits, Refusal

__all__ = ["Bodies"]


class Bodies:
    """Reads bodies, and knows how many bytes of them are in memory."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.held = 0

    @asynccontextmanager
    async def of(self, request: Request, *, batch: bool = False) -> AsyncIterator[bytearray]:
        """Yield the body of a request.

        Raises:
            Refusal: it is empty, too large, too slow, or there is no room for it.
        """
        most = self._limits.body * (self._limits.batch_bodies if batch else 1)
        body = bytearray()
        try:
            try:
                if _announced(request) > most:
                    raise _too_large(most)
                await asyncio.wait_for(self._read(request, body, most), self._limits.upload)
            except TimeoutError:
                raise Refusal(408, f"The body did not come within {self._limits.upload:g} seconds.") from None
            except ClientDisconnect:
                raise Refusal(400, "The body did not come to its end.") from None
            if not body:
                raise Refusal(400, "The request has no body: send the image in it.")
            yield body
        finally:
            self.held -= len(body)

    async def _read(self, request: Request, body: bytearray, most: int) -> None:
        async for chunk in request.stream():
            if len(body) + len(chunk) > most:
                raise _too_large(most)
            if self.held + len(chunk) > self._limits.bodies:
                raise Refusal(429, "Too many large requests are under way; try again in a moment.",
                              {"Retry-After": "5"})  # fmt: skip
            self.held += len(chunk)
            body += chunk


def _announced(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() else 0


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"The body is larger than {most / 10**6:g} MB.")
