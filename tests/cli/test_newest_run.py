"""Which run is taken where none is named, and what is said of one that is not trained to its end."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from support import Cli

from gantool.models.files import load_net, read_card
from gantool.models.formats.native import save_model
from gantool.models.history import history_of
from gantool.models.runs import Run


def later(number: int, *, planned: int = 1) -> Run:
    """A copy of ``cyclegan-1`` that began after it."""
    run = Run(Path(f"runs/cyclegan-{number}"))
    shutil.copytree("runs/cyclegan-1", run.path)
    run.write_facts({**run.facts(), "created": f"3000-01-0{number}T00:00:00"})
    run.settings.write_text(
        run.settings.read_text("utf-8").replace("  epochs: 1\n", f"  epochs: {planned}\n"), "utf-8"
    )
    return run


def stop_in_first_epoch(run: Run) -> None:
    """Make of it what Ctrl-C leaves before the first epoch is done."""
    card = read_card(run.model)
    nets = {one.net: load_net(run.model, card, one.target) for one in card.directions}
    save_model(run.model, nets, card.model_copy(update={"origin": card.origin.model_copy(update={"epochs": 0})}))
    run.metrics.unlink()


@pytest.fixture
def picture(with_run: Path) -> tuple[str, ...]:
    Image.new("RGB", (40, 36), "green").save("a.png")
    return ("translate", "a.png", "--to", "winter", "--overwrite", "--json")


def test_a_run_without_a_finished_epoch_hides_no_other(cli: Cli, picture: tuple[str, ...]) -> None:
    stop_in_first_epoch(later(2, planned=9))
    later(3).model.unlink()
    for model in ([], ["--model", "cyclegan"]):
        done = cli(*picture, *model)
        assert json.loads(done.out)["model"] == str(Path("runs/cyclegan-1/model.safetensors"))
        assert "not trained to its end" not in done.err
    named = cli(*picture, "--model", "cyclegan-2")
    assert "cyclegan-2 is not trained to its end (0 of 9 epochs)" in named.err
    shutil.rmtree("runs/cyclegan-1")
    assert json.loads(cli(*picture).out)["model"].endswith("seasons.safetensors"), "a built-in one is better"
    assert "Did you mean" in cli("translate", "a.png", "--to", "wintr").err
    of_kind = cli(*picture, "--model", "cyclegan")
    assert json.loads(of_kind.out)["model"] == str(Path("runs/cyclegan-2/model.safetensors")), "there is no other"
    shutil.rmtree("runs/cyclegan-2")
    assert "has no model yet" in cli(*picture, "--model", "cyclegan").err


def test_an_interrupted_run_counts_and_says_so(cli: Cli, picture: tuple[str, ...]) -> None:
    run = later(2, planned=9)
    done = cli(*picture)
    assert json.loads(done.out)["model"] == str(run.model)
    said = "cyclegan-2 is not trained to its end (1 of 9 epochs). To finish it: gantool train --resume cyclegan-2\n"
    assert said in done.err
    assert said in cli("evaluate", "cyclegan", "-o", "out").err
    exported = cli("export", "cyclegan", "--to", "winter", "-o", "w.pt", "--format", "torchscript")
    assert said in exported.err


def test_a_run_that_is_being_trained_is_not_to_be_resumed(cli: Cli, picture: tuple[str, ...]) -> None:
    run = later(2, planned=9)
    with run.locked():
        said = cli(*picture).err
        assert re.search(
            r"cyclegan-2 is still being trained by process \d+ on .* since .* \(1 of 9 epochs\)\.\n", said
        )
        assert "--resume" not in said
        note = run.path / ".lock.holder"
        here = json.loads(note.read_text("utf-8"))
        for changed in ({"pid": 2**22 + 1}, {"host": "elsewhere"}):  # gone, or nobody here can tell
            note.write_text(json.dumps({**here, **changed}), "utf-8")
            assert "not trained to its end" in cli(*picture).err


def test_an_evaluation_of_before_a_run_was_trained_on_is_said_to_be_old(cli: Cli, picture: tuple[str, ...]) -> None:
    again = ("evaluate", "cyclegan", "-o", "out", "--skip-existing")
    cli(*again)
    assert "is older than the model" not in cli(*again).err
    model = Run(Path("runs/cyclegan-1")).model
    written = Path("out/evaluation.json").stat().st_mtime
    os.utime(model, (written + 5, written + 5))
    done = cli(*again)
    assert (
        f"{Path('out/evaluation.json')}: is older than the model; --overwrite instead measures it again." in done.err
    )
    assert done.code == 0
    assert "is older than the model" not in cli("evaluate", "cyclegan", "-o", "out", "--overwrite").err


def test_a_run_that_ended_early_is_finished(with_run: Path) -> None:
    run = later(2, planned=9)
    assert not history_of(run).is_finished
    text = run.settings.read_text("utf-8")
    run.settings.write_text(text.replace("  patience: null\n", "  patience: 2\n"), "utf-8")
    for epoch in (2, 3):
        assert not history_of(run).is_finished
        run.append_metrics({"step": 4 * epoch, "epoch": epoch, "metrics": {"l1_ratio": 2.0}, "best": False})
    assert history_of(run).is_finished
