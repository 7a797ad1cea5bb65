"""The workers: who waits for one, who has one, and what happens to one that takes too long."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, Any

from gantool.errors import ModelError
from gantool.serve.limits import Refusal
from gantool.serve.workers.process import Setup, main

Buffer = bytes | bytearray | memoryview

if TYPE_CHECKING:
    from gantool.serve.workers.work import Answer, Wish

__all__ = ["Pool"]

_START = 300.0  # seconds for loading the models
_PATIENCE = (0.0, 1.0, 5.0, 30.0)  # seconds before a worker that died is started again; the last one for good


class _Worker:
    """One process and this end of its pipe. Its methods wait, so they are called in threads."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def start(self) -> str:
        """Start the process; returns the device once its models are loaded.

        Raises:
            ModelError: they cannot be.
        """
        self.kill()
        context = multiprocessing.get_context("spawn")
        ours, its = context.Pipe()
        self._pipe = ours
        self._process = context.Process(target=main, args=(its, self._setup), name="gantool-worker", daemon=True)
        self._process.start()
        its.close()
        try:
            said = json.loads(ours.recv_bytes()) if ours.poll(_START) else {"error": "A worker does not start."}
        except (EOFError, OSError):
            said = {"error": "A worker ended while it loaded the models."}
        if "error" in said:
            self.kill()
            raise ModelError(said["error"])
        return str(said["device"])

    def exchange(self, wish: bytes, body: Buffer) -> tuple[dict[str, Any], bytes]:
        """Hand over a request and wait for the answer.

        Raises:
            EOFError, OSError: the process is gone.
        """
        assert self._pipe is not None
        self._pipe.send_bytes(wish)
        self._pipe.send_bytes(body)
        return json.loads(self._pipe.recv_bytes()), self._pipe.recv_bytes()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def stop(self) -> None:
        """Let it end by itself, or else not."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.join(2.0)
            self.kill()


class Pool:
    """Workers that requests take turns at.

    Args:
        on_restart: called for each worker that had to be started again.
        on_mistake: called with the kind of an exception that an image led to.
    """

    def __init__(
        self,
        setup: Setup,
        count: int,
        *,
        on_restart: Callable[[], None] = lambda: None,
        on_mistake: Callable[[str], None] = lambda kind: None,
    ) -> None:
        self.count = count
        self.device = ""
        self._limits = setup.limits
        self._workers = [_Worker(setup) for _ in range(count)]
        self._idle: list[_Worker] = []
        self._missing = 0
        self._line: deque[asyncio.Future[_Worker]] = deque()
        self._threads = ThreadPoolExecutor(count, "gantool-pipe")
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_restart, self._on_mistake = on_restart, on_mistake

    @property
    def waiting(self) -> int:
        """Requests that wait for a worker."""
        return sum(not one.done() for one in self._line)

    @property
    def idle(self) -> int:
        """Workers that wait for a request."""
        return len(self._idle)

    @property
    def running(self) -> int:
        """Workers that there are, idle or not."""
        return self.count - self._missing

    async def start(self) -> None:
        """Start all workers; returns when all have loaded their models.

        Raises:
            ModelError: one cannot.
        """
        loop = asyncio.get_running_loop()
        started = [loop.run_in_executor(self._threads, worker.start) for worker in self._workers]
        devices = await asyncio.gather(*started)
        self.device = devices[0]
        self._idle = list(self._workers)

    def stop_now(self) -> None:
        """End all workers; what they work on is lost."""
        for worker in self._workers:
            worker.stop()
        self._threads.shutdown(wait=False)

    async def run(self, wish: Wish, body: Buffer) -> Answer:
        """Have a request answered by the next worker that is free.

        Raises:
            Refusal: it is refused, there is no room in the line, or it takes too long.
        """
        worker = await self._take()
        task = asyncio.create_task(self._work(worker, wish, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)  # whoever asked may leave; the worker has to come back nevertheless

    async def _take(self) -> _Worker:
        if self._idle:
            return self._idle.pop()
        if self.waiting >= self._limits.queue:
            raise Refusal(429, "Too many requests wait already; try again in a moment.", {"Retry-After": "2"})
        turn: asyncio.Future[_Worker] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await asyncio.wait({turn}, timeout=self._limits.seconds)
        except asyncio.CancelledError:
            if turn.done():
                self._give_back(turn.result())
            turn.cancel()
            raise
        if turn.done():
            return turn.result()
        turn.cancel()
        raise Refusal(503, "No worker was free in time; try again in a moment.", {"Retry-After": "5"})

    def _give_back(self, worker: _Worker) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(worker)
                return
        self._idle.append(worker)

    async def _work(self, worker: _Worker, wish: Wish, body: Buffer) -> Answer:
        from gantool.serve.workers.work import Answer

        loop = asyncio.get_running_loop()
        coming = loop.run_in_executor(self._threads, worker.exchange, wish.to_json(), body)
        await asyncio.wait({coming}, timeout=self._limits.seconds)
        if not coming.done():
            worker.kill()
            with suppress(EOFError, OSError):
                await coming
            self._replace(worker)
            raise Refusal(504, f"The image took longer than {self._limits.seconds:g} seconds.")
        try:
            head, data = coming.result()
        except (EOFError, OSError):
            self._replace(worker)
            raise Refusal(503, "The worker that had the image ended; another one takes its place.") from None
        self._give_back(worker)
        if head["status"] != 200:
            if "kind" in head:
                self._on_mistake(str(head["kind"]))
            raise Refusal(head["status"], head["sentence"])
        return Answer(data, head["type"], head["pixels"], head["shares"])

    def _replace(self, worker: _Worker) -> None:
        task = asyncio.create_task(self._start_again(worker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start_again(self, worker: _Worker) -> None:
        """Start a worker that is gone; as long as it does not start, it is left out."""
        self._on_restart()
        self._missing += 1
        tries = 0
        while True:
            await asyncio.sleep(_PATIENCE[min(tries, len(_PATIENCE) - 1)])
            tries += 1
            with suppress(ModelError):
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._threads, worker.start)
                self._missing -= 1
                self._give_back(worker)
                return
