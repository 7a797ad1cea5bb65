from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import TINY, Cli

import gantool
from gantool.data.inspect import exact_duplicates, inspect_image, inspect_images, near_duplicates
from gantool.data.sample import draw_scene
from gantool.data.sources.find import find_source
from gantool.workflows.prepare import writing as work


def scenes(folder: Path, first: int, count: int, size: int | tuple[int, int] = 32, suffix: str = ".png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(first, first + count):
        Image.fromarray(draw_scene(n, size=size).summer).save(folder / f"{n:03d}{suffix}")
    return folder


@pytest.fixture
def unpaired(workplace: Path) -> Path:
    root = workplace / "day2night"
    for part, first in (("trainA", 0), ("trainB", 20), ("testA", 40), ("testB", 50)):
        scenes(root / part, first, 5)
    return root


def test_a_good_set_is_copied(cli: Cli, unpaired: Path) -> None:
    result = cli("prepare", "day2night")
    assert (result.code, result.out) == (0, "data/day2night\n"), result.err
    assert "two domains without pairs" in result.err
    found = find_source(Path("data/day2night")).domains()
    assert (found.a.name, found.b.name) == ("day", "night")
    assert [len(x) for x in (found.a.train, found.b.train, found.a.test, found.b.test)] == [5] * 4
    assert found.a.train[0].read_bytes() == (unpaired / "trainA" / found.a.train[0].name).read_bytes()
    assert "data/day2night" in cli("prepare", "day2night").err, "an existing set is not replaced"
    assert cli("prepare", "day2night", "--overwrite").code == 0
    assert cli("train", "cyclegan", "--data", "day2night", "--epochs", "1", *TINY).code == 0


def test_a_plain_folder_of_photographs_is_checked_but_not_written(cli: Cli, workplace: Path) -> None:
    scenes(workplace / "photos", 0, 4)
    scenes(workplace / "photos" / "2024" / "june", 10, 3)
    scenes(workplace / "photos" / "test", 20, 2)
    looked = cli("prepare", "photos", "--check", "--json")
    assert looked.code == 0, looked.err
    facts = json.loads(looked.out)
    assert (facts["kind"], facts["images"]) == ("images", {"train": {"images": 7}, "test": {"images": 2}})
    shutil.copy(workplace / "photos" / "000.png", workplace / "photos" / "test" / "leak.png")
    (workplace / "photos" / "2024" / "june" / "broken.jpg").write_text("no")
    looked = cli("prepare", "photos", "--check", "--report", "page.html")
    assert looked.code == 1
    assert "unusable: 1" in looked.err
    assert "in training and test" in looked.err
    assert (workplace / "page.html").is_file()
    for more in ([], ["--dry-run"], ["--as", "unpaired", "--check"]):
        refused = cli("prepare", "photos", *more)
        assert refused.code == 2
        assert "expected two" in refused.err or "one domain is missing" in refused.err
    assert not (workplace / "data").exists()
    (workplace / "photos" / "trainA").mkdir()
    assert 'the domain "B" is missing' in cli("prepare", "photos", "--check").err


def test_check_names_every_problem_and_writes_nothing(cli: Cli, unpaired: Path) -> None:
    assert cli("prepare", "day2night", "--check").code == 0
    (unpaired / "trainA/text.jpg").write_text("no")
    whole = (unpaired / "trainB/020.png").read_bytes()
    (unpaired / "trainB/cut.png").write_bytes(whole[: len(whole) // 2])
    shutil.copy(unpaired / "testA/040.png", unpaired / "trainA/leak.png")
    shutil.copy(unpaired / "trainA/000.png", unpaired / "trainB/both.png")
    shutil.copy(unpaired / "trainA/001.png", unpaired / "trainA/twice.png")
    with Image.open(unpaired / "trainA/002.png") as image:
        image.point(lambda level: min(level + 1, 255)).save(unpaired / "trainA/near.png")
    result = cli("prepare", "day2night", "--check", "--json")
    assert result.code == 1
    kinds = {}
    for finding in json.loads(result.out)["findings"]:
        kinds.setdefault(finding["kind"], []).append(finding["text"])
    assert "text.jpg" in kinds["unusable"][0] + kinds["unusable"][1]
    assert "cut.png" in kinds["unusable"][0] + kinds["unusable"][1]
    assert "leak.png" in kinds["the same image in training and test"][0]
    assert "both.png" in kinds["the same image in both domains"][0]
    assert "twice.png" in kinds["the same image twice"][0]
    assert any("near.png" in text and "002.png" in text for text in kinds["near duplicates"])
    assert not Path("data").exists()
    dropped = cli("prepare", "day2night", "--drop-duplicates", "--json")
    assert dropped.code == 1, "unusable images are left out, and said to be"
    names = sorted(Path(path).name for path in json.loads(dropped.out)["dropped"])
    assert names == ["000.png", "both.png", "leak.png", "twice.png"]
    assert cli("prepare", "data/day2night", "--check").code == 0


def test_pairs_are_cut_apart(cli: Cli, workplace: Path) -> None:
    for split, first, count in (("train", 0, 4), ("val", 10, 2), ("test", 20, 2)):
        folder = workplace / "facades" / split
        folder.mkdir(parents=True)
        for n in range(first, first + count):
            scene = draw_scene(n, size=32)
            Image.fromarray(np.hstack([scene.winter, scene.summer])).save(folder / f"{n}.png")
    result = cli("prepare", "facades", "--domains", "winter,summer", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["images"] == {
        "train": {"winter": 4, "summer": 4}, "val": {"winter": 2, "summer": 2}, "test": {"winter": 2, "summer": 2}
    }  # fmt: skip
    for n, season in ((0, "winter"), (3, "summer")):
        with Image.open(f"data/facades/train/{season}/{n}.png") as image:
            assert np.array_equal(np.asarray(image), draw_scene(n, size=32).season(season))
    found = find_source(Path("data/facades")).domains()
    assert (found.a.name, found.b.name) == ("winter", "summer"), "in the order of dataset.yaml"
    options = ["--set", "data.align=true", "--epochs", "1"]
    assert cli("train", "cyclegan", "--data", "data/facades", *TINY, *options).code == 0


def test_two_folders_split_and_size(cli: Cli, workplace: Path) -> None:
    scenes(workplace / "x", 0, 20, (40, 60))
    scenes(workplace / "y", 50, 20, (60, 40), ".bmp")
    result = cli(
        "prepare",
        "--domain",
        "a=x",
        "--domain",
        "b=y",
        "-o",
        "out",
        "--split",
        "0.7,0.1,0.2",
        "--size",
        "32",
        "--json",
    )
    assert result.code == 0, result.err
    assert json.loads(result.out)["images"] == {
        "train": {"a": 14, "b": 14}, "val": {"a": 2, "b": 2}, "test": {"a": 4, "b": 4}
    }  # fmt: skip
    with Image.open(next(Path("out/train/a").iterdir())) as image:
        assert image.size == (32, 48)
    cli("prepare", "--domain", "a=x", "--domain", "b=y", "-o", "again", "--split", "0.7,0.1,0.2", "--size", "32")
    assert sorted(p.name for p in Path("out/test/a").iterdir()) == sorted(
        p.name for p in Path("again/test/a").iterdir()
    )
    cli("prepare", "--domain", "a=x", "--domain", "b=y", "-o", "other", "--split", "0.7,0.1,0.2", "--seed", "1")
    assert sorted(p.name for p in Path("other/test/a").iterdir()) != sorted(
        p.name for p in Path("out/test/a").iterdir()
    )


def test_without_a_test_split_some_images_are_held_out(cli: Cli, workplace: Path) -> None:
    scenes(workplace / "set/a", 0, 20)
    scenes(workplace / "set/b", 30, 20)
    answer = json.loads(cli("prepare", "set", "--json").out)
    assert answer["images"] == {"train": {"a": 18, "b": 18}, "test": {"a": 2, "b": 2}}


def test_an_interrupted_call_goes_on(cli: Cli, unpaired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = work.write_image
    count = iter(range(100))

    def interrupted(*arguments: object) -> None:
        if next(count) == 7:
            raise KeyboardInterrupt
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(work, "write_image", interrupted)
    assert cli("prepare", "day2night").code == 130
    assert not Path("data/day2night").exists()
    partial = Path("data/day2night.partial")
    before = {path: path.stat().st_mtime_ns for path in partial.rglob("*.png")}
    assert 7 <= len(before) < 20, "those begun on other threads are finished"
    monkeypatch.setattr(work, "write_image", write)
    assert cli("prepare", "day2night").code == 0
    assert not partial.exists()
    for path, changed in before.items():
        assert (Path("data/day2night") / path.relative_to(partial)).stat().st_mtime_ns == changed
    assert not (Path("data/day2night") / "plan.txt").exists()


def test_difficult_names_are_mapped(cli: Cli, workplace: Path) -> None:
    for part in ("trainA", "trainB"):
        scenes(workplace / "set" / part, 0 if part == "trainA" else 9, 3)
    picture = workplace / "set/trainA/000.png"
    for number, name in enumerate(
        ("2011-06-26 18:49:32.png", "ü ñ 日本.png", "con.png", "x" * 250 + ".png", "A?.png")
    ):
        Image.fromarray(draw_scene(100 + number, size=32).summer).save(picture.with_name(name))
    result = cli("prepare", "set", "--split", "1,0,0", "-o", "out")
    assert result.code == 0, result.err
    names = {path.name for path in Path("out/train/A").iterdir()}
    assert {"2011-06-26 18_49_32.png", "ü ñ 日本.png", "_con.png", "A_.png"} <= names
    assert [len(name.encode()) <= 210 for name in names if name.startswith("xxx")] == [True]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "there is no such folder"),
        (["file"], "is a file"),
        (["empty"], "no images found"),
        ([], "No source named"),
        (["day2night", "--as", "labels"], "expected unpaired, paired or segmentation"),
        (["day2night", "--as", "paired"], "no image has a partner of the same name"),
        (["empty", "--as", "paired"], "expected images of two halves"),
        (["day2night", "--domains", "a,b"], "which these are not"),
        (["day2night", "--domains", "a"], "expected two names"),
        (["day2night", "--split", "1,2"], "expected three shares"),
        *(
            (["day2night", "--split", split], "positive for training and add up to 1")
            for split in ("0.5,0.1,0.1", "nan,nan,nan", "0.8,nan,0.2", "inf,0,0", "-0.1,0.6,0.5", "0,0.5,0.5")
        ),
        *((["day2night", "--split", split], "expected three shares") for split in ("", ",,", "a,b,c", "1,0,0,0")),
        *(
            (["day2night", *option, "9" * 30], "must be from 1 to 65536 pixels")
            for option in (["--size"], ["--tile"], ["--tile", "64", "--stride"])
        ),
        (["day2night", "--size", "60000"], "--shorter-side 60000: a picture of 60000x"),
        (["day2night", "--domain", "a=x"], "give one of them"),
        (["day2night", "-o", "day2night/inside"], "within its own source"),
        (["day2night", "-o", "empty"], "exists already"),
    ],
)
def test_mistakes_cost_one_sentence(arguments: list[str], words: str, cli: Cli, unpaired: Path) -> None:
    Path("file").touch()
    Path("empty").mkdir()
    result = cli("prepare", *arguments)
    assert result.code == 2
    assert words in result.err
    assert not Path("data").exists()


def test_near_duplicates_are_all_found(tmp_path: Path) -> None:
    """The banding finds what comparing all with all finds."""
    facts = [inspect_image(path) for path in sorted(scenes(tmp_path, 0, 60).iterdir())]
    rng = np.random.default_rng(0)
    from dataclasses import replace

    for n in range(30):
        bits = sum(1 << int(bit) for bit in rng.choice(64, size=n % 6, replace=False))
        facts.append(
            replace(facts[n], path=Path(f"twin{n}"), content=f"c{n}", fingerprint=facts[n].fingerprint ^ bits)
        )
    usable = [one for one in facts if 4 < one.fingerprint.bit_count() < 60]
    expected = {
        frozenset((a.path, b.path))
        for i, a in enumerate(usable)
        for b in usable[i + 1 :]
        if (a.fingerprint ^ b.fingerprint).bit_count() <= 3 and a.content != b.content
    }
    assert {frozenset((a.path, b.path)) for a, b, _ in near_duplicates(facts)} == expected
    assert len(expected) >= 15


def test_from_python(unpaired: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    result = gantool.prepare(unpaired, "out", on_progress=lambda *step: seen.append(step))
    assert result.output == Path("out")
    assert seen[0] == ("checking", 1, 20)
    assert seen[-1] == ("writing", 20, 20)
    assert result.statistics["day"]["red"][0] == pytest.approx(
        np.mean([draw_scene(n, size=32).summer[..., 0].mean() for n in (*range(5), *range(40, 45))]) / 255, abs=0.01
    )


@pytest.mark.slow
def test_real_sets(cli: Cli, workplace: Path, real_data: Path) -> None:
    result = cli("prepare", real_data / "summer2winter_yosemite", "--json", "--drop-duplicates")
    answer = json.loads(result.out)
    kinds = [finding["kind"] for finding in answer["findings"]]
    assert answer["images"]["test"] == {"summer": 306, "winter": 238}
    assert kinds.count("the same image in training and test") > 30
    left = json.loads(cli("prepare", "data/summer2winter_yosemite", "--check", "--json").out)["findings"]
    assert {finding["kind"] for finding in left if finding["serious"]} == {"the same image in both domains"}
    facades = cli("prepare", real_data / "facades", "--domains", "photo,label", "--json")
    assert json.loads(facades.out)["images"]["train"] == {"photo": 400, "label": 400}
    files = list(inspect_images(sorted((real_data / "summer2winter_yosemite/testA").iterdir())))
    assert sum(len(group) - 1 for group in exact_duplicates(files)) == 3
