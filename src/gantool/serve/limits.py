"""How much the server takes, and what it says to what it does not take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gantool.errors import UsageError

__all__ = ["Limits", "Refusal"]

_MOST = 10**10


@dataclass(frozen=True)
class Limits:
    """What one request may ask for, and all of them together.

    Attributes:
        body: bytes of the body of a request; those of a batch are `batch_bodies` times as many.
        pixels: of an image, as it comes and as a model sees it.
        queue: requests that wait for a worker.
        seconds: that a request waits for a worker, and that a worker takes for an image.
        batch: images of a batch.
        upload: seconds until the whole body must have come.
        download: seconds in which a client has to read 64 KiB of its answer.
        headers: seconds until the headers must have come, or the next request of a connection.
        connections: that are open at the same time.
        bodies: bytes of all bodies that are in memory.

    Raises:
        UsageError: a number that allows nothing.
    """

    body: int = 32 * 10**6
    pixels: int = 50 * 10**6
    queue: int = 64
    seconds: float = 30.0
    batch: int = 64
    upload: float = 30.0
    download: float = 30.0
    headers: float = 10.0
    connections: int = 256
    batch_bodies: int = 4

    def __post_init__(self) -> None:
        for option, value in (
            ("--max-body", self.body), ("--max-pixels", self.pixels), ("--queue", self.queue),
            ("--seconds", self.seconds),
        ):  # fmt: skip
            if not 0 < value <= _MOST:
                raise UsageError(f"{option}: expected more than 0, and no more than anything takes.")

    @property
    def bodies(self) -> int:
        return 2 * self.batch_bodies * self.body

    @property
    def whole(self) -> float:
        """Seconds after which a connection is cut whose request has not come to an end, whoever is the slow one."""
        return self.upload + self.batch * self.seconds


@dataclass
class Refusal(Exception):  # noqa: N818 -- an answer rather than an error of ours
    """A request that is not answered as it was meant to be.

    Attributes:
        status: of HTTP.
        sentence: one, which says what is wrong, without anything of this machine.
    """

    status: int
    sentence: str
    headers: Mapping[str, str] = field(default_factory=dict)
