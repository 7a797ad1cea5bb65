"""What a share was measured with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gantool.shards.index import INDEX, IndexBuilder, open_index
from gantool.shards.members import MemberPaths, register
from gantool.shards.tar import TarFile
from gantool.workflows.shares.gather import Gather, MeasuredBefore
from gantool.workflows.shares.share import Share


def _packed(root: Path, content: bytes) -> Iterator[Path]:
    """The images of a set of shards, one with that content."""
    root.mkdir(exist_ok=True)
    (root / "a.tar").unlink(missing_ok=True)
    builder = IndexBuilder()
    with TarFile(root / "a.tar") as tar:
        for name, own in (("1.jpg", content), ("2.jpg", b"two")):
            builder.sample("train", "", name, builder.add(0, tar.add(name, own)))
        builder.shards.append(tar.close())
    builder.write(root / INDEX, {}, checked=True)
    index = register(open_index(root / INDEX, root))
    return iter(MemberPaths(index, index.first))


def test_images_in_shards_are_the_same_as_long_as_their_content_is(tmp_path: Path) -> None:
    first = Gather(Share(0, 2))
    first.question(_packed(tmp_path / "set", b"one"))
    with pytest.raises(MeasuredBefore):
        Gather(Share(0, 2), known=first.part).question(_packed(tmp_path / "set", b"one"))
    Gather(Share(0, 2), known=first.part).question(_packed(tmp_path / "set", b"ONE"))
