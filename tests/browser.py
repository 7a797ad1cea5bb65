"""Pages in a real browser: what it makes of them, what it complains about, and what axe finds."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

__all__ = ["browse", "serious_findings"]

_RUN_AXE = """
axe.run(document, {resultTypes: ["violations"]}).then(function (found) {
  var box = document.createElement("script");
  box.type = "application/json"; box.id = "axe";
  box.textContent = JSON.stringify({checked: found.passes.length, violations: found.violations.map(function (one) {
    return {id: one.id, impact: one.impact, help: one.help,
            nodes: one.nodes.slice(0, 5).map(function (node) { return node.html.slice(0, 300); })};
  })}).replace(/</g, "\\\\u003c");
  document.body.appendChild(box);
});
"""


def browse(page: Path, profile: Path, *, dark: bool = False, milliseconds: int = 2000) -> tuple[str, str]:
    """The page as a browser sees it after its scripts ran, and what it complained about."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("chromium is not installed")
    done = subprocess.run(
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--no-first-run", f"--user-data-dir={profile}",
            *(["--blink-settings=preferredColorScheme=0"] if dark else []), "--window-size=1280,1000",
            "--enable-logging=stderr", f"--virtual-time-budget={milliseconds}", "--dump-dom",
            page.resolve().as_uri(),
        ],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def serious_findings(page: Path, folder: Path, *, dark: bool = False) -> list[dict[str, Any]]:
    """What axe finds serious or critical on a page, with all its folded parts open.

    Args:
        folder: for a copy of the page and the browser's own files.
    """
    axe = (files("axe_core_python") / "axe.min.js").read_text("utf-8")
    script = f"<script>{axe}</script><script>{_RUN_AXE}</script>"
    text = page.read_text("utf-8").replace("<details", "<details open")
    text = re.sub(r'data-every="\d+"', 'data-every="100000"', text)  # a page that loads itself again is never done
    copy = page.with_name(f"axe-{page.name}")
    copy.write_text(text.replace("</body>", f"{script}</body>"), "utf-8")
    try:
        dom, complaints = browse(copy, folder / "profile", dark=dark, milliseconds=10_000)
    finally:
        copy.unlink()
    assert complaints == ""
    match = re.search(r'<script type="application/json" id="axe">(.*?)</script>', dom, re.DOTALL)
    assert match, "axe did not end"
    found = json.loads(unescape(match[1]))
    assert found["checked"] > 10
    return [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
