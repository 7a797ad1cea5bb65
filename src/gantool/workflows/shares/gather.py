"""Measuring as shares: every share measures its images, and the last one puts together what all have counted.

The same code runs in both: it loops over `Gather.places` and hands what it counted with to `Gather.whole`. A share's
loops go over its own places and end there; the last one's go over nothing, since `whole` fills in what was counted.
One process alone loops over all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from gantool.errors import DataError
from gantool.metrics.estimates import ImageRow
from gantool.shards.members import file_facts
from gantool.workflows.shares.share import ALONE, Share

__all__ = ["Counted", "Entries", "Gather", "Largest", "MeasuredBefore"]

Value = TypeVar("Value")


class MeasuredBefore(Exception):  # noqa: N818 -- it is none
    """The part that is there answers the question."""


class Counted(Protocol):
    """Something that counts, so that shares of it can be put together."""

    def state(self) -> Any:
        """All that was counted, of dicts, lists, text, numbers and arrays."""

    def include(self, states: Sequence[Any]) -> None:
        """Take over what others have counted."""


class Gather:
    """What is known of the shares of a measurement.

    Args:
        known: this share's part of an earlier try, if there is one.
        parts: of all shares, for the last one.
    """

    def __init__(
        self, share: Share = ALONE, *, known: Mapping[str, Any] | None = None, parts: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self._share, self._known, self._parts = share, known, parts
        self.part: dict[str, Any] = {}

    @property
    def is_looking(self) -> bool:
        """Whether there is nothing to tell yet, because others are still to be put to this."""
        return not self._share.is_alone and not self._parts

    def places(self, count: int, block: int = 1) -> Sequence[int]:
        """The images to look at."""
        return () if self._parts else self._share.places(count, block)

    def whole(self, name: str, counted: Counted) -> None:
        """Hand in what was counted, or complete it with what all have."""
        if self._parts:
            counted.include([part[name] for part in self._parts])
        elif not self._share.is_alone:
            self.part[name] = counted.state()

    def question(self, files: Iterable[str | Path]) -> None:
        """Note what is measured, and with what.

        Raises:
            MeasuredBefore: this share has done it already.
            DataError: the shares did not see the same.
        """
        if self._share.is_alone and not self._parts:
            return
        content, times = hashlib.sha256(), hashlib.sha256()
        for file in files:
            facts = file_facts(Path(file)) or ()
            content.update(f"{file} {facts[:1]}\n".encode("utf-8", "surrogateescape"))
            times.update(f"{facts[1:]}\n".encode())
        asked = {"content": content.hexdigest(), "times": times.hexdigest()}
        if self._known is not None and self._known.get("asked") == asked:
            raise MeasuredBefore
        self.part["asked"] = asked
        others = [n + 1 for n, part in enumerate(self._parts) if part["asked"]["content"] != asked["content"]]
        if others:
            raise DataError(
                f"Share {others[0]} has measured other files than there are now.",
                "Run the shares again, all of them.",
            )


class Entries(Generic[Value]):
    """A value for each of some images, in their order."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._row = ImageRow()

    def add(self, place: int, value: Value) -> None:
        self.values.append(value)
        self._row.add(None, place)

    def state(self) -> dict[str, Any]:
        return {"values": self.values, "row": self._row.state()}

    def include(self, states: Sequence[Mapping[str, Any]]) -> None:
        values = [*self.values, *(value for one in states for value in one["values"])]
        self.values = self._row.include([one["row"] for one in states], values)


class Largest:
    """The largest of some numbers, or 0."""

    def __init__(self) -> None:
        self.value = 0

    def state(self) -> int:
        return self.value

    def include(self, states: Sequence[int]) -> None:
        self.value = max([self.value, *states])
