"""What an older gantool wrote is read, used and continued by the present one.

``v1/README.md`` tells what there is. With ``GANTOOL_COMPAT_EXACT=1`` everything must be equal to the last bit, which
only the machine that wrote the files can give; without, as far as processors and versions of torch agree.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import old_runs as house
import pytest
import torch

EXACT = os.environ.get("GANTOOL_COMPAT_EXACT") == "1"
ELSEWHERE = ("environment", "gantool")
"""Keys of what the present machine and gantool are."""
BOUNDS = {"result": 1e-4, "metrics": 1e-4, "facts": 1e-4, "cards": 0.0, "weights": 3e-4}
"""Largest differences after resuming, relative to numbers above 1. Losses differ between processors by a tenth of
that; with an optimizer that lost its moments, or with other random numbers, by ten times as much."""
MEASURED = 2e-3
"""The same for metrics while training, where a pixel more or less may be of another class."""
EVALUATED = 1e-2
"""The same for an evaluation: the ends of its intervals are means over few images."""


@pytest.fixture(autouse=True)
def _old_house(workplace: Path) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    house.set_up(workplace)
    yield
    torch.set_num_threads(threads)


def stored(path: str) -> Any:
    return json.loads((house.FIXTURE / path).read_text("utf-8"))


def require_same(expected: Any, made: Any, *, bound: float, where: str) -> None:
    """All old keys, the same texts and whole numbers, other numbers within the bound; of times the kind alone."""
    assert type(made) is type(expected), f"{where}: {made!r} for {expected!r}"
    if isinstance(expected, dict):
        assert set(made) >= set(expected), where
        for key, value in expected.items():
            if key in ELSEWHERE:
                assert type(made[key]) is type(value), f"{where}/{key}"
            elif key not in house.TIMES:
                inner = MEASURED if key in ("metrics", "baselines") else bound
                require_same(value, made[key], bound=inner, where=f"{where}/{key}")
    elif isinstance(expected, list):
        assert len(made) == len(expected), where
        for place, value in enumerate(expected):
            require_same(value, made[place], bound=bound, where=f"{where}/{place}")
    elif isinstance(expected, float) and not EXACT:
        assert math.isclose(made, expected, rel_tol=bound, abs_tol=bound), f"{where}: {made} for {expected}"
    else:
        assert made == expected, f"{where}: {made} for {expected}"


def sure(name: str, weights: dict[str, Any]) -> dict[str, Any]:
    """Without biases in front of instance norm: their gradients are rounding, which Adam makes whole steps of."""
    return {key: value for key, value in weights.items() if EXACT or name != "cyclegan" or not key.endswith(".bias")}


def require_same_picture(name: str, path: Path) -> None:
    """At most one level elsewhere in a picture; a mask's classes the same in 99.5 % of its pixels."""
    expected, made = house.pixels(house.FIXTURE / "outputs" / f"{name}.png"), house.pixels(path)
    assert made.shape == expected.shape
    if name.endswith("mask"):
        assert (made == expected).double().mean() >= 0.995
    else:
        assert (made - expected).abs().max() <= 1


def trusting(verb: str) -> tuple[str, ...]:
    """What makes a verb load a file that may run code."""
    return ("--trust",) if "--trust" in house.command(verb, "--help") else ()


@pytest.mark.parametrize("name", house.RUNS)
def test_a_run_is_resumed_to_its_end(name: str) -> None:
    before = house.structure(house.load_state(name))
    expected, made = stored(f"expected/{name}.json"), house.finish(name)
    assert house.structure(house.load_state(name)) == before
    for end in (expected, made):
        end["weights"] = sure(name, end["weights"])
    for part, bound in BOUNDS.items():
        require_same(expected[part], made[part], bound=bound, where=part)
    if EXACT:
        assert made["sha256"] == expected["sha256"]


@pytest.mark.parametrize("name", house.OUTPUTS)
def test_a_run_is_used(name: str) -> None:
    path = house.make_output(name)
    require_same_picture(name, path)
    if EXACT:
        assert house.file_digest(path) == house.file_digest(house.FIXTURE / "outputs" / f"{name}.png")


@pytest.mark.parametrize("file", house.EXPORTED)
def test_an_exported_file_is_used(file: str) -> None:
    name = house.EXPORTED[file]
    options = () if file.endswith(".onnx") else trusting(house.OUTPUTS[name][0])
    path = house.make_output(name, model=f"exported/{file}", options=options)
    require_same_picture(name, path)
    if EXACT:
        assert house.file_digest(path) == stored("expected/exported.json")["sha256"][file]


@pytest.mark.parametrize("name", house.EVALUATIONS)
def test_a_run_is_evaluated(name: str) -> None:
    require_same(stored(f"evaluations/{name}.json"), house.evaluation(name), bound=EVALUATED, where=name)


def test_runs_and_cards_are_described() -> None:
    for subject, expected in stored("expected/info.json").items():
        found = house.answer("info", subject)
        for networks in ("directions", "architecture"):  # told in words by now
            assert expected.pop(networks, None) is None or found[networks]
        require_same(expected, found, bound=0, where=subject)
