"""One store for all processes of a machine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gantool.engine import keeping
from gantool.engine.keeping import share_images
from gantool.errors import OutputError
from gantool.store.places import make_store


def test_ranks_of_a_machine_share_the_store_of_its_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, other = (make_store("memory", 4, tmp_path) for _ in range(2))
    made: list[int] = []
    monkeypatch.setattr(keeping, "make_store", lambda *_, **given: (made.append(given["processes"]), first)[1])
    monkeypatch.setattr(keeping.socket, "gethostname", lambda: "here")

    def run(rank: int, hosts: list[str], stores: list[Any]) -> Any:
        answers = iter([hosts, stores])
        given: list[Any] = []
        runtime: Any = SimpleNamespace(rank=rank, gather=lambda value: (given.append(value), next(answers))[1])
        dataset = SimpleNamespace(store=None, slots=4, most_bytes=None)
        share_images(dataset, "auto", runtime, 3)
        assert given[0] == "here"
        return dataset.store, given[1]

    assert run(0, ["here", "here", "there"], [first, None, other]) == (first, first)
    assert run(1, ["here", "here", "there"], [first, None, other]) == (first, None)
    assert run(2, ["there", "there", "here"], [other, None, first]) == (first, first)
    assert made == [6, 3]
    with pytest.raises(OutputError, match="full"):
        run(1, ["here", "here"], [OutputError("full"), None])
