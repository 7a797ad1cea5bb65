"""Many images in one request: a zip that is sent while it is made, so that memory holds only what is under way."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from gantool.serve.limits import Refusal
from gantool.serve.workers.pictures import TYPES
from gantool.serve.workers.pool import Pool
from gantool.serve.workers.work import Answer, Wish

__all__ = ["zipped"]

_SUFFIXES = {type_: kind for kind, type_ in TYPES.items()} | {"application/json": "json"}


class _Chunks(io.RawIOBase):
    """A file that cannot be searched, whose content is taken away again and again."""

    def __init__(self) -> None:
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._data += data
        return len(data)

    def taken(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


async def zipped(
    pool: Pool, wish: Wish, body: bytearray, parts: Sequence[tuple[int, int]], on_image: Callable[[Answer], None]
) -> AsyncIterator[bytes]:
    """Yield a zip with an answer to each image, in their order, and ``results.json``.

    Its files are called by their place, since no name is taken from a request. An image that fails has none, and its
    sentence stands in ``results.json``.

    Args:
        parts: where the images lie in the body.
        on_image: called with each answer.
    """
    chunks = _Chunks()
    results: list[dict[str, Any]] = []
    with zipfile.ZipFile(chunks, "w", zipfile.ZIP_STORED) as file:
        async for place, made in _in_order(pool, wish, body, parts):
            results.append(_entry(place, made, wish, file, on_image))
            yield chunks.taken()
        file.writestr("results.json", json.dumps({"images": results}, indent=2))
    yield chunks.taken()


def _entry(
    place: int, made: Answer | Refusal, wish: Wish, file: zipfile.ZipFile, on_image: Callable[[Answer], None]
) -> dict[str, Any]:
    if isinstance(made, Refusal):
        return {"image": place, "status": made.status, "error": made.sentence}
    on_image(made)
    mark = wish.to if wish.do == "translate" else wish.form
    name = f"{place:04}.{_plain(mark)}.{_SUFFIXES[made.type]}".replace(".json.json", ".json")
    file.writestr(name, made.data)
    told = {"image": place, "status": 200, "file": name}
    return told if made.shares is None else {**told, "shares": dict(made.shares)}


def _plain(mark: str) -> str:
    return "".join(one if one.isalnum() or one in "-_" else "_" for one in mark)


async def _in_order(
    pool: Pool, wish: Wish, body: bytearray, parts: Sequence[tuple[int, int]]
) -> AsyncIterator[tuple[int, Answer | Refusal]]:
    """What became of each image, from 1 on; as many are under way as there are workers."""
    view = memoryview(body)
    waiting = deque(enumerate(parts, 1))
    begun: deque[tuple[int, asyncio.Task[Answer | Refusal]]] = deque()
    try:
        while waiting or begun:
            while waiting and len(begun) < pool.count:
                place, (start, stop) = waiting.popleft()
                begun.append((place, asyncio.create_task(_one(pool, wish, view[start:stop]))))
            place, task = begun.popleft()
            yield place, await task
    finally:
        for _, task in begun:
            task.cancel()


async def _one(pool: Pool, wish: Wish, image: memoryview) -> Answer | Refusal:
    try:
        return await pool.run(wish, image)
    except Refusal as refusal:
        return refusal
