"""A user's own defaults: variables, the folder's file, the user's file; and what a shell completes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import platformdirs
import pytest
import typer
from support import Cli

from gantool.cli.app import command_line
from gantool.cli.contract import completion
from gantool.cli.contract.defaults import _user_folder, settings_files
from gantool.models.pretrained import PRETRAINED

ROOT: Any = typer.main.get_command(command_line())


def parsed(command: str, *words: str) -> dict[str, Any]:
    """What a command takes its options for."""
    return dict(ROOT.commands[command].make_context(command, list(words)).params)


def user_file(text: str) -> Path:
    path = _user_folder() / "gantool.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def test_the_users_folder_is_that_of_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _user_folder() == platformdirs.user_config_path("gantool", appauthor=False)
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert _user_folder() == platformdirs.user_config_path("gantool", appauthor=False)


def test_each_place_wins_over_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(*words: str) -> tuple[str, str, str]:
        found = parsed("translate", "x", *words)
        return found["to"], found["tile"], str(found["runs"])

    with pytest.raises(Exception, match="--to is missing"):
        parsed("translate", "x")
    user_file("runs: /user\ntranslate: {to: user, tile: 1}\n")
    assert seen() == ("user", "1", "/user")
    Path("gantool.yaml").write_text("translate:\n  to: folder\n  tile: 2\n")
    assert seen() == ("folder", "2", "/user")
    monkeypatch.setenv("GANTOOL_RUNS", "/variable")
    monkeypatch.setenv("GANTOOL_TRANSLATE_TO", "variable")
    assert seen() == ("variable", "2", "/variable")
    monkeypatch.setenv("GANTOOL_TRANSLATE_RUNS", "/own")
    assert seen() == ("variable", "2", "/own")
    assert seen("--to", "line", "--tile", "3", "--runs", "/line") == ("line", "3", "/line")


def test_kinds_of_values(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("gantool.yaml").write_text(
        "quiet: yes\nskip-existing: true\ntrain: {set: [loss.identity=0, train.ema=0], compile: false, lr: 2e-4}\n"
        "translate: {batch-size: 4, tile: null}\n"
    )
    train, translate = parsed("train"), parsed("translate", "x", "--to", "y")
    assert list(train["assignments"]) == ["loss.identity=0", "train.ema=0"]
    assert (train["compile_nets"], train["lr"], train["quiet"]) == (False, 2e-4, True)
    assert (translate["batch_size"], translate["tile"], translate["skip_existing"]) == (4, "auto", True)
    assert parsed("translate", "x", "--to", "y", "--no-skip-existing")["skip_existing"] is False
    assert parsed("translate", "x", "--to", "y", "--overwrite")["skip_existing"] is False
    monkeypatch.setenv("GANTOOL_SKIP_EXISTING", "off")
    assert parsed("translate", "x", "--to", "y")["skip_existing"] is False


def test_a_run_that_goes_on_takes_nothing_but_what_may_change() -> None:
    Path("gantool.yaml").write_text("device: cpu\nruns: there\ntrain: {batch-size: 4, workers: 2, data: photos}\n")
    resumed = parsed("train", "--resume", "latest")
    assert (resumed["device"], resumed["batch_size"], resumed["data"]) == (None, None, None)
    assert (str(resumed["runs"]), resumed["workers"]) == ("there", 2)
    assert parsed("train", "cyclegan", "--domain", "a=b")["data"] is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("devcie: cpu", 'devcie: is neither a command nor an option of all commands. Did you mean "device"?'),
        ("tile: 3", "tile: is neither a command nor an option of all commands."),
        ("translate: {tle: 3}", 'translate.tle: there is no such option. Did you mean "tile"?'),
        ("translate: 3", "translate: expected options, such as tile: 512."),
        ("trust: true", "trust: has to be said each time. Use --trust on the command line."),
        ("translate: {trust: true}", "translate.trust: has to be said each time."),
        ("translate: {overwrite: true}", "translate.overwrite: has to be said each time."),
        ("translate: {output: /etc}", "translate.output: has to be said each time."),
        ("translate: {tile: [1, 2]}", "tile: expected one value, got several."),
        ("translate: {tile: {a: 1}}", "tile: expected one value, got several."),
        (
            "translate: {batch-size: many}",
            "--batch-size many (from gantool.yaml): expected a whole number of at least 1.",
        ),
        ("quiet: perhaps", "--quiet perhaps (from gantool.yaml): expected true or false."),
        ("- a", "expected sections"),
        ("a: [", "not valid YAML"),
        ("translate: {tile: 3}", "--tile comes from gantool.yaml."),
        ("translate: {device: warp}", "--device comes from gantool.yaml."),
    ],
)
def test_what_is_wrong_in_a_file_costs_one_sentence(text: str, sentence: str, cli: Cli) -> None:
    Path("gantool.yaml").write_text(text)
    Path("a.png").write_bytes(b"")
    result = cli("translate", "a.png", "--to", "winter", "--model", "seasons")
    assert (result.code, result.out) == (2, "")
    assert sentence in result.err
    assert "gantool.yaml" in result.err
    assert cli("translate", "--help").code == 0, "help is always to be had"


def test_a_variable_that_is_wrong_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANTOOL_TRANSLATE_BATCH_SIZE", "many")
    result = cli("translate", "a.png", "--to", "winter")
    assert "--batch-size many (from GANTOOL_TRANSLATE_BATCH_SIZE): expected a whole number" in result.err


def test_info_tells_what_is_in_effect(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(cli("info", "--json").out)["settings files"] == []
    path = user_file("device: cpu\n")
    Path("gantool.yaml").write_text("info: {runs: elsewhere}\n")
    monkeypatch.setenv("GANTOOL_DEVICE", "cpu")
    facts = json.loads(cli("info", "--json").out)
    assert facts["settings files"] == [str(Path("gantool.yaml").resolve()), str(path)]
    assert facts["variables"] == ["GANTOOL_DEVICE"]
    Path("gantool.yaml").write_text("segment: {otuputs: mask}\n")
    result = cli("info")
    assert (result.code, 'segment.otuputs: there is no such option. Did you mean "outputs"?' in result.err) == (
        2,
        True,
    )


def test_without_a_file_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantool.cli.contract.defaults._read", lambda path: pytest.fail("read"))
    assert settings_files() == []
    parsed("info")
    code = "import sys; from gantool.cli.app import run; run(['info', '--help']); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not any(f"'{name}'" in loaded for name in ("platformdirs", "ruamel.yaml", "torch", "numpy"))


def completed(function: Any, incomplete: str = "", **params: Any) -> list[str]:
    context = typer.Context(ROOT.commands["translate"])
    context.params = params
    takes_context = "ctx" in function.__code__.co_varnames[: function.__code__.co_argcount]
    return [word for word, _ in (function(context, incomplete) if takes_context else function(incomplete))]


def test_completion_knows_what_is_here() -> None:
    run = Path("runs/photos-1")
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"kind": "cut", "created": "2", "domains": ["day", "night"]}))
    Path("runs/broken").mkdir()
    Path("runs/broken/run.json").write_text("{")
    Path("data/mine").mkdir(parents=True)
    assert completed(completion.models)[:4] == ["photos-1", "cut", "landscape", "seasons"]
    assert set(PRETRAINED) <= set(completed(completion.models))
    assert completed(completion.models, "sea") == ["seasons"]
    assert completed(completion.models, runs="nowhere")[:2] == ["landscape", "seasons"]
    assert completed(completion.runs) == ["latest", "photos-1"]
    assert completed(completion.domains) == ["day", "night", "summer", "winter"]
    assert completed(completion.data_sets) == ["mine"]
    assert "facades" in completed(completion.sources)
    assert {"cyclegan", "pix2pix"} <= set(completed(completion.trainable))
    assert {"photos-1", "mine", "seasons"} <= set(completed(completion.subjects))
    assert completed(completion.gates, "io") == ["iou/"]
    assert completed(completion.devices, "c") == ["cpu", "cuda"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gantool translate a.png --model sea", "seasons"),
        ("gantool translate a.png --to win", "winter"),
        ("gantool export seasons --format on", "onnx"),
        ("gantool train cyclegan-l", "cyclegan-light"),
        ("gantool prepare faca", "facades"),
    ],
)
def test_the_shell_completes(line: str, expected: str) -> None:
    code = (
        "import sys; from gantool.cli.app import run\n"
        "try: run([])\n"
        "finally: print('torch' in sys.modules, 'numpy' in sys.modules, file=sys.stderr)"
    )
    words = line.split()
    env = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_GANTOOL_COMPLETE": "complete_bash"}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | env, capture_output=True, text=True)
    assert expected in done.stdout.split()
    assert done.stderr == "False False\n"
