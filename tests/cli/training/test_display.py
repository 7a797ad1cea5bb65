"""What a person sees of a training: pictures of terminals of several widths, and the lines of a log."""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_terminal import FakeTerminal
from rich.console import Console

from gantool.cli.console import Screen
from gantool.cli.training import TrainingDisplay
from gantool.engine.events import EpochDone
from gantool.errors import TrainingError
from gantool.workflows.train import Finished, Notice, Started

from scripts import Clock, Script, cyclegan, segmentation  # isort: skip -- beside this file

SNAPSHOTS = Path(__file__).parent / "snapshots"
METHODS = {"cyclegan": cyclegan, "segmentation": segmentation}


def on_terminal(columns: int, encoding: str = "utf-8") -> tuple[Screen, FakeTerminal]:
    terminal = FakeTerminal(columns)
    terminal.encoding = encoding  # type: ignore[misc]
    screen = Screen()
    screen.err = Console(
        file=terminal, width=columns, height=40, force_terminal=True, color_system="standard", highlight=False,
        legacy_windows=False, _environ={},
    )  # fmt: skip
    screen.interactive, screen.shares_terminal = True, False
    return screen, terminal


def play(script: Script, screen: Screen, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the command follow a script instead of a training."""
    monkeypatch.setattr("gantool.workflows.train.training_events", script)
    monkeypatch.setattr(
        "gantool.cli.training.TrainingDisplay", functools.partial(TrainingDisplay, clock=script.clock)
    )
    plan = SimpleNamespace(dry_run=False, kind=script.kind)
    return int(import_module("gantool.cli.train")._run(screen, plan))


@pytest.mark.parametrize("columns", [60, 80, 100, 160])
@pytest.mark.parametrize("method", METHODS)
def test_pictures(method: str, columns: int, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To take them anew: GANTOOL_SNAPSHOTS=write pytest tests/cli/training."""
    screen, terminal = on_terminal(columns)
    script = METHODS[method](Clock())
    during: list[str] = []
    script.pause = lambda: during.extend(terminal.lines())
    assert play(script, screen, monkeypatch) == 0
    rule = "." * columns
    shown = "\n".join(["while it trains", rule, *during, rule, "at its end", rule, *terminal.lines()]) + "\n"
    path = SNAPSHOTS / f"{method}-{columns}.txt"
    if os.environ.get("GANTOOL_SNAPSHOTS") == "write":
        path.write_text(shown, "utf-8")
    assert shown == path.read_text("utf-8")
    assert max(map(len, shown.splitlines())) <= columns
    assert terminal.cursor_shown
    assert "…" not in shown and "..." not in shown.replace(rule, "")


def test_a_terminal_without_unicode_gets_other_signs(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen, terminal = on_terminal(80, "ascii")
    script = cyclegan(Clock())
    during: list[str] = []
    script.pause = lambda: during.extend(terminal.lines())
    play(script, screen, monkeypatch)
    assert during[2].startswith("epoch  L1 ratio (min) ")
    assert during[4].startswith(" 2/20  0.552 * -0.151 ")
    assert during[-1].startswith(" 4/20  ###-------  33/100 ")
    assert "".join(during).isascii()


def test_a_stop_leaves_no_bar(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen, terminal = on_terminal(80)
    play(cyclegan(Clock(), stopped=True), screen, monkeypatch)
    assert terminal.cursor_shown
    shown = terminal.lines()
    assert not [line for line in shown if "━" in line]
    assert shown[-5:] == [
        "", "Stopped and saved.", "Report: runs/cyclegan-1/report.html",
        "Resume: gantool train --resume cyclegan-1", "",
    ]  # fmt: skip


def test_an_error_leaves_no_bar(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen, terminal = on_terminal(80)
    script = cyclegan(Clock())

    def fail() -> None:
        assert not terminal.cursor_shown
        raise TrainingError("step 7: there is too little memory on cuda for a step of 1 image.")

    script.pause = fail
    with pytest.raises(TrainingError):
        play(script, screen, monkeypatch)
    assert terminal.cursor_shown
    assert not [line for line in terminal.lines() if "━" in line]


def test_being_asked_to_stop_is_answered_at_once(workplace: Path) -> None:
    screen, terminal = on_terminal(80)
    asked = [False]
    events = cyclegan(Clock())(None)
    with TrainingDisplay(screen) as display:
        started = next(events)
        assert isinstance(started, Started)
        display.start(replace(started, stopping=lambda: asked[0]))
        display.show(next(events))
        asked[0] = True
        display.note("A step may take long.")
        assert terminal.lines()[-1].startswith(" 1/20  stopping, saving")


def test_a_smaller_terminal_gets_a_new_header_and_no_remains(workplace: Path) -> None:
    screen, terminal = on_terminal(100)
    clock = Clock()
    with TrainingDisplay(screen, clock) as display:
        for event in cyclegan(clock)(None):
            if isinstance(event, Started):
                display.start(event)
            elif isinstance(event, EpochDone) and event.epoch == 2:
                before = [line for line in terminal.lines() if line.startswith(" 1/20")]
                terminal.resize(60)
                screen.err.width = 60
                display.show(event)
                display.note("A note.")
                break
            else:
                display.show(event)
        lines = terminal.lines()
    assert len(before) == 1
    assert lines[-7:] == [
        before[0][:60].rstrip(), before[0][60:], "",
        "epoch  L1 ratio ↓          img/s  elapsed    left  seconds",
        " 2/20  0.552 ★ -0.151        2.4     1:30   13:12       41",
        "A note.",
        " 3/20  ──────────   0/100    2.4     1:30   13:12",
    ]  # fmt: skip


def test_a_log_has_a_line_a_minute(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Epochs of 41 seconds need none between; those of 28 minutes do."""
    play(cyclegan(Clock()), Screen(), monkeypatch)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch")]
    assert lines == [
        "epoch 1/20  adversarial 1.220  cycle 12.400  identity 3.800  discriminator 0.800  l1_ratio 0.703 (best)  "
        "lr 2.00e-04  2.4 img/s  41 s  left 13:56",
        "epoch 2/20  adversarial 0.863  cycle 8.768  identity 2.687  discriminator 0.566  "
        "l1_ratio 0.552 (best, -0.151)  lr 2.00e-04  2.4 img/s  41 s  left 13:12",
        "epoch 3/20  adversarial 0.704  cycle 7.159  identity 2.194  discriminator 0.462  l1_ratio 0.576 (+0.025)  "
        "lr 2.00e-04  2.4 img/s  41 s  left 12:28",
    ]  # fmt: skip
    clock = Clock()
    started = clock.now
    told: list[float] = []
    screen = Screen()
    monkeypatch.setattr(screen, "note", lambda text: told.append(clock.now) if text.startswith("epoch") else None)
    play(segmentation(clock), screen, monkeypatch)
    gaps = np.diff([started, *told, clock.now])
    assert gaps.max() <= 60
    assert gaps[:20].min() > 50, "and not many more"


def test_the_line_of_a_minute(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play(segmentation(Clock()), Screen(), monkeypatch)
    first = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch"))
    assert first == (
        "epoch 1/200  step 46/1334  cross_entropy 1.218  dice 0.710  6.4 img/s  elapsed 0:59  left 92h37m"
    )


def test_a_quiet_training_shows_nothing(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play(segmentation(Clock()), Screen(quiet=True), monkeypatch)
    assert capsys.readouterr() == ("runs/unet-1/model.safetensors\n", "")


def test_other_ranks_are_silent(capsys: pytest.CaptureFixture[str], workplace: Path) -> None:
    with TrainingDisplay(Screen()) as display:
        display.silence()
        for event in cyclegan(Clock())(None):
            if isinstance(event, Started):
                display.start(event)
            elif isinstance(event, Notice):
                display.note(event.text)
            elif isinstance(event, Finished):
                display.finish(stopped=False)
            else:
                display.show(event)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("variables", "is_tty", "moves"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "xterm", "FORCE_COLOR": "1"}, False, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, True),
    ],
)
def test_only_terminals_that_can_move_get_bars(
    variables: dict[str, str], is_tty: bool, moves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    stream = FakeTerminal(80)
    monkeypatch.setattr(stream, "isatty", lambda: is_tty)
    monkeypatch.setattr("sys.stderr", stream)
    assert Screen().interactive is moves
    assert not Screen(quiet=True).interactive
