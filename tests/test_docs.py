"""The documentation is true where a machine can tell."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "tools" / "generate_docs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_current() -> None:
    for path, text in generator().generated().items():
        assert path.read_text("utf-8") == text, f"{path} is out of date: run python tools/generate_docs.py"


def test_examples_in_docstrings_give_what_they_say() -> None:
    paths = [path for path in (ROOT / "src").rglob("*.py") if ">>>" in path.read_text("utf-8")]
    assert paths
    for path in paths:
        name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        assert doctest.testmod(importlib.import_module(name)).failed == 0, name


def test_every_option_in_the_docs_exists() -> None:
    known = set(re.findall(r"--[a-z][a-z-]+", generator().command_reference()))
    known |= {
        "--help",
        "--version",
        "--install-completion",
        "--upgrade",
        "--nproc-per-node",
        "--check",
        "--images",
        "--photos",
        "--side",
        "--seeds",
        "--sizes",
        "--seconds",
        "--features",
        "--rounds",
        "--everywhere",
        "--change-size",
        "--change-blur",
        "--change-strength",
        "--count",
        "--data",
        "--kind",
        "--eval",
        "--keep",
        "--only",
        "--minutes",
        "--out",
        "--take",
        "--steps",
        "--compiled",
        "--processes",
        "--noise",
        "--generator",
        "--width",
        "--data-binary",
        "--rm",
        "--read-only",
        "--index-url",
        # of SLURM and torchrun
        "--array",
        "--cpus-per-task",
        "--gpus",
        "--gpus-per-node",
        "--master-addr",
        "--master-port",
        "--nnodes",
        "--node-rank",
        "--nodes",
        "--ntasks-per-node",
        "--requeue",
        "--signal",
        "--no-deps",
    }
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text("utf-8")))
        assert used <= known, f"{page.name}: {sorted(used - known)}"


def test_every_setting_in_the_docs_exists() -> None:
    from gantool.methods.registry import METHODS

    sections = [pair for spec in METHODS.values() for pair in spec.settings.sections().items()]
    keys = {f"{section}.{key}" for section, model in sections for key in model.model_fields}
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        pattern = rf"(?<![\w./])(?:{'|'.join(dict(sections))})\.[a-z_]+(?![\w.(/])"
        used = set(re.findall(pattern, page.read_text("utf-8"))) - {"metrics.jsonl", "model.safetensors", "data.md"}
        assert used <= keys, f"{page.name}: {sorted(used - keys)}"


def test_tables_have_whole_rows_and_headers_without_results() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for table in re.findall(r"(?:^\|.*\|\n)+", page.read_text("utf-8"), re.MULTILINE):
            rows = [re.split(r"(?<!\\)\|", line.strip("|")) for line in table.splitlines()]
            assert {len(row) for row in rows} == {len(rows[0])}, f"{page.name}: {table}"
            assert not [cell for cell in rows[0] if re.search(r"\d\.\d{3}", cell)], f"{page.name}: {table}"


def test_the_readme_says_how_to_translate_a_photo_again() -> None:
    start = (ROOT / "README.md").read_text("utf-8").split("## What it does")[0]
    assert "exists already" in start
    assert "--overwrite" in start
