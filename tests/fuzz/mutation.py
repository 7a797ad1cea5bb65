"""Ways of damaging bytes and trees of JSON, each a pure function of a random generator."""

from __future__ import annotations

import copy
import random
from typing import Any

_BYTES = (b"\x00", b"\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\xff\xff\xff\xff", b"\n", b'"', b"{", b"..")
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, -(10**30), 0.5, -0.0, 1e308, float("nan"), float("inf"), "",
    " ", "0", "nan", "../../outside.png", "/etc/hostname", "é\u0000x", "a" * 5000, [], {}, [[]], [None], {"": None},
    "unpaired", [1, 2, 3], [[0, 0], [1, 1]],
)  # fmt: skip


def damage(rng: random.Random, data: bytes, others: list[bytes], *, most: int = 4) -> bytes:
    """Change one to ``most`` places: bits, bytes, ranges that go, come twice or come from another file."""
    out = bytearray(data)
    for _ in range(rng.randint(1, most)):
        place = min(_place(rng, len(out)), len(out))
        length = 1 << rng.randint(0, 8)
        kind = rng.randrange(8)
        if kind == 0 and out:
            out[min(place, len(out) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            value = rng.choice(_BYTES)
            out[place : place + len(value)] = value
        elif kind == 2:
            del out[place : place + length]
        elif kind == 3:
            out[place:place] = rng.randbytes(length)
        elif kind == 4:
            out[place:place] = out[place : place + length]
        elif kind == 5:
            del out[place:]
        elif kind == 6:
            other = rng.choice(others)
            start = _place(rng, len(other))
            out[place : place + length] = other[start : start + length]
        else:
            out[place : place + length] = bytes(len(out[place : place + length]))
    return bytes(out)


def _place(rng: random.Random, length: int) -> int:
    """Headers are where readers decide, so half of the places are among the first bytes, or the last."""
    where = rng.random()
    if where < 0.4:
        return rng.randrange(min(length, 128) + 1)
    if where < 0.5:
        return max(0, length - rng.randrange(128))
    return rng.randrange(length + 1)


def bend(rng: random.Random, tree: Any, *, most: int = 3) -> Any:
    """Change one to ``most`` values of a tree of JSON: odd values, missing keys, repeated and exchanged entries."""
    out = [copy.deepcopy(tree)]
    for _ in range(rng.randint(1, most)):
        holder, key = rng.choice(_places(out))
        kind = rng.randrange(8)
        if kind == 0 and holder is not out:
            del holder[key]
        elif kind == 1 and isinstance(holder, list) and holder is not out:
            holder.insert(key, copy.deepcopy(holder[key]))
        elif kind == 2:
            source, other = rng.choice(_places(out))
            holder[key] = copy.deepcopy(source[other])
        elif kind == 3 and isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool):
            holder[key] = rng.choice((-holder[key], str(holder[key]), [holder[key]], holder[key] + 0.5))
        else:
            holder[key] = copy.deepcopy(rng.choice(_VALUES))
    return out[0]


def _places(node: Any) -> list[tuple[Any, Any]]:
    """All ``(container, key)`` below a node."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    found: list[tuple[Any, Any]] = []
    for key, value in entries:
        found += [(node, key), *_places(value)]
    return found
