"""A share that its launcher tries again knows what is its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from gantool.errors import OutputError
from gantool.workflows.shares.share import Share
from gantool.workflows.shares.tries import begin, has_begun, launch_folder


def test_only_a_share_that_has_begun_in_this_launch_has(tmp_path: Path) -> None:
    output = tmp_path / "new" / "out"
    one, two, other = Share(0, 2, "ray", "a"), Share(1, 2, "ray", "a"), Share(0, 2, "ray", "b")
    begin(one, tmp_path)
    assert not list(tmp_path.iterdir())  # nobody tries it again
    with launch_folder(output, "a"):
        assert not has_begun(one, output)
        begin(one, output)
        begin(other, output)
        assert [has_begun(share, output) for share in (one, two, other, Share(0, 2))] == [True, False, False, False]
    assert not output.exists()


def test_what_is_there_stays(tmp_path: Path) -> None:
    with launch_folder(tmp_path, "a"):
        pass
    assert tmp_path.is_dir()
    with launch_folder(tmp_path / "out", "a"):
        (tmp_path / "out" / "result.png").touch()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["result.png"]


def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match=r"cannot be written \(Not a directory\)"),
        launch_folder(tmp_path / "file", "a"),
    ):
        pass
