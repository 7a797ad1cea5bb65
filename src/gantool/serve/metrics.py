"""What the server counts, in the text format of Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gantool._version import __version__

__all__ = ["Metrics"]

_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds


@dataclass
class _Times:
    """How long requests took, as a histogram."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.total += seconds


class Metrics:
    """Counts requests by the paths that there are; all others are one."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._times: dict[str, _Times] = {}
        self.images, self.pixels, self.restarts = 0, 0, 0
        self.mistakes: Counter[str] = Counter()

    def request(self, path: str, status: int, seconds: float) -> None:
        self._requests[path, status] += 1
        self._times.setdefault(path, _Times()).add(seconds)

    def image(self, pixels: int) -> None:
        self.images += 1
        self.pixels += pixels

    def restart(self) -> None:
        self.restarts += 1

    def mistake(self, kind: str) -> None:
        self.mistakes[kind if kind.isidentifier() else "other"] += 1

    def text(self, now: Mapping[str, float]) -> str:
        """All of it.

        Args:
            now: numbers that go up and down, by name.
        """
        return "\n".join([*self._lines(now), ""])

    def _lines(self, now: Mapping[str, float]) -> Iterator[str]:
        yield from _head("gantool_info", "gauge", "The version that runs.")
        yield f'gantool_info{{version="{__version__}"}} 1'
        yield from _head("gantool_requests_total", "counter", "Requests by path and status.")
        for (path, status), count in sorted(self._requests.items()):
            yield f'gantool_requests_total{{path="{path}",status="{status}"}} {count}'
        yield from _head("gantool_request_seconds", "histogram", "From the headers of a request to its answer's end.")
        for path, times in sorted(self._times.items()):
            yield from _histogram(path, times)
        for name, value, about in (
            ("images", self.images, "Images that were answered."),
            ("pixels", self.pixels, "Their pixels."),
            ("worker_restarts", self.restarts, "Workers that were killed or ended, and started again."),
        ):
            yield from _head(f"gantool_{name}_total", "counter", about)
            yield f"gantool_{name}_total {value}"
        yield from _head("gantool_mistakes_total", "counter", "Exceptions that no one thought of, by their kind.")
        for kind, count in sorted(self.mistakes.items()):
            yield f'gantool_mistakes_total{{kind="{kind}"}} {count}'
        for name, number in now.items():
            yield from _head(f"gantool_{name}", "gauge", f"{name.replace('_', ' ').capitalize()}, now.")
            yield f"gantool_{name} {number:g}"


def _head(name: str, kind: str, about: str) -> tuple[str, str]:
    return f"# HELP {name} {about}", f"# TYPE {name} {kind}"


def _histogram(path: str, times: _Times) -> Iterator[str]:
    so_far = 0
    for bound, count in zip((*map("{:g}".format, _BOUNDS), "+Inf"), times.counts, strict=True):
        so_far += count
        yield f'gantool_request_seconds_bucket{{path="{path}",le="{bound}"}} {so_far}'
    yield f'gantool_request_seconds_sum{{path="{path}"}} {times.total:.6f}'
    yield f'gantool_request_seconds_count{{path="{path}"}} {so_far}'
