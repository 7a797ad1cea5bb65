"""What ``dataset.yaml`` says about a set that ``gantool prepare`` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gantool.documents import brief
from gantool.errors import DataError
from gantool.yaml_documents import load_yaml

__all__ = ["described_domains", "read_description"]


def read_description(root: Path) -> Mapping[str, Any]:
    """The keys of a data set's ``dataset.yaml``; none where there is no such file.

    Raises:
        DataError: it is no YAML.
    """
    path = root / "dataset.yaml"
    try:
        tree = load_yaml(path.read_text("utf-8")) if path.is_file() else None
    except (OSError, ValueError) as error:  # of the disk, the encoding or the YAML
        raise DataError(f"{path}: cannot be read ({brief(error, 160)}).") from None
    return tree if isinstance(tree, dict) else {}


def described_domains(root: Path) -> tuple[str, str] | None:
    """The names of both domains, in their order, or None where there is no ``dataset.yaml``.

    Raises:
        DataError: it names no two domains.
    """
    path = root / "dataset.yaml"
    if not path.is_file():
        return None
    tree = read_description(root)
    if tree.get("kind") == "segmentation":
        raise DataError(f"{root}: is a set of images with labels, expected two domains of images.")
    try:
        a, b = (str(name) for name in tree["domains"])
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{path}: expected two names under domains:, such as [summer, winter].") from None
    return a, b
