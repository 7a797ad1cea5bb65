"""``gantool serve`` before it serves: what it asks for, and what it says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import Any

import pytest
from support import Cli


def test_without_the_extra_it_says_how_to_get_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    found = util.find_spec

    def without(name: str, *more: Any) -> Any:
        return None if name == "uvicorn" else found(name, *more)

    monkeypatch.setattr("gantool.cli.serve.find_spec", without)
    outcome = cli("serve")
    assert (outcome.code, outcome.out) == (2, "")
    assert (
        outcome.err.strip()
        == 'error: gantool serve needs packages that are not installed: pip install "gantool[serve]".'
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], ["--host 0.0.0.0", "token"]),
        (["--host", "::"], ["token"]),
        (["--host", "example.org"], ["token"]),
        (["--token", "short"], ["--token", "16", "secrets"]),
        (["--token", "with spaces in it, and long"], ["--token"]),
        (["--model", "sesons"], ['Did you mean "seasons"?']),
        (["--model", "seasons", "--model", "seasons"], ["another model is called seasons"]),
        (["--max-body", "0"], ["--max-body"]),
        (["--max-pixels", "nan"], ["--max-pixels"]),
        (["--seconds", "-1"], ["--seconds"]),
        (["--seconds", "inf"], ["--seconds"]),
        (["--host", "localhost", "--port", "99999"], ["--port", "65535"]),
    ],
)
def test_what_cannot_be_served(cli: Cli, workplace: Path, arguments: list[str], words: list[str]) -> None:
    outcome = cli("serve", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert all(word in outcome.err for word in words), outcome.err


def test_a_port_that_is_taken(cli: Cli, workplace: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        outcome = cli("serve", "--port", port)
    assert outcome.code == 2
    assert f"--port {port}" in outcome.err and "is taken. Choose another one" in outcome.err


def test_a_model_that_cannot_be_loaded(cli: Cli, workplace: Path) -> None:
    Path("bad.onnx").write_bytes(b"no model")
    outcome = cli("serve", "--model", "bad.onnx", "--port", "0")
    assert outcome.code == 2
    assert "bad.onnx" in outcome.err


def test_other_commands_do_not_pay_for_it() -> None:
    code = (
        "import sys; import gantool.cli.app as app; app.run(['--help']); "
        "names = ('starlette', 'uvicorn', 'python_multipart', 'asyncio', 'numpy'); "
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout.splitlines()[-1] == "[]", done.stdout[-500:]
