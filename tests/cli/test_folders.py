"""Folders: what several cores make of them at once is what one makes of them one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from support import Cli, Outcome

from gantool.data.sample import draw_scene

SIZES = [(64, 48), (64, 48), (300, 200), (48, 64), (64, 48), (64, 48), (64, 48), (64, 48)]


@pytest.fixture
def folder(workplace: Path) -> Path:
    (workplace / "in").mkdir()
    for n, size in enumerate(SIZES):
        Image.fromarray(draw_scene(n, size=size).summer).save(workplace / f"in/{n}.png")
    (workplace / "in/3a.jpg").write_text("no image")
    Image.fromarray(draw_scene(9).summer).save("whole.jpg")
    (workplace / "in/5a.jpg").write_bytes(Path("whole.jpg").read_bytes()[:2000])
    return workplace


def one_and_many(cli: Cli, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[Outcome, Outcome]:
    """The same command into ``one`` on one core, and into ``many`` on three."""
    done = []
    for cores, name in (("1", "one"), ("3", "many")):
        monkeypatch.setenv("OMP_NUM_THREADS", cores)
        done.append(cli(*arguments, "-o", name))
    return done[0], done[1]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("more", [(), ("--batch-size", "3"), ("--side-by-side",), ("--size", "40x40")])
def test_translating(more: tuple[str, ...], cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, many = one_and_many(cli, monkeypatch, "translate", "in", "--to", "winter", "--model", "seasons", *more)
    assert (one.code, many.code) == (1, 1)
    assert many.out.split() == [f"many/{n}.winter.png" for n in range(len(SIZES))]
    assert many.err.count("error:") == 2 and "2 of 10 failed" in many.err
    assert "in/3a.jpg: is not an image" in many.err and "in/5a.jpg: the image is damaged" in many.err
    assert contents(folder / "one") == contents(folder / "many")
    cli("translate", "in/2.png", "--to", "winter", "--model", "seasons", "-o", "alone.png", *more)
    assert Path("alone.png").read_bytes() == Path("many/2.winter.png").read_bytes()


def test_segmenting(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ("--outputs", "mask,overlay,probabilities,coco", "--json")
    one, many = one_and_many(cli, monkeypatch, "segment", "in", "--model", "landscape", *kinds)
    answer = json.loads(many.out)
    assert [entry["input"] for entry in answer["files"]] == [f"in/{n}.png" for n in range(len(SIZES))]
    assert [entry["input"] for entry in answer["failed"]] == ["in/3a.jpg", "in/5a.jpg"]
    assert [entry["shares"] for entry in answer["files"]] == [one["shares"] for one in json.loads(one.out)["files"]]
    for name, content in contents(folder / "one").items():
        if not name.endswith(".npz"):  # which hold the time
            assert Path("many", name).read_bytes() == content, name
    named = [image["file_name"] for image in json.loads(Path("many/segments.coco.json").read_text("utf-8"))["images"]]
    assert named == [f"../in/{n}.png" for n in range(len(SIZES))]


def test_ranking(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, many = one_and_many(cli, monkeypatch, "segment", "in", "--model", "landscape", "--rank", "uncertainty")
    assert (one.code, many.code) == (1, 1)
    assert Path("one/uncertainty.csv").read_bytes() == Path("many/uncertainty.csv").read_bytes()
    assert contents(folder / "one/uncertainty") == contents(folder / "many/uncertainty")


def test_what_exists_is_left(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    call = ("translate", "in", "--to", "winter", "--model", "seasons", "-o", "out")
    cli(*call)
    for name in ("1", "6"):
        Path(f"out/{name}.winter.png").unlink()
    again = cli(*call, "--skip-existing")
    assert again.out.split() == ["out/1.winter.png", "out/6.winter.png"]
    assert again.code == 1 and "6 exist already" in again.err
