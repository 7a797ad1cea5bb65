"""The pages in a browser: they work, they stay small, and axe finds nothing serious."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from browser import browse, serious_findings
from PIL import Image
from support import Cli

from gantool.data.sample import draw_scene
from gantool.engine.loss_terms import LossTerm
from gantool.methods.registry import read_settings
from gantool.models.runs import Run
from gantool.report.confusion import ConfusionMatrix, write_confusion
from gantool.report.gallery import Gallery, write_gallery
from gantool.workflows.train.page import write_run_page

LARGEST = 1_500_000  # bytes of any page of a run of 200 epochs


def write_page(run: Run, state: str) -> str:
    names = {name for record in run.read_metrics() for name in record["losses"]}
    write_run_page(run, read_settings(run.settings), {name: LossTerm(name) for name in names}, state=state)  # type: ignore[arg-type]
    return run.report.read_text("utf-8")


def tried(page: Path, script: str, profile: Path, *, milliseconds: int = 2000) -> str:
    """The page after a script at its end ran, of which nothing was complained about."""
    copy = page.with_name("tried.html")
    copy.write_text(page.read_text("utf-8").replace("</body>", f"<script>{script}</script></body>"), "utf-8")
    dom, complaints = browse(copy, profile, milliseconds=milliseconds)
    assert complaints == ""
    return dom


def test_sliders_of_an_evaluation(cli: Cli, with_run: Path, tmp_path: Path) -> None:
    assert cli("evaluate", "cyclegan", "-o", "out").code == 0
    text = Path("out/evaluation.html").read_text("utf-8")
    assert not re.search(r"""(src|href)=["']?(http|//)""", text), "works offline"
    # Move every slider as the keyboard would, and choose the last picture of each.
    dom = tried(
        Path("out/evaluation.html"),
        """addEventListener("load", function () {
             document.querySelectorAll("input[type=range]").forEach(function (one) {
               one.value = one.min; one.dispatchEvent(new Event("input", {bubbles: true})); });
             document.querySelectorAll("input[type=radio]").forEach(function (one) {
               one.checked = true; one.dispatchEvent(new Event("input", {bubbles: true})); }); });""",
        tmp_path / "profile",
    )  # fmt: skip
    assert 'class="js"' in dom
    assert dom.count("--at: 0%") == text.count('class="compare"') == 4
    assert re.findall(r'class="(after[^"]*)"', dom) == ["after off", "after"] * 4, "the truth is chosen"


def test_a_run_page_answers(cli: Cli, with_segmenter: Path, tmp_path: Path) -> None:
    """Curves tell their values, the confusion matrix its counts; and axe finds nothing."""
    run = Run(Path("runs/unet-1"))
    text = run.report.read_text("utf-8")
    assert not re.search(r"""(src|href)=["']?(http|//)""", text), "works offline"
    assert ">finished<" in text and 'data-every="' not in text, "nobody waits for news"
    assert re.search(r"gantool segment photo\.jpg --model \S+/unet-1<", text), "where it was trained"
    text = write_page(run, "finished")
    assert "gantool segment photo.jpg --model unet-1<" in text
    found = json.loads(run.confusion.read_text())
    assert len(found["classes"]) == 9 == text.count('<td class="wide">'), "a bar for each class"
    dom = tried(
        run.report,
        """addEventListener("load", function () {
             var plot = document.querySelector(".plot");
             plot.dispatchEvent(new KeyboardEvent("keydown", {key: "Home"}));
             document.querySelector(".keys button").click();
             var radio = document.querySelector(".matrix input[value=count]");
             radio.checked = true; radio.dispatchEvent(new Event("input", {bubbles: true})); });""",
        tmp_path / "profile",
    )  # fmt: skip
    records = run.read_metrics()
    (first, *_) = records[0]["losses"].values()
    keys = dom[dom.index('class="keys"') :]
    assert "epoch 1<" in dom[: dom.index('class="keys"')]
    assert re.search(r"<b>([^<]+)</b>", keys)[1] == f"{float(f'{first:.4g}'):g}"  # type: ignore[index]
    assert 'aria-pressed="false"' in keys
    cells = re.findall(r"<td data-n[^>]*>([^<]+)</td>", dom)
    counts = [count for row in found["counts"] for count in row]
    assert [cell for cell, count in zip(cells, counts, strict=True) if count < 1000] == [
        str(count) for count in counts if count < 1000
    ]
    assert dom.count("<canvas") == text.count('class="plot"') == 3
    assert serious_findings(run.report, tmp_path) == []


@pytest.mark.slow
def test_what_was_moved_stays_while_a_run_goes_on(cli: Cli, with_run: Path, tmp_path: Path) -> None:
    run = Run(Path("runs/cyclegan-1"))
    text = write_page(run, "running")
    assert 'data-every="5"' in text and ">running<" in text
    dom = tried(
        run.report,
        """addEventListener("load", function () {
             var loads = sessionStorage.loads = Number(sessionStorage.loads || 0) + 1;
             document.body.dataset.loads = loads;
             if (loads === 3) document.querySelector(".pause").click();
             if (loads > 1) { document.body.dataset.scroll = scrollY; return; }
             var slider = document.querySelector(".compare input[type=range]");
             slider.value = 20; slider.dispatchEvent(new Event("input", {bubbles: true}));
             document.querySelector("details").open = true;
             scrollTo(0, 300); });""",
        tmp_path / "profile",
        milliseconds=20_000,
    )  # fmt: skip
    assert 'data-loads="3"' in dom, "twice anew, and then it was paused"
    assert 'data-scroll="300"' in dom
    assert dom.count("--at: 20%") == 1
    assert dom.count("<details open") == 1


def test_the_page_of_a_long_run_stays_small(cli: Cli, with_run: Path) -> None:
    run = Run(Path("runs/cyclegan-1"))
    line = json.loads(run.metrics.read_text().splitlines()[0])
    for epoch in range(2, 201):
        losses = {name: value * (1 + 1 / epoch) for name, value in line["losses"].items()}
        run.append_metrics({**line, "epoch": epoch, "losses": losses, "best": epoch in (3, 77)})
    # Nothing is harder to keep small than noise: a grid, and judged images of the size that galleries keep.
    noise = np.random.default_rng(0).integers(0, 256, (1200, 2000, 3)).astype(np.uint8)
    Image.fromarray(noise).save(run.samples / "epoch-0100.png", compress_level=1)
    for epoch in range(110, 201, 10):
        shutil.copy(run.samples / "epoch-0100.png", run.samples / f"epoch-{epoch:04d}.png")
    gallery = Gallery("L1")
    for n in range(6):
        gallery.add(f"{n}.png", n, dict.fromkeys(("summer", "summer to winter", "true"), noise[n : 240 + n, :240]))
    write_gallery(run.judged, gallery)
    text = write_page(run, "finished")
    assert run.report.stat().st_size < LARGEST
    assert text.count("<figure data-epoch") == 10
    assert text.count('<th scope="row">200</th>') == 1, "every epoch's numbers, also without JavaScript"
    assert "epoch 77, whose weights are delivered" in text

    (run.samples / "epoch-0200.png").write_bytes(b"not a picture")  # the page does without it
    assert write_page(run, "finished").count("<figure data-epoch") == 9


@pytest.mark.slow
def test_the_page_of_a_long_segmentation_of_many_classes_stays_small(cli: Cli, with_segmenter: Path) -> None:
    run = Run(Path("runs/unet-1"))
    names = [f"a class with a long name {n}" for n in range(150)]
    line = run.read_metrics()[-1]
    metrics = {**line["metrics"], **{f"iou/{name}": 0.123456789 for name in names}}
    run.metrics.unlink()
    for epoch in range(1, 201):
        run.append_metrics({**line, "epoch": epoch, "metrics": metrics})
    counts = np.random.default_rng(0).integers(0, 10**6, (150, 150))
    write_confusion(run.confusion, ConfusionMatrix(names, [(n, n, 0) for n in range(150)], counts))
    noise = np.random.default_rng(0).integers(0, 256, (1200, 2000, 3)).astype(np.uint8)
    Image.fromarray(noise).save(run.samples / "epoch-0031.png", compress_level=1)
    text = write_page(run, "finished")
    assert run.report.stat().st_size < LARGEST
    assert "126 others" in text


def labelled_and_unpaired() -> None:
    for place in ("set/images", "set/masks", "two/summer", "two/winter"):
        Path(place).mkdir(parents=True)
    for n in range(12):
        scene = draw_scene(n, size=48)
        Image.fromarray(scene.summer).save(f"set/images/{n}.png")
        Image.fromarray(scene.mask).save(f"set/masks/{n}.png")
        Image.fromarray(scene.summer).save(f"two/summer/a{n}.png")
        Image.fromarray(draw_scene(n + 50, size=48).winter).save(f"two/winter/b{n}.png")
    shutil.copy("set/images/1.png", "set/images/x.png")
    shutil.copy("set/masks/1.png", "set/masks/x.png")


@pytest.mark.slow
def test_axe_finds_nothing_on_any_page(cli: Cli, with_run: Path, segmenter: Path, tmp_path: Path) -> None:
    shutil.copytree(segmenter / "runs/unet-1", "runs/unet-1")
    shutil.copytree("runs/cyclegan-1", "runs/other")
    shutil.copytree("runs/unet-1", "runs/unet-2")
    labelled_and_unpaired()
    assert cli("evaluate", "unet-1", "unet-2", "-o", "labels").code == 0
    assert cli("evaluate", "cyclegan-1", "other", "-o", "pictures").code == 0
    assert cli("segment", "set/images", "--model", "unet-1", "--rank", "uncertainty", "-o", "next").code == 0
    cli("prepare", "set", "--check", "--report", "set.html")
    assert cli("prepare", "two", "--check", "--report", "two.html").code in (0, 1)
    assert cli("info", "cyclegan-1", "other", "unet-1", "--page", "runs.html").code == 0
    write_page(Run(Path("runs/other")), "running")
    write_page(Run(Path("runs/unet-2")), "stopped")
    pages = [
        "runs/cyclegan-1/report.html", "runs/other/report.html", "runs/unet-1/report.html", "runs/unet-2/report.html",
        "labels/evaluation.html", "pictures/evaluation.html", "next/uncertainty.html", "set.html", "two.html",
        "runs.html",
    ]  # fmt: skip
    for page in pages:
        assert Path(page).stat().st_size < LARGEST
        for dark in (False, True):
            assert serious_findings(Path(page), tmp_path, dark=dark) == [], f"{page}, {'dark' if dark else 'light'}"


def test_runs_side_by_side(cli: Cli, with_run: Path) -> None:
    shutil.copytree("runs/cyclegan-1", "runs/longer")
    settings = Path("runs/longer/settings.yaml")
    settings.write_text(re.sub(r"(?m)^(  epochs:) 1$", r"\1 7", settings.read_text()))
    facts = json.loads(Path("runs/longer/run.json").read_text())
    value = facts["metrics"]["l1_ratio_to_winter"]
    facts["metrics"]["l1_ratio_to_winter"] = value / 2
    Path("runs/longer/run.json").write_text(json.dumps(facts))
    result = cli("info", "cyclegan-1", "longer", "--page", "pages/runs.html", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["runs"] == ["runs/cyclegan-1", "runs/longer"]
    text = Path("pages/runs.html").read_text("utf-8")
    assert "<code>train.epochs</code></th><td>1</td><td>7</td>" in text
    assert text.count("<code>") == 1, "all else is the same"
    assert f'<td>{value:.4g}</td><td class="best">{value / 2:.4g}</td>' in text
    data = [json.loads(one) for one in re.findall(r'<script type="application/json">(.*?)</script>', text)]
    assert len(data) == len({*Run(Path("runs/longer")).read_metrics()[0]["losses"]}) + 3
    assert all(one["names"] == ["cyclegan-1", "longer"] and one["y"][0] == one["y"][1] for one in data)
    assert text.count("<figcaption>longer, epoch 1<") == 1
    with Path("runs/longer/metrics.jsonl").open("a") as file:
        file.write('{"step": 9}\n')  # somebody else's line
    everything = cli("info", "--page", "all.html")
    assert (everything.code, everything.out.split()) == (0, ["all.html"])
    assert cli("info", "--page", "all.html").code == 0, "a page is written anew"
    refused = cli("info", "--page", "runs/longer/settings.yaml")
    assert (refused.code, "is no page of gantool" in refused.err) == (2, True)
    assert "nowhere" in cli("info", "nowhere", "--page", "x.html").err
    assert cli("info", "cyclegan-1", "longer").code == 2
    empty = cli("info", "--page", "x.html", "--runs", "none")
    assert (empty.code, "no runs yet" in empty.err, Path("x.html").exists()) == (2, True, False)
