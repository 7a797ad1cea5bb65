"""One spelling for one meaning in all commands, help that can be read, and sentences for every mistake."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from support import Cli

from gantool.cli.app import COMMANDS, command_line
from gantool.cli.contract.command import OLD_SPELLINGS

ROOT: Any = typer.main.get_command(command_line())

# What every command has that could need it. To take one out needs a reason here.
WANTED = {
    "--json": set(COMMANDS) - {"serve"},  # it answers by HTTP
    "--quiet": set(COMMANDS),
    "--verbose": set(COMMANDS),
    "--runs": set(COMMANDS) - {"prepare"},
    "--model": set(COMMANDS) - {"prepare"},
    "--device": {"train", "translate", "segment", "evaluate", "serve"},  # export works on the CPU
    "--precision": {"train", "translate", "segment", "evaluate", "export"},
    "--output": {"prepare", "translate", "segment", "evaluate", "export"},  # a run has --runs and --name
    "--overwrite": set(COMMANDS) - {"info", "serve"},
    "--skip-existing": {"prepare", "translate", "segment", "evaluate", "export"},  # a run has --resume
    "--dry-run": set(COMMANDS) - {"info", "serve"},
    "--batch-size": {"train", "translate"},  # segment and evaluate run pictures one by one
    "--size": {"translate", "evaluate"},
    "--shorter-side": {"prepare", "segment"},
    "--crop": {"train"},
    "--data": {"train", "evaluate"},
    "--to": {"train", "translate", "evaluate", "export"},
    "--shard": {"prepare", "translate", "segment", "evaluate"},  # train is started by what sets all ranks
    "--engine": {"translate", "segment", "evaluate"},  # shares of prepare wait for each other, which tasks must not
    "--trust": {"translate", "segment", "evaluate", "serve"},
}

# Options of one name whose texts differ, with the reason.
DIFFERENT = {
    "--to": "what a translation, a training and a choice of directions need a domain for",
    "--model": "a second way to name what is an argument in train and evaluate",
    "--output": "pictures, a data set, a folder of an evaluation, exported files",
    "--precision": "what a computer computes in, or what a file holds",
    "--format": "of pictures or of model files",
    "--batch-size": "of a step, or of pictures that run together",
    "--shorter-side": "of what is written, or of what the network sees",
    "--tile": "what is cut into files, or what runs in pieces",
    "--split": "shares to draw, or the one to measure on",
    "--workers": "that load images, or that run them",
    "--seed": "of a split, or of a training",
    "--domain": "instead of SOURCE, or of --data",
}


def options() -> dict[str, dict[str, Any]]:
    """By long name, and by command."""
    found: dict[str, dict[str, Any]] = {}
    for command, parsed in ROOT.commands.items():
        for param in parsed.params:
            if param.param_type_name == "option":
                found.setdefault(next(name for name in param.opts if name[:2] == "--"), {})[command] = param
    return found


@pytest.mark.parametrize("name", WANTED)
def test_commands_have_the_options_they_could_need(name: str) -> None:
    assert set(options()[name]) == WANTED[name]


def test_one_spelling_has_one_meaning() -> None:
    differing = {
        name
        for name, by_command in options().items()
        if len({(param.help, param.metavar, *param.opts) for param in by_command.values()}) > 1
    }
    assert differing == set(DIFFERENT)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_group_a_meaning_and_a_value_in_words(command: str) -> None:
    for param in ROOT.commands[command].params:
        assert param.help, param.name
        assert param.rich_help_panel, param.name
        assert param.is_flag if param.param_type_name == "option" and not param.metavar else True, param.name


@pytest.mark.parametrize("command", ["", *COMMANDS])
@pytest.mark.parametrize("columns", [60, 80, 100, 160])
def test_help_fits_and_can_be_read(command: str, columns: int, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    result = cli(*([command] if command else []), "--help")
    assert result.code == 0
    assert not any(word in result.out for word in ("<bool>", "<str>", "<path>", "<int", "[default", "[["))
    assert "\nExamples\n  gantool " in result.out
    text = [line for line in result.out.splitlines() if not line.startswith("  gantool ") and "cat x.jpg" not in line]
    assert max(map(len, text)) <= min(columns, 100)
    assert max(map(len, result.out.splitlines())) <= max(columns, 80)


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_of_the_help_can_be_parsed(command: str) -> None:
    for line in ROOT.commands[command].epilog.strip().splitlines():
        words = line.partition("| ")[2].split() if "|" in line else line.split()
        if ">" in words:
            words = words[: words.index(">")]
        assert words[:2] == ["gantool", command]
        ROOT.commands[command].make_context(command, words[2:])


@pytest.mark.parametrize(("command", "old"), [(one, old) for one, pairs in OLD_SPELLINGS.items() for old in pairs])
def test_old_spellings_go_on_working(command: str, old: str) -> None:
    new = OLD_SPELLINGS[command][old]
    of = ROOT.commands[command]
    for words in ([old, "64"], [f"{old}=64"], [new, "64"]):
        context = of.make_context(command, ["x", *words])
        assert str(context.params[new[2:].replace("-", "_")]) == "64"
    assert not any(old in param.opts for param in of.params), "not in the help"


def test_every_flag_can_be_undone() -> None:
    context = ROOT.commands["translate"].make_context(
        "t", ["x", "--to", "y", "--skip-existing", "--no-skip-existing"]
    )
    assert context.params["skip_existing"] is False


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("translate a.png", "--to is missing. Domain to translate to, such as winter."),
        ("translate a.png --to", "--to: expected a value, --to DOMAIN."),
        ("translate a.png --to x --batch-size 0", "--batch-size 0: expected a whole number of at least 1."),
        ("translate a.png --to x --batch-size many", "--batch-size many: expected a whole number of at least 1."),
        ("translate a.png --to x --quiet=3", "--quiet: takes no value."),
        ("translate a.png --to x --sid-by-side", 'there is no such option. Did you mean "--side-by-side"?'),
        ("translate a.png --to x -z", "-z: there is no such option. See gantool translate --help."),
        ("segment a.png --steady nonsense", "--steady nonsense: there is no such word. Known: auto, off, on."),
        ("segment a.png --min-area few", "--min-area few: expected a whole number."),
        ("segment a.png --simplify much", "--simplify much: expected a number."),
        ("prepare x --snap 500", "--snap 500: expected a number from 0 to 441."),
        ("prepare x --shorter-side 3", "--shorter-side 3: expected a whole number of at least 16."),
        ("prepare x --size 3", "--shorter-side 3: expected a whole number of at least 16."),
        ("prepare x y", "'y': is one argument too many. See gantool prepare --help."),
        ("train cyclegan --epochs 1.5", "--epochs 1.5: expected a whole number."),
        ("train cyclegan --lr fast", "--lr fast: expected a number."),
        ("train cyclegan --model unet", "cyclegan and --model unet name the model twice. Give one of them."),
        ("train cyclegan --set optimizer.lr=-1", "optimizer.lr: must be more than 0, got -1."),
        ("train cyclegan --set optimizer.lr=x", "optimizer.lr: must be a number, got 'x'."),
        ("train cyclegan --set train.epochs=null", "train.epochs: must be a whole number, got null."),
        ("train cyclegan --set model.norm=instnace", "model.norm: must be instance, batch or none, got 'instnace'. "
         'Did you mean "instance"?'),
        ("train cyclegan --set data.channels=[1]", "data.channels, value 2: is missing."),
        ("train cyclegan --set data.channels=[1,2]", "data.channels, value 2: must be 1 or 3, got 2."),
        ("train unet --set loss.class_weights={sky: -1}", "loss.class_weights.sky: must be at least 0, got -1."),
        ("train cyclegan --set model.dropout=maybe", "model.dropout: must be true or false, got 'maybe'."),
        ("trane", 'There is no command \'trane\'. Did you mean "train"?'),
        ("xyz", "There is no command 'xyz'. Known: prepare, train, translate, segment, evaluate, export, serve, "
         "info."),
        ("--verison", '--verison: there is no such option. Did you mean "--version"?'),
        ("evaluate unet --size 3x4", "--size 3x4: what is measured is square. Use 3x3."),
        ("evaluate unet --fail-under sky=0.9", 'there is no metric "sky".'),
        ("evaluate unet --fail-under iou/=0.9", "every class has its own iou."),
        ("evaluate unet --fail-under mean_iou/sky=0.9", "mean_iou has no values of classes."),
        ("evaluate unet --fail-under iou/sky", "expected NAME=VALUE"),
        ("evaluate unet --fail-under iou/sky=nan", "expected NAME=VALUE"),
        ("evaluate unet --skip-existing --fail-under mean_iou=0.9", "which a gate needs."),
        ("evaluate unet --skip-existing --overwrite", "do not go together."),
        ("export", "MODEL is missing."),
        ("export seasons -o -", "-o -: exports are files. Name a folder; one that is called so is ./-"),
        ("evaluate seasons -o -", "-o -: evaluations are files."),
        ("prepare x -o -", "-o -: data sets are files."),
    ],
)  # fmt: skip
def test_mistakes_are_answered_in_our_words(line: str, sentence: str, cli: Cli, workplace: Path) -> None:
    words = line.split(" ", 3) if " {" in line or "{" in line else line.split(" ")
    result = cli(*words)
    assert (result.code, result.out) == (2, ""), result.err
    assert sentence in result.err
    assert not any(
        word in result.err.lower() for word in ("invalid value", "no such option:", "input should", "pydantic")
    )
    assert list(workplace.iterdir()) == []


def test_yaml_files_are_answered_in_our_words_too(cli: Cli, workplace: Path) -> None:
    for text, sentence in (
        ("train: {epochs: many}", "my.yaml: train.epochs: must be a whole number, got 'many'."),
        ("train: 3", "my.yaml: train: expected keys and values below it, got 3."),
        ("optimizer: {lrr: 1}", 'my.yaml: optimizer.lrr: there is no such setting. Did you mean "lr"?'),
        ("runtime: {workers: 1.5}", "my.yaml: runtime.workers: must be a whole number, got 1.5."),
    ):
        Path("my.yaml").write_text(text)
        result = cli("train", "cyclegan", "--config", "my.yaml")
        assert (result.code, sentence in result.err) == (2, True), result.err


def test_a_model_is_named_in_two_ways(cli: Cli, workplace: Path) -> None:
    for line in (
        ["export", "--model", "nothing"],
        ["evaluate", "--model", "nothing"],
        ["info", "--model", "nothing"],
    ):
        result = cli(*line)
        assert (result.code, "nothing" in result.err) == (2, True), result.err
    assert cli("info", "seasons").out == cli("info", "--model", "seasons").out
    assert "cyclgan" in cli("train", "--model", "cyclgan").err


def test_a_dry_run_writes_nothing_and_names_all(cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    Image.new("RGB", (20, 20)).save("a.png")
    result = cli("translate", "a.png", "--to", "winter", "--model", "seasons", "--dry-run", "-o", "out/")
    assert (result.code, result.out) == (0, "out/a.winter.png\n")
    result = cli("segment", "a.png", "--model", "landscape", "--dry-run")
    assert (result.code, result.out) == (0, "a.mask.png\na.overlay.png\n")
    result = cli("export", "seasons", "--dry-run")
    assert (result.code, result.out) == (0, "seasons-to-winter.onnx\nseasons-to-summer.onnx\n")
    Path("b.png").write_bytes(b"no image")
    assert cli("translate", "b.png", "--to", "winter", "--model", "seasons", "--dry-run").code == 2
    assert sorted(path.name for path in workplace.iterdir()) == ["a.png", "b.png"]


def test_typer_gets_no_word_in(cli: Cli, workplace: Path) -> None:
    """Nothing that a person can type is answered by click or pydantic in their own words."""
    sys.modules.pop("nothing", None)
    for command in COMMANDS:
        for param in ROOT.commands[command].params:
            if param.param_type_name != "option" or param.is_flag:
                continue
            name = max(param.opts, key=len)
            result = cli(command, name)
            assert result.err.endswith(
                f"{name}: expected a value, {name} {param.metavar}. See gantool {command} --help.\n"
            )
