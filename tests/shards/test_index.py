from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from gantool.errors import DataError
from gantool.files import atomic
from gantool.shards.index import INDEX, IndexBuilder, Seen, ShardIndex, open_index
from gantool.shards.members import MemberPaths, file_facts, is_member, read_bytes, readable, register, shard_at
from gantool.shards.parts import Packed, Shard
from gantool.shards.tar import TarFile


def make(root: Path, per_shard: int = 3, shards: int = 2) -> ShardIndex:
    """``a-000000.tar`` with ``2.jpg``, ``1.jpg``, ``0.jpg``, and so on: not in the order of the names."""
    root.mkdir(parents=True, exist_ok=True)
    builder = IndexBuilder()
    for shard in range(shards):
        with TarFile(root / f"a-{shard:06d}.tar") as tar:
            for n in range(per_shard)[::-1]:
                name = f"{shard * per_shard + n}.jpg"
                number = builder.add(shard, tar.add(name, name.encode() * 3))
                builder.sample("train", "", name, number)
            builder.shards.append(tar.close())
    builder.write(root / INDEX, {"kind": "images"}, checked=True)
    return register(open_index(root / INDEX, root))


def test_what_is_written_is_found_again(tmp_path: Path) -> None:
    index = make(tmp_path / "set")
    assert (len(index), index.kind, [shard.name for shard in index.shards]) == (
        6, "images", ["a-000000.tar", "a-000001.tar"],
    )  # fmt: skip
    paths = MemberPaths(index, index.first)
    assert [path.name for path in paths] == [f"{n}.jpg" for n in range(6)], "in the order that was asked for"
    assert [read_bytes(path) for path in paths] == [f"{n}.jpg".encode() * 3 for n in range(6)]
    assert str(paths[4]) == str(tmp_path / "set" / "a-000001.tar" / "4.jpg")
    assert paths[1:3].shards.tolist() == [0, 0] and paths.shards.tolist() == [0, 0, 0, 1, 1, 1]
    assert index.find("a-000001.tar", "4.jpg") is not None
    assert index.find("a-000000.tar", "4.jpg") is None and index.find("b.tar", "4.jpg") is None
    index.require_shards()


def test_paths_of_files_in_shards(tmp_path: Path) -> None:
    index = make(tmp_path / "set")
    inside = tmp_path / "set" / "a-000000.tar" / "1.jpg"
    assert is_member(inside) and not is_member(tmp_path / "set" / "a-000000.tar")
    assert readable(tmp_path / "x.jpg") == tmp_path / "x.jpg"
    with pytest.raises(DataError, match=r"a-000000\.tar/9\.jpg: is not in its shard"):
        readable(inside.with_name("9.jpg"))
    folder = tmp_path / "folder.tar"  # no shard, whatever it is called
    folder.mkdir()
    (folder / "1.jpg").write_bytes(b"own")
    assert read_bytes(folder / "1.jpg") == b"own" and not is_member(folder / "1.jpg")
    found = shard_at(tmp_path / "set" / "a-000001.tar")
    assert found == index.shards[1] and shard_at(folder) is None


def test_paths_travel_to_other_processes(tmp_path: Path) -> None:
    paths = MemberPaths(make(tmp_path / "set"), np.array([0, 5], np.uint32))
    code = (
        "import pickle, sys; from gantool.shards.members import read_bytes\n"
        "print([read_bytes(path).decode() for path in pickle.load(sys.stdin.buffer)])"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(paths), capture_output=True, check=True)
    assert done.stdout.decode().strip() == "['2.jpg2.jpg2.jpg', '3.jpg3.jpg3.jpg']"


def test_a_shard_that_is_not_the_indexs_is_named(tmp_path: Path) -> None:
    index = make(tmp_path / "set")
    shard = tmp_path / "set" / "a-000001.tar"
    content = shard.read_bytes()
    path = MemberPaths(index, index.first)[4]
    shard.write_bytes(content.replace(b"4.jpg4", b"4.jpg5"))
    with pytest.raises(DataError, match=r"a-000001\.tar/4\.jpg: is not what the index says .*Make the set again"):
        read_bytes(path)
    shard.write_bytes(content[:1000])
    with pytest.raises(DataError, match=r"a-000001\.tar: has 1000 bytes, the index says 10240; it is cut off"):
        index.require_shards()
    shard.write_bytes(content + content)
    with pytest.raises(DataError, match="does not belong to this index"):
        index.require_shards()
    shard.unlink()
    with pytest.raises(DataError, match=r"a-000001\.tar: is not there, but the index names it"):
        index.require_shards()


def test_a_shard_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    index = make(tmp_path / "set")
    shard = tmp_path / "set" / "a-000000.tar"
    shard.write_bytes(shard.read_bytes()[:520])
    with pytest.raises(DataError, match=r"a-000000\.tar: ends before 2\.jpg does; it is cut off"):
        index.read(0)


def test_damaged_indexes_are_refused(tmp_path: Path) -> None:
    make(tmp_path)
    path = tmp_path / INDEX
    good = path.read_bytes()
    newer = good.replace(b'{"format": 1,', b'{"format": 2,')
    for bad in (b"", good[:20], good[:-1], good + b"x", good[:-3] + b"abc", b"X" + good[1:], good[:16] + b"[" * 500):
        path.write_bytes(bad)
        with pytest.raises(DataError, match=r"shards\.index: is damaged or no index of shards\. Make the set again"):
            open_index(path, tmp_path)
    path.write_bytes(newer)
    with pytest.raises(DataError, match="newer gantool"):
        open_index(path, tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        open_index(tmp_path / "no.index", tmp_path)


def test_names_stand_once_in_a_shard(tmp_path: Path) -> None:
    builder = IndexBuilder()
    builder.shards.append(Shard("a.tar", 1))
    for _ in range(2):
        builder.add(0, Packed("1.jpg", 0, 1))
    with pytest.raises(DataError, match=r"a\.tar: has two files of the name 1\.jpg"):
        builder.write(tmp_path / INDEX, {}, checked=True)
    assert not (tmp_path / INDEX).exists()


def test_what_was_seen_in_images_is_kept(tmp_path: Path) -> None:
    builder, seen = IndexBuilder(), []
    builder.shards.append(Shard("a.tar", 1))
    for n, values in enumerate(({0: 5, 255: 1}, {3: 7}, {255: 2}, {254: 1})):
        counts = np.zeros(256, np.int64)
        counts[list(values)] = list(values.values())
        seen.append(Seen(f"{n:064x}", counts))
        builder.sample("train", "", str(9 - n), builder.add(0, Packed(f"{n}.jpg", 0, 1)), seen=seen[-1])
    builder.write(tmp_path / INDEX, {}, checked=True)
    found = [open_index(tmp_path / INDEX, tmp_path).seen(n) for n in range(4)]
    for one, other in zip(found, seen[::-1], strict=True):
        assert one is not None and one.content == other.content and (one.counts == other.counts).all()
    assert make(tmp_path / "set").seen(0) is None


def test_an_index_of_nothing(tmp_path: Path) -> None:
    IndexBuilder().write(tmp_path / INDEX, {}, checked=True)
    index = open_index(tmp_path / INDEX, tmp_path)
    assert (len(index), index.files, len(index.group("train"))) == (0, (tmp_path / INDEX,), 0)
    with atomic(tmp_path / INDEX) as temporary:  # a mapped file can be replaced
        temporary.write_bytes(b"")


def test_a_file_is_told_by_its_size_and_what_changes_with_its_content(tmp_path: Path) -> None:
    index = make(tmp_path / "set")
    inside = tmp_path / "set" / "a-000000.tar" / "1.jpg"
    assert file_facts(inside) == (15, zlib.crc32(b"1.jpg" * 3))
    assert file_facts(inside.with_name("9.jpg")) is None and file_facts(tmp_path / "no.jpg") is None
    os.utime(index.path, ns=(5, 7))
    assert file_facts(index.path) == (index.path.stat().st_size, 7)
    elsewhere = tmp_path / "elsewhere" / "a.tar"
    elsewhere.parent.mkdir()
    with TarFile(elsewhere) as tar:
        builder = IndexBuilder()
        builder.sample("train", "", "1", builder.add(0, tar.add("1.jpg", b"one")))
        tar.close()
    builder.shards.append(Shard("a.tar", 1, "", 99))
    builder.write(elsewhere.parent / INDEX, {}, checked=False)
    assert file_facts(elsewhere / "1.jpg") == (3, 99), "nobody has read it"
