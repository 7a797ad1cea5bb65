"""`segment --rank`: which images to label next."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Cli

from gantool.cards import Card, Direction, Domain, LabelClass
from gantool.data.sample import CLASSES, draw_scene
from gantool.data.sources.formats.labelme import read_labelme
from gantool.data.sources.labels.tables import read_class_table


@pytest.fixture
def photos(with_segmenter: Path) -> Path:
    """Three scenes, one of them twice by name, and noise that the model knows nothing about."""
    Path("in/deep").mkdir(parents=True)
    for n, name in enumerate(("in/a b.png", "in/same.png", "in/deep/same.jpg")):
        Image.fromarray(draw_scene(n, size=(64, 48)).summer).save(name)
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save("in/noise.png")
    return with_segmenter


def test_the_least_certain_come_first(cli: Cli, photos: Path) -> None:
    result = cli("segment", "in", "-r", "--rank", "uncertainty", "-o", "next")
    assert result.code == 0, result.err
    assert result.out.replace("\\", "/").split() == ["next/uncertainty.csv", "next/uncertainty.html"]
    assert {path.name for path in Path("next").iterdir()} == {"uncertainty.csv", "uncertainty.html", "uncertainty"}
    with Path("next/uncertainty.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[0]["image"] == "in/noise.png"
    entropies = [float(row["entropy"]) for row in rows]
    assert entropies == sorted(entropies, reverse=True) and 0 < entropies[-1] < entropies[0] <= 1
    assert float(rows[0]["margin"]) < float(rows[-1]["margin"]) <= 1
    for row in rows:
        assert sum(float(row[f"share {name}"]) for name in CLASSES) == pytest.approx(1, abs=1e-5)
        assert all(0 <= float(row[f"entropy {name}"] or 0) <= 1 for name in CLASSES)
    page = Path("next/uncertainty.html").read_text("utf-8")
    pictures = re.findall(r'<img src="([^"]+)"[^>]*width="(\d+)" height="(\d+)" loading="lazy"', page)
    assert len(pictures) == 4 == page.count("<img ")
    for name, width, height in pictures:
        with Image.open(Path("next", name)) as image:
            assert image.size == (int(width), int(height))
    assert page.index("noise.png") < page.index("a b.png")
    assert 'href="../in/a%20b.png"' in page
    assert "sky" in page
    again = cli("segment", "in", "-r", "--rank", "uncertainty", "-o", "next")
    assert (again.code, "uncertainty.csv: exists already" in again.err.replace("\\", "/")) == (2, True)
    assert cli("segment", "next", "-r").code == 2, "its own pictures are no images to segment"


def test_copies_with_labels_to_correct(cli: Cli, photos: Path) -> None:
    Path("in/broken.png").write_bytes(b"no image")
    options = ("--rank", "uncertainty", "--top", "4", "--outputs", "mask", "--simplify", "1", "--min-area", "9")
    result = cli("segment", "in", "-r", *options, "--json")
    assert result.code == 1, "one cannot be read"
    answer = json.loads(result.out)
    assert Path(answer["ranking"]["images"][0]["input"]).name == "noise.png"
    assert len(answer["ranking"]["images"]) == 4 == len(answer["files"])
    assert Path(answer["files"][0]["outputs"]["mask"]).is_file()
    copied = sorted(Path(name).name for name in answer["ranking"]["to_label"])
    assert copied[:2] == ["a b.png", "noise.png"] and {name.split(".")[0] for name in copied[2:]} == {
        "same",
        "same-2",
    }
    for name in copied:
        label = read_labelme(Path("to_label", name).with_suffix(".json"))
        assert (label.image, label.width, label.height) == (name, 64, 48)
        assert {shape.label for shape in label.shapes} <= set(CLASSES)
    assert Path("to_label/noise.png").read_bytes() == Path("in/noise.png").read_bytes()
    assert read_class_table(Path("to_label/labels.txt")).names == CLASSES
    made = cli("prepare", "to_label", "-o", "data/corrected")
    assert made.code == 0, made.err
    corrected = Path("to_label/noise.json").read_text()
    for name in ("uncertainty.csv", "uncertainty.html", "uncertainty"):
        Path(name).rename(f"old-{name}")
    refused = cli("segment", "in", "-r", "--rank", "uncertainty", "--top", "1")
    assert refused.code == 2 and "to_label: exists already" in refused.err
    assert Path("to_label/noise.json").read_text() == corrected, "corrected labels are not lost"


def test_options_that_make_no_sense_cost_one_sentence(cli: Cli, photos: Path) -> None:
    for options, sentence in (
        (("--top", "3"), "--top: there is no ranking to take the first of. Add --rank uncertainty."),
        (("--rank", "uncertain"), 'nothing can be ranked by that. Did you mean "uncertainty"?'),
        (("--rank", "uncertainty", "--top", "-1"), "--top -1: expected a number of images"),
        (("--rank", "uncertainty", "--skip-existing"), "does not go with --skip-existing"),
        (("--rank", "uncertainty", "-o", "one.png"), "names an image file, uncertainty.csv is none"),
        (("--rank", "uncertainty", "--simplify", "1"), "there are no outlines to simplify"),
    ):
        refused = cli("segment", "in", *options)
        assert (refused.code, sentence in refused.err) == (2, True), refused.err
        assert len(refused.err.strip().splitlines()) <= 3
    assert not Path("uncertainty.csv").exists()


def test_translations_have_no_probabilities(cli: Cli, with_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(draw_scene(1, size=32).summer).save("a.png")
    refused = cli("segment", "a.png", "--model", "cyclegan-1", "--rank", "uncertainty")
    assert (refused.code, "is a translation model without label maps" in refused.err) == (2, True)
    card = Card.from_json(_card_of_label_maps(), "test")
    from gantool.workflows import segment as work

    real = work.find_model

    def as_label_maps(name: str, runs: Path) -> object:
        from dataclasses import replace

        return replace(real(name, runs), card=card)

    monkeypatch.setattr(work, "find_model", as_label_maps)
    refused = cli("segment", "a.png", "--model", "cyclegan-1", "--rank", "uncertainty")
    assert (refused.code, "translation to label maps, which has no probabilities" in refused.err) == (2, True)
    assert not Path("uncertainty.csv").exists()


def _card_of_label_maps() -> str:
    from gantool.models.files import read_card

    card = read_card(Path("runs/cyclegan-1/model.safetensors"))
    colors = (LabelClass(name="sky", color=(1, 2, 3)), LabelClass(name="tree", color=(90, 2, 3)))
    domains = [
        Domain(name=one.name, channels=one.channels, classes=colors if one.name == "winter" else ())
        for one in card.domains
    ]
    assert all(isinstance(one, Direction) for one in card.directions)
    return card.model_copy(update={"domains": tuple(domains)}).to_json()
