"""What holds for all settings, on values drawn at random."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from gantool.errors import SettingsError
from gantool.methods.registry import PRESETS, load_settings, read_settings
from gantool.settings import Settings, to_yaml
from gantool.settings.sources import merge, scalar

_TEXTS = (
    "yes", "no", "null", "~", "1", "1e3", "0x1F", "2020-01-01", "12:30", "a: b", "# x", " lead", "trail ", "é 猫",
    "'", '"', "a\nb", "a\tb", "- a", "[a]", "{a}", "*a", "&a", "!a", "%a", "@a", "|", ">", "\\", ".inf", "",
    "a" * 300,
)  # fmt: skip


def draw_value(rng: random.Random, value: Any) -> Any:
    """Another value of the same kind, which need not be a valid one."""
    if isinstance(value, bool):
        return rng.random() < 0.5
    if isinstance(value, int):
        return rng.choice((value, value + rng.randint(1, 9), value * 2, 1))
    if isinstance(value, float):
        return value * rng.choice((1, 0.5, 1e-9, rng.random()))
    if isinstance(value, tuple | list):
        return [draw_value(rng, one) for one in value]
    return value


def draw_changes(rng: random.Random, settings: Settings, most: int = 6) -> dict[str, Any]:
    """Values by dotted key that are valid together."""
    keys = [f"{name}.{key}" for name, section in settings.sections().items() for key in section.model_fields]
    found: dict[str, Any] = {"data.path": rng.choice(_TEXTS)} if rng.random() < 0.5 else {}
    for key in rng.sample(keys, rng.randint(1, most)):
        section, _, name = key.partition(".")
        drawn = draw_value(rng, getattr(getattr(settings, section), name))
        try:
            load_settings(settings.task, overrides={**found, key: drawn})
        except SettingsError:
            continue
        found[key] = drawn
    return found


@pytest.mark.parametrize("preset", ["cyclegan", "pix2pix", "segmentation"])
def test_what_is_written_reads_back(preset: str, tmp_path: Path) -> None:
    rng = random.Random(preset)
    path = tmp_path / "settings.yaml"
    for _ in range(12):
        changes = draw_changes(rng, load_settings(preset))
        settings = load_settings(preset, overrides=changes)
        path.write_text(to_yaml(settings), "utf-8")
        assert read_settings(path) == settings, changes


@pytest.mark.parametrize("preset", ["cyclegan", "pix2pix", "segmentation"])
def test_every_key_has_the_value_of_the_last_layer_that_names_it(preset: str, tmp_path: Path) -> None:
    rng = random.Random(preset)
    plain = load_settings(preset)
    for _ in range(8):
        last = draw_changes(rng, plain)
        parts: list[dict[str, Any]] = [{}, {}, {}]  # file, --set, flags
        for key, value in last.items():
            first = rng.randrange(3)
            parts[first][key] = value
            for lower in range(first):  # what stands below is covered, and is valid by itself
                section, _, name = key.partition(".")
                parts[lower][key] = getattr(getattr(plain, section), name)
        config = tmp_path / "my.yaml"
        lines = [f"{key.partition('.')[0]}: {{{key.partition('.')[2]}: {scalar(v)}}}" for key, v in parts[0].items()]
        config.write_text(merged_lines(lines), "utf-8")
        assignments = [f"{key}={scalar(value)}" for key, value in parts[1].items()]
        got = load_settings(preset, config=config, assignments=assignments, overrides=parts[2])
        assert got == load_settings(preset, overrides=last), (parts, last)


def merged_lines(lines: list[str]) -> str:
    """One mapping for every section, of lines that have one key each."""
    sections: dict[str, list[str]] = {}
    for line in lines:
        section, _, rest = line.partition(": {")
        sections.setdefault(section, []).append(rest[:-1])
    return "".join(f"{section}: {{{', '.join(keys)}}}\n" for section, keys in sections.items())


def draw_tree(rng: random.Random, depth: int = 3) -> dict[str, Any]:
    """Sections ``a`` and ``b``, a value, and a mapping that is one value."""
    names = rng.sample(("a", "b", "c", "terms"), rng.randint(0, 4))
    return {
        name: draw_tree(rng, depth - 1) if name in "ab" and depth else {} if name in "ab" else draw_leaf(rng, name)
        for name in names
    }


def draw_leaf(rng: random.Random, name: str) -> Any:
    return {f"{rng.randrange(3)}": rng.randrange(9)} if name == "terms" else rng.randrange(9)


def test_merging_is_associative_and_changes_nothing_it_is_given() -> None:
    rng = random.Random(0)
    for _ in range(300):
        a, b, c = (draw_tree(rng) for _ in range(3))
        before = repr((a, b, c))
        assert merge(a, {}) == a == merge({}, a) == merge(a, a)
        assert merge(merge(a, b), c) == merge(a, merge(b, c))
        assert merge(a, b).get("terms") == b.get("terms", a.get("terms"))
        assert repr((a, b, c)) == before


def test_a_key_that_does_not_exist_is_always_named() -> None:
    rng = random.Random(0)
    for preset in PRESETS:
        sections = list(load_settings(preset).sections())
        key = f"{rng.choice(sections)}.{rng.choice('xyz')}{rng.randrange(999)}"
        with pytest.raises(SettingsError, match=key):
            load_settings(preset, assignments=[f"{key}=1"])
