"""Exported files for tests: those of a small network, and those that somebody tampered with."""

from __future__ import annotations

import io
import pathlib
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from gantool.cards import Architecture, Card, Direction, Domain, Exported, LabelClass, Origin
from gantool.models.files import FORMATS
from gantool.nets.registry import build_generator

__all__ = ["FORMS", "Payload", "card_for", "export_small", "pickled", "tampered"]

FORMS = {"torchscript": ".pt", "pt2": ".pt2"}


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return pathlib.Path.touch, (self.marker,)


def card_for(form: str | None, *, segmenter: bool = False) -> Card:
    """A card as gantool writes it; anybody can."""
    exported = Exported(format=form) if form is not None else None  # type: ignore[arg-type]
    if segmenter:
        classes = tuple(LabelClass(name=name, color=(n, n, n)) for n, name in enumerate(("a", "b", "c")))
        return Card(task="segmentation", classes=classes, size=32, exported=exported)
    architecture = Architecture(name="resnet_light", options={"width": 4})
    return Card(
        task="cyclegan",
        domains=(Domain(name="summer"), Domain(name="winter")),
        directions=(Direction(source="summer", target="winter", net="to_winter", architecture=architecture),),
        size=32, origin=Origin(data="sample"), exported=exported,
    )  # fmt: skip


def export_small(path: Path, form: str, net: torch.nn.Module | None = None, *, segmenter: bool = False) -> Path:
    """Write a small network of the form, with a card."""
    net = net or build_generator("resnet_light", width=4)
    (write,) = (row.write for row in FORMATS if row.name == form)
    assert write is not None
    write(path, net.eval(), card_for(form, segmenter=segmenter), torch.rand(2, 3, 32, 32) * 2 - 1, None)
    return path


def tampered(source: Path, target: Path, changes: Mapping[str, bytes | Callable[[bytes], bytes]]) -> Path:
    """Write a copy of an archive with other records; names are those within its folder, new ones are added."""
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w") as after:
        folder = before.namelist()[0].partition("/")[0]
        left = dict(changes)
        for info in before.infolist():
            content = before.read(info)
            change = left.pop(info.filename.partition("/")[2], content)
            after.writestr(info.filename, change(content) if callable(change) else change)
        for name, change in left.items():
            assert isinstance(change, bytes), f"{name}: there is no such record to change"
            after.writestr(f"{folder}/{name}", change)
    return target


def pickled(marker: Path, *, plain: bool = False) -> bytes:
    """An example of inputs whose unpickling makes the file ``marker``."""
    content = (((Payload(marker),), {}),)
    if plain:
        return pickle.dumps(content)
    buffer = io.BytesIO()
    torch.save(content[0], buffer)
    return buffer.getvalue()
