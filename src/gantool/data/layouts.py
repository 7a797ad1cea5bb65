"""What is this folder? Finds the two domains of an unpaired data set and their train and test images."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gantool.data.catalog import CATALOG, how_to_get
from gantool.data.images import find_images
from gantool.errors import DataError, closest
from gantool.fetch.cache import cache_folder

__all__ = ["DomainFiles", "UnpairedFiles", "find_unpaired", "resolve_data_path"]

_EXPECTED = (
    "Expected trainA and trainB, or train/A and train/B, or two folders of images, one per domain "
    "(or name two folders: --domain summer=DIR1 --domain winter=DIR2)."
)


@dataclass(frozen=True)
class DomainFiles:
    """The images of one domain, sorted by name.

    Attributes:
        half: 0 or 1 where each file holds both halves of a pair and this domain is the left or the right one.
    """

    name: str
    train: tuple[Path, ...]
    test: tuple[Path, ...]
    half: int | None = None

    def held_out(self, share: float) -> DomainFiles:
        """Move the images with the smallest content hashes to the test split: the same whatever they are called."""
        count = round(len(self.train) * share)
        ranked = sorted(self.train, key=lambda path: hashlib.sha256(path.read_bytes()).hexdigest()) if count else []
        test = set(ranked[:count])
        return replace(
            self,
            train=tuple(path for path in self.train if path not in test),
            test=(*self.test, *(path for path in self.train if path in test)),
        )


@dataclass(frozen=True)
class UnpairedFiles:
    """Two domains.

    Attributes:
        layout: what was recognized, in words.
        held_out: whether the test split was taken from the training images because there was none.
    """

    a: DomainFiles
    b: DomainFiles
    layout: str
    held_out: bool = False


def resolve_data_path(data: str) -> Path:
    """An existing folder, the folder of that name under ``./data``, or the one in the cache.

    Raises:
        DataError: none exists; says how to get a named data set, or which name is nearest.
    """
    for candidate in (Path(data), Path("data") / data):
        if candidate.is_dir():
            return candidate
    if Path(data).is_file():
        raise DataError(f"{data}: is a file, expected a folder with a data set.")
    cached = cache_folder() / "data" / data
    if cached.is_dir():
        return cached
    if data in CATALOG:
        raise DataError(f"{data}: is not here yet.", how_to_get(CATALOG[data]))
    near = [entry.name for entry in Path("data").iterdir() if entry.is_dir()] if Path("data").is_dir() else []
    raise DataError(
        f"{data}: there is no such folder, neither here nor under data/.", closest(data, [*near, *CATALOG])
    )


def find_unpaired(
    root: Path | None = None,
    *,
    domains: Mapping[str, str] | None = None,
    names: tuple[str, str] | None = None,
    holdout: float = 0.1,
) -> UnpairedFiles:
    """Find both domains of a data set.

    Args:
        root: the data set's folder.
        domains: or two folders by domain name.
        names: of the domains, where neither a ``dataset.yaml`` nor the folders say.
        holdout: share of the images to hold out, by content, where there is no test split.

    Raises:
        DataError: a folder is missing or empty, a domain is missing, or there are more than two.
    """
    if domains:
        found = _from_folders(domains)
    elif root is not None:
        found = _recognize(root, names)
    else:
        raise ValueError("root or domains must be given")
    for domain in (found.a, found.b):
        if not domain.train:
            raise DataError(f'{found.layout}: no images for the domain "{domain.name}".', _EXPECTED)
    if not found.a.test or not found.b.test:
        found = replace(
            found,
            a=found.a.held_out(holdout) if not found.a.test else found.a,
            b=found.b.held_out(holdout) if not found.b.test else found.b,
            held_out=True,
        )
    return found


def _from_folders(domains: Mapping[str, str]) -> UnpairedFiles:
    if len(domains) != 2:
        names = ", ".join(domains) or "none"
        raise DataError(f"data.domains: expected two domains, got {len(domains)} ({names}).")
    parts = []
    for name, folder in domains.items():
        path = Path(folder)
        if not path.is_dir():
            raise DataError(f'{folder}: there is no such folder (domain "{name}").')
        if (path / "train").is_dir():
            parts.append(DomainFiles(name, _images(path / "train"), _images(path / "test")))
        else:
            parts.append(DomainFiles(name, _images(path), ()))
    return UnpairedFiles(parts[0], parts[1], "two folders")


def _recognize(root: Path, given: tuple[str, str] | None) -> UnpairedFiles:
    names = _names_from_yaml(root) or given or _names_from_folder(root)
    if (root / "trainA").is_dir() or (root / "trainB").is_dir():
        a, b = (_split(root, f"train{side}", f"test{side}", name) for side, name in zip("AB", names, strict=True))
        return UnpairedFiles(a, b, f"{root} (trainA, trainB)")
    for nested in (True, False):
        parent = root / "train" if nested else root
        folders = _image_folders(parent)
        if len(folders) == 2:
            own = tuple(folder.name for folder in folders)
            if own == names[::-1]:  # the order that dataset.yaml gives
                folders, own = folders[::-1], names
            chosen = names if own == ("A", "B") else own
            parts = [
                DomainFiles(name, _images(folder), _images(root / "test" / folder.name) if nested else ())
                for name, folder in zip(chosen, folders, strict=True)
            ]
            return UnpairedFiles(parts[0], parts[1], f"{parent} ({own[0]}, {own[1]})")
        if len(folders) > 2:
            listed = ", ".join(folder.name for folder in folders[:6])
            raise DataError(
                f"{parent}: has {len(folders)} folders of images ({listed}), expected two.",
                "Name two of them: --domain summer=DIR1 --domain winter=DIR2.",
            )
        if len(folders) == 1:
            raise DataError(
                f"{parent}: has one folder of images ({folders[0].name}), one domain is missing.", _EXPECTED
            )
    if _images(root):
        raise DataError(f"{root}: holds images of one kind only, one domain is missing.", _EXPECTED)
    raise DataError(f"{root}: no images found.", _EXPECTED)


def _split(root: Path, train: str, test: str, name: str) -> DomainFiles:
    if not (root / train).is_dir():
        raise DataError(f'{root / train}: there is no such folder, the domain "{name}" is missing.')
    return DomainFiles(name, _images(root / train), _images(root / test))


def _image_folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return sorted(entry for entry in parent.iterdir() if entry.is_dir() and _images(entry))


def _images(folder: Path) -> tuple[Path, ...]:
    return tuple(find_images(folder)) if folder.is_dir() else ()


def _names_from_yaml(root: Path) -> tuple[str, str] | None:
    path = root / "dataset.yaml"
    if not path.is_file():
        return None
    try:
        tree = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
        if isinstance(tree, dict) and tree.get("kind") == "segmentation":
            raise DataError(f"{root}: is a set of images with labels, expected two domains of images.")
        a, b = (str(name) for name in tree["domains"])
    except (YAMLError, OSError, KeyError, TypeError, ValueError):
        raise DataError(f"{path}: expected two names under domains:, such as [summer, winter].") from None
    return a, b


def _names_from_folder(root: Path) -> tuple[str, str]:
    match = re.fullmatch(r"([A-Za-z]+)2([A-Za-z]+)(_.*)?", root.resolve().name)
    return (match[1], match[2]) if match else ("A", "B")
