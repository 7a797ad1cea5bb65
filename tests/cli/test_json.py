"""The JSON of every command is as its documented schema says, also where a command ends with an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from json_schema import mistakes
from PIL import Image
from support import TINY, Cli, Outcome

from gantool.cli.contract.shapes import SCHEMAS, LabelScores, PictureScores
from gantool.metrics.table import METRICS


def answer(result: Outcome, name: str, code: int = 0, *, open_ended: bool = False) -> Any:
    """The one object on stdout, which has to be as the schema of that name says."""
    assert result.code == code, result.err
    value = json.loads(result.out)
    assert value["schema"] == f"gantool.{name}/1"
    assert mistakes(value, open_ended=open_ended) == []
    return value


def drawn(path: Path, seed: int = 0, size: tuple[int, int] = (48, 40)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def test_the_checker_finds_mistakes() -> None:
    good = {"schema": "gantool.error/1", "error": {"kind": "a", "message": "b", "remedy": "", "exit_code": 2}}
    assert mistakes(good) == []
    for key, value in (("kind", 1), ("exit_code", "2"), ("exit_code", True), ("other", 1)):
        assert len(mistakes({**good, "error": {**good["error"], key: value}})) == 1  # type: ignore[dict-item]
    assert mistakes({**good, "error": {"kind": "a"}}) != []
    listed = {"schema": "gantool.translate/1", "model": "a", "from": "a", "to": "b", "device": "c", "precision": "p",
              "files": [{"input": "a"}], "skipped": [1], "failed": []}  # fmt: skip
    assert any("files[0].output" in text for text in mistakes(listed))
    assert any("skipped[0]" in text for text in mistakes(listed))


def test_every_schema_is_written_down_and_every_metric_is_in_it() -> None:
    folder = Path(__file__).parents[2] / "docs" / "schemas"
    assert {path.stem for path in folder.glob("*.json")} == {name.replace("/", ".") for name in SCHEMAS}
    of_classes = {name for name, metric in METRICS.items() if metric.by_class}
    named = set(LabelScores.__annotations__) | set(PictureScores.__annotations__)
    assert set(METRICS) - of_classes <= named


def test_pictures(cli: Cli, workplace: Path) -> None:
    drawn(Path("a.png"))
    Path("b.png").write_bytes(b"no image")
    translate = ("translate", "--to", "winter", "--model", "seasons", "--json", "-q")
    assert answer(cli(*translate, "a.png", "--dry-run"), "translate")["dry_run"] is True
    assert not Path("a.winter.png").exists()
    assert answer(cli(*translate, "a.png", "b.png"), "translate", 1)["files"][0]["output"] == "a.winter.png"
    assert answer(cli(*translate, "a.png", "--skip-existing"), "translate")["skipped"] == ["a.winter.png"]
    segment = ("segment", "--model", "landscape", "--json", "-q")
    assert answer(cli(*segment, "a.png", "--outputs", "mask,coco"), "segment")["coco"] == "segments.coco.json"
    answer(cli(*segment, "a.png", "--rank", "uncertainty", "-o", "next", "--dry-run"), "segment")
    assert not Path("next").exists()
    assert "ranking" in answer(cli(*segment, "a.png", "--rank", "uncertainty", "-o", "next"), "segment")


def test_training_and_what_is_told_of_it(cli: Cli, workplace: Path) -> None:
    result = answer(cli("train", "cyclegan", "--epochs", "2", "--json", "-q", *TINY), "train")
    assert (result["epochs"], result["epochs_planned"]) == (2, 2)
    assert result["best_epoch"] in (1, 2)
    assert result["seconds"] > 0
    assert result["page"] == str(Path(result["run"]) / "report.html")
    run = answer(cli("info", "cyclegan-1", "--json"), "info", open_ended=True)
    same = ("epochs", "best_epoch", "best_metrics", "seconds", "page")
    assert [run[key] for key in same] == [result[key] for key in same]
    table = cli("info", "cyclegan-1").out
    assert "epochs" in table and " 2 of 2, in " in table
    assert f"best epoch               {result['best_epoch']}" in table
    assert "(lower is better)" in table
    evaluated = answer(cli("evaluate", "cyclegan", "--json", "-q", "-o", "measured"), "evaluate")
    assert json.loads(Path("measured/evaluation.json").read_text()) == evaluated
    left = answer(cli("evaluate", "cyclegan", "--json", "-q", "-o", "measured", "--skip-existing"), "evaluate")
    assert "results" not in left
    ahead = answer(cli("evaluate", "cyclegan", "--json", "-q", "-o", "other", "--dry-run"), "evaluate")
    assert (ahead["dry_run"], Path("other").exists()) == (True, False)
    export = ("export", "cyclegan", "--to", "winter", "--format", "torchscript", "--json", "-q")
    answer(cli(*export, "--dry-run"), "export")
    files = answer(cli(*export), "export")["files"]
    assert answer(cli(*export, "--skip-existing"), "export") == {
        "schema": "gantool.export/1", "files": [], "skipped": [files[0]["path"]]
    }  # fmt: skip


def test_label_maps(cli: Cli, with_segmenter: Path) -> None:
    result = answer(cli("evaluate", "unet", "--json", "-q", "-o", "a"), "evaluate")
    assert result["models"][0]["model"] == "unet-1"
    answer(cli("info", "unet-1", "--json"), "info", open_ended=True)


def test_lists_and_data(cli: Cli, workplace: Path) -> None:
    for n in range(3):
        drawn(Path(f"x/{n}.png"), n)
        drawn(Path(f"y/w{n}.png"), n + 9)
    prepare = ("prepare", "--domain", "summer=x", "--domain", "winter=y", "--json", "-q")
    answer(cli(*prepare, "--dry-run"), "prepare")
    assert answer(cli(*prepare), "prepare")["output"] == "data/summer2winter"
    assert answer(cli(*prepare, "--skip-existing"), "prepare") == {
        "schema": "gantool.prepare/1", "output": "data/summer2winter", "skipped": True
    }  # fmt: skip
    answer(cli("prepare", "--list", "--json"), "data-sets")
    answer(cli("train", "--list-models", "--json"), "models")
    answer(cli("train", "cyclegan", "--write-settings", "a.yaml", "--json"), "settings")
    for subject in ([], ["data/summer2winter"], ["x/0.png"], ["seasons"], ["landscape"]):
        answer(cli("info", *subject, "--json"), "info", open_ended=True)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (["translate", "none.png", "--to", "winter", "--json"], "DataError", "no such file"),
        (["translate", "none.png", "--json", "--tow", "winter"], "UsageError", "--tow: there is no such option"),
        (["segment", "--json"], "UsageError", "INPUT is missing"),
        (["train", "cyclegan", "--set", "optimizer.lr=x", "--json"], "SettingsError", "must be a number"),
        (["evaluate", "nothing", "--json"], "ModelError", "There is no model"),
        (["train", "--resume", "latest", "--json"], "RunError", "no runs yet"),
        (["info", "nothing", "--json"], "UsageError", "is no file"),
        (["trian", "--json"], "UsageError", 'Did you mean "train"?'),
    ],
)
def test_errors_are_json_too(arguments: list[str], kind: str, words: str, cli: Cli, workplace: Path) -> None:
    result = cli(*arguments)
    error = answer(result, "error", 2)["error"]
    assert (error["kind"], error["exit_code"]) == (kind, 2)
    assert words in error["message"]
    assert result.err.strip().endswith(f"error: {error['message']}"), "the sentence is on stderr, too"
    plain = cli(*(word for word in arguments if word != "--json"))
    assert (plain.code, plain.out) == (2, "")


def test_internal_errors_and_interrupts_are_json_too(
    cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(runs: Path) -> None:
        raise ValueError("broken")

    def stopped(runs: Path) -> None:
        raise KeyboardInterrupt

    for fault, code, kind in ((broken, 70, "InternalError"), (stopped, 130, "Interrupted")):
        monkeypatch.setattr("gantool.workflows.info.describe_machine", fault)
        assert answer(cli("info", "--json"), "error", code)["error"]["kind"] == kind


def test_json_by_default_makes_errors_json(cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANTOOL_JSON", "1")
    assert answer(cli("info", "nothing"), "error", 2)
    assert cli("info", "nothing", "--no-json").out == ""
