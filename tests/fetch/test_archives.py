from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from gantool.errors import DataError
from gantool.fetch import archives
from gantool.fetch.archives import is_archive, unpack


def zipped(path: Path, *entries: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries:
            file.writestr(name, data)
    return path


def tarred(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for member, data in members:
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_names_become_possible_everywhere(tmp_path: Path) -> None:
    archive = zipped(
        tmp_path / "a.zip",
        ("set/2011-06-26 18:49.jpg", b"1"), ("set/2011-06-26 18_49.jpg", b"2"), ("set/con.png", b"3"),
        ("__MACOSX/set/._x", b"4"), ("set/.DS_Store", b"5"), ("back\\slash.txt", b"6"),
        ("ü/" + "x" * 250 + ".png", b"7"),
    )  # fmt: skip
    seen: list[tuple[int, int]] = []
    unpack(archive, tmp_path / "out", lambda done, total: seen.append((done, total)))
    found = files(tmp_path / "out")
    assert found["set/2011-06-26 18_49.jpg"] == b"1"
    assert found["set/2011-06-26 18_49-2.jpg"] == b"2"
    assert found["set/_con.png"] == b"3"
    assert found["back/slash.txt"] == b"6"
    assert len(found) == 5
    assert all(len(Path(name).name.encode()) <= 210 for name in found)
    assert seen[-1][0] == seen[-1][1]
    unpack(tmp_path / "gone.zip", tmp_path / "out")  # complete already: not opened again


@pytest.mark.parametrize("name", ["../out.txt", "a/../../out.txt", "/etc/out.txt", "C:\\out.txt", "..\\out.txt"])
def test_nothing_leads_outside(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    member = tarfile.TarInfo(name)
    for archive in (zipped(tmp_path / "a.zip", ("fine.txt", b"x"), (name, b"x")),
                    tarred(tmp_path / "a.tgz", (member, b"x"))):  # fmt: skip
        with pytest.raises(DataError, match="leads outside; refused"):
            unpack(archive, inner / "out")
        assert list(inner.iterdir()) == []
    assert not list(tmp_path.glob("**/out.txt"))


def test_links_and_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(DataError, match="a link or a device; refused"):
        unpack(tarred(tmp_path / "a.tar.gz", (link, b"")), tmp_path / "out")
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        file.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="has the link link"):
        unpack(tmp_path / "b.zip", tmp_path / "out")
    monkeypatch.setattr("gantool.fetch.archives._ALWAYS_ALLOWED", 2**20)
    bomb = zipped(tmp_path / "c.zip", *((f"{n}.bin", bytes(2**20)) for n in range(20)))
    with pytest.raises(DataError, match="unpacks to more than"):
        unpack(bomb, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("*.partial"))


def test_the_limits_are_those_of_the_documentation() -> None:
    text = " ".join((Path(__file__).parents[2] / "docs" / "data.md").read_text("utf-8").split())
    limits = f"more than {archives._ALWAYS_ALLOWED >> 30} GiB that is also more than {archives._MOST_GROWTH} times"
    assert limits in text
    assert archives._MOST_ENTRIES == 5_000_000
    assert "five million files" in text


def test_damaged_archives(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "a.zip", ("a.bin", bytes(range(256)) * 400)).read_bytes()
    (tmp_path / "short.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "bad.zip").write_bytes(whole[:60] + b"\xff\xff\xff" + whole[63:])
    (tmp_path / "text.zip").write_text("hello")
    for name in ("short.zip", "bad.zip", "text.zip"):
        with pytest.raises(DataError, match=name):
            unpack(tmp_path / name, tmp_path / "out")
        assert not (tmp_path / "out").exists()
    name = b"a.bin" + b"x" * 5000
    head = zipped(tmp_path / "long.zip", (name.decode(), b"1")).read_bytes()
    (tmp_path / "long.zip").write_bytes(head.replace(b"a.bin", b"\x00\xff\x00\xff\x00", 1))
    with pytest.raises(DataError, match="is damaged") as caught:
        unpack(tmp_path / "long.zip", tmp_path / "out")
    assert len(str(caught.value)) < 300 + len(str(tmp_path))
    assert is_archive(Path("A.TAR.GZ"))
    assert not is_archive(Path("a.png"))
