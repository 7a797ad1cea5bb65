"""Print the oldest packages that pyproject.toml promises, as constraints for pip.

python tools/oldest_packages.py > constraints.txt && pip install -e ".[test]" -c constraints.txt
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def oldest() -> list[str]:
    """``name==version`` for every requirement of the package itself."""
    needed = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["dependencies"]
    return [f"{name}=={version}" for name, version in (_parts(requirement) for requirement in needed)]


def _parts(requirement: str) -> tuple[str, str]:
    match = re.match(r"([\w.-]+)>=([\d.]+)", requirement)
    if match is None:
        sys.exit(f"pyproject.toml: {requirement} has no lower bound")
    return match[1], match[2]


if __name__ == "__main__":
    print("\n".join(oldest()))
