from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zlib
from pathlib import Path

import pytest

from gantool.errors import DataError
from gantool.shards.ranges import LocalFiles
from gantool.shards.tar import TarFile, scan, split_name

FILES = {"0001.jpg": b"one", "0001.mask.png": b"a mask", "sommer-ü/0002.jpg": b"x" * 1000, "n" * 150 + ".png": b""}


def written(path: Path) -> Path:
    with TarFile(path) as tar:
        noted = {name: tar.add(name, content) for name, content in FILES.items()}
        shard = tar.close()
    data = path.read_bytes()
    assert (shard.name, shard.size) == (path.name, len(data)) and len(data) % 10240 == 0
    assert shard.sha256 == hashlib.sha256(data).hexdigest()
    for name, one in noted.items():
        assert data[one.offset : one.offset + one.size] == FILES[name]
        assert one.crc == zlib.crc32(FILES[name])
    return path


def test_what_is_written_is_read_by_tarfile_and_is_the_same_twice(tmp_path: Path) -> None:
    first = written(tmp_path / "a.tar")
    with tarfile.open(first) as archive:
        read = {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
        assert {(entry.mtime, entry.uid, entry.uname) for entry in archive} == {(0, 0, "")}
    assert read == FILES
    assert written(tmp_path / "b.tar").read_bytes() == first.read_bytes()


def test_a_scan_finds_what_was_written(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tar")
    with path.open("rb") as file:
        found = {one.name: one for one in scan(path, file)}
    assert list(found) == list(FILES)
    ranges = LocalFiles(tmp_path)
    for name, one in found.items():
        assert ranges.read("a.tar", one.offset, one.size) == FILES[name]


def test_names_from_elsewhere_lead_nowhere(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("./good/1.jpg", "../bad.jpg", "/bad.jpg", "good/../../bad.jpg", ".hidden.jpg", "good//2.jpg"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with (tmp_path / "a.tar").open("rb") as file:
        assert [one.name for one in scan("a.tar", file)] == ["good/1.jpg", "good/2.jpg"]


@pytest.mark.parametrize("left", [513, 1030, 2100])
def test_a_tar_file_that_is_cut_off_is_named(tmp_path: Path, left: int) -> None:
    path = written(tmp_path / "a.tar")
    os.truncate(path, left)
    with pytest.raises(DataError, match=r"a\.tar: is cut off"), path.open("rb") as file:
        list(scan(path, file))


def test_no_tar_file(tmp_path: Path) -> None:
    for content in (b"no tar file" * 200, b"\x1f\x8b compressed" * 100):
        with pytest.raises(DataError, match=r"a\.tar: is no tar file .*plain \.tar"):
            list(scan("a.tar", io.BytesIO(content)))


def test_keys_end_at_the_first_dot() -> None:
    assert split_name("a.b/0001.Seg.PNG") == ("a.b/0001", "seg.png")
    assert split_name("plain") == ("plain", "")


def test_only_so_many_files_are_open(tmp_path: Path) -> None:
    for n in range(70):
        (tmp_path / f"{n}.tar").write_bytes(bytes([n]))
    ranges = LocalFiles(tmp_path)
    open_files = Path("/proc/self/fd")
    before = len([*open_files.iterdir()]) if open_files.is_dir() else 0
    assert [ranges.read(f"{n}.tar", 0, 9) for n in range(70)] == [bytes([n]) for n in range(70)]
    if before:
        assert len([*open_files.iterdir()]) - before <= 64
    assert ranges.size("0.tar") == 1 and ranges.size("no.tar") is None
    with pytest.raises(DataError, match=r"no\.tar: the shard is not there"):
        ranges.read("no.tar", 0, 1)
