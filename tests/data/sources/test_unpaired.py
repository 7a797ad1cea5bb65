from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantool.data.sources.find import find_source
from gantool.data.sources.names import resolve_data
from gantool.errors import DataError


def fill(folder: Path, count: int = 3, shade: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        Image.fromarray(np.full((8, 8, 3), (shade + n) % 256, np.uint8)).save(folder / f"{n:03d}.png")


def test_reference_layout_with_names_from_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "summer2winter_yosemite"
    for part, count in (("trainA", 4), ("trainB", 3), ("testA", 2), ("testB", 1)):
        fill(root / part, count)
    found = find_source(root).domains()
    assert (found.a.name, found.b.name) == ("summer", "winter")
    assert [len(x) for x in (found.a.train, found.b.train, found.a.test, found.b.test)] == [4, 3, 2, 1]
    assert not found.held_out


def test_nested_and_plain_folders(tmp_path: Path) -> None:
    for part in ("train/day", "train/night", "test/day", "test/night"):
        fill(tmp_path / "one" / part)
    found = find_source(tmp_path / "one").domains()
    assert (found.a.name, found.b.name, len(found.a.test)) == ("day", "night", 3)
    for part in ("cats", "dogs"):
        fill(tmp_path / "two" / part, 10)
    found = find_source(tmp_path / "two").domains()
    assert (found.a.name, found.b.name) == ("cats", "dogs")
    assert found.held_out
    assert (len(found.a.train), len(found.a.test)) == (9, 1)


def test_last_resort_names_and_dataset_yaml(tmp_path: Path) -> None:
    for part in ("train/A", "train/B"):
        fill(tmp_path / part)
    assert find_source(tmp_path).domains().a.name == "A"
    (tmp_path / "dataset.yaml").write_text("domains: [horse, zebra]\n")
    assert find_source(tmp_path).domains().b.name == "zebra"
    (tmp_path / "dataset.yaml").write_text("domains: [horse]\n")
    with pytest.raises(DataError, match="expected two names"):
        find_source(tmp_path).domains()


def test_two_named_folders(tmp_path: Path) -> None:
    fill(tmp_path / "x")
    fill(tmp_path / "y")
    found = find_source({"on": str(tmp_path / "x"), "off": str(tmp_path / "y")}).domains()
    assert (found.a.name, found.b.name) == ("on", "off")
    with pytest.raises(DataError, match=r"no such folder \(domain \"off\"\)"):
        find_source({"on": str(tmp_path / "x"), "off": str(tmp_path / "z")}).domains()
    with pytest.raises(DataError, match="expected two domains, got 1"):
        find_source({"on": str(tmp_path / "x")}).domains()


def test_named_folders_may_hold_folders_and_splits(tmp_path: Path) -> None:
    fill(tmp_path / "x" / "roll 1", 2)
    fill(tmp_path / "x" / "roll 2", 3)
    fill(tmp_path / "y" / "train", 4)
    fill(tmp_path / "y" / "testing" / "june", 1)
    found = find_source({"on": str(tmp_path / "x"), "off": str(tmp_path / "y")}).domains(0)
    assert [len(x) for x in (found.a.train, found.b.train, found.a.test, found.b.test)] == [5, 4, 0, 1]
    fill(tmp_path / "z", 6)
    fill(tmp_path / "z" / "test", 2)
    found = find_source({"on": str(tmp_path / "x"), "off": str(tmp_path / "z")}).domains(0)
    assert (len(found.b.train), len(found.b.test)) == (6, 2)
    (tmp_path / "empty" / "within").mkdir(parents=True)
    with pytest.raises(DataError, match=r'empty: no images for the domain "on", nor in folders within it'):
        find_source({"on": str(tmp_path / "empty"), "off": str(tmp_path / "y")}).domains()


def test_named_folders_of_pairs_have_the_same_splits(tmp_path: Path) -> None:
    for side in ("x", "y"):
        fill(tmp_path / side / "train" / "roll 1", 2)
        fill(tmp_path / side / "train" / "roll 2", 2)
        fill(tmp_path / side / "test", 1)
    source = find_source({"on": str(tmp_path / "x"), "off": str(tmp_path / "y")})
    assert source.kind is None
    assert [pair.split for pair in source.pairs().pairs] == ["train"] * 4 + ["test"]
    fill(tmp_path / "y" / "val", 1)
    with pytest.raises(DataError, match=r'x: has no folder "val", .*y has one'):
        find_source({"on": str(tmp_path / "x"), "off": str(tmp_path / "y")}).pairs()


def test_holding_out_follows_content_not_names(tmp_path: Path) -> None:
    fill(tmp_path / "x", 40)
    fill(tmp_path / "y", 40)
    before = find_source(tmp_path).domains()
    contents = {path.read_bytes() for path in before.a.test}
    assert len(contents) == 4
    for path in sorted((tmp_path / "x").iterdir()):
        path.rename(path.with_name(f"renamed-{path.name}"))
    assert {path.read_bytes() for path in find_source(tmp_path).domains().a.test} == contents
    assert not set(before.a.train) & set(before.a.test)


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        ((), "no images found"),
        (("trainA",), "trainB"),
        (("only",), "one domain is missing"),
        (("a", "b", "c"), "has 3 folders"),
        (("train/A",), "one domain is missing"),
    ],
)
def test_incomplete_sets_are_named(folders: tuple[str, ...], words: str, tmp_path: Path) -> None:
    for folder in folders:
        fill(tmp_path / folder)
    with pytest.raises(DataError, match=words):
        find_source(tmp_path).domains()


def test_an_empty_domain_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "trainA")
    (tmp_path / "trainB").mkdir()
    with pytest.raises(DataError, match='no images for the domain "B"'):
        find_source(tmp_path).domains()


def test_names_resolve_under_data(workplace: Path) -> None:
    fill(workplace / "data" / "horse2zebra" / "trainA")
    assert resolve_data("horse2zebra") == Path("data/horse2zebra")
    with pytest.raises(DataError, match='Did you mean "horse2zebra"'):
        resolve_data("horse2zebar")
    (workplace / "file").touch()
    with pytest.raises(DataError, match="is a file"):
        resolve_data("file")


def test_real_yosemite_is_recognized(real_data: Path) -> None:
    found = find_source(real_data / "summer2winter_yosemite").domains()
    assert (found.a.name, found.b.name) == ("summer", "winter")
    assert [len(x) for x in (found.a.train, found.b.train, found.a.test, found.b.test)] == [1231, 962, 309, 238]
