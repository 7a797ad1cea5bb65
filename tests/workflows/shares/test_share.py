"""Which share of the work is a process's."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gantool.errors import UsageError
from gantool.workflows.shares.share import ALONE, OWN_SHARE, Share, find_share

ARRAY = {f"SLURM_ARRAY_TASK_{key}": value for key, value in (("ID", "7"), ("MIN", "5"), ("MAX", "8"), ("COUNT", "4"))}
STEP = {"SLURM_PROCID": "2", "SLURM_NTASKS": "4", "SLURM_LOCALID": "1", "SLURM_JOB_ID": "77", "SLURM_STEP_ID": "0"}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_every_image_is_exactly_one_shares(count: int) -> None:
    names = [f"folder/photo {n} ä.jpg" for n in range(500)]
    taken = [[name for name in names if Share(place, count).takes(name)] for place in range(count)]
    assert sorted(name for some in taken for name in some) == sorted(names)
    # Of 500 that fall at random, a share has its mean up to five standard deviations.
    assert all(abs(len(some) - 500 / count) <= 5 * (500 / count) ** 0.5 for some in taken)


def test_an_image_stays_its_shares_whatever_else_there_is() -> None:
    share = Share(1, 3)
    assert [name for name in "abcdefgh" if share.takes(name)] == [name for name in "hgfedcba" if share.takes(name)][
        ::-1
    ]
    # For good: SHA-256 of "a", "b", "c" and "d" has 0xca978112ca1bbdca, 0x3e23e8160039594a, 0x2e7d2c03a9507ae2 and
    # 0x18ac3e7343f01689 in its first eight bytes, of which the last is odd.
    assert [name for name in "abcd" if Share(0, 2).takes(name)] == ["a", "b", "c"]


def test_what_is_measured_goes_in_turn_in_blocks() -> None:
    assert list(Share(0, 2).places(7)) == [0, 2, 4, 6]
    assert list(Share(1, 2).places(7)) == [1, 3, 5]
    assert list(Share(1, 3).places(20, block=4)) == [4, 5, 6, 7, 16, 17, 18, 19]
    assert list(ALONE.places(5, block=3)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("shard", "environment", "place", "count", "launcher"),
    [
        ("2/4", {}, 1, 4, ""),
        ("1/1", {}, 0, 1, ""),
        (None, {}, 0, 1, ""),
        (None, {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}, 3, 4, "torchrun"),
        ("auto", {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}, 3, 4, "torchrun"),
        (None, STEP, 2, 4, "srun"),
        (None, STEP | {"SLURM_STEP_NUM_TASKS": "3"}, 2, 3, "srun"),
        # In the script of sbatch there is one process, whatever SLURM_NTASKS says.
        (None, {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, 0, 1, ""),
        # Within an array a command does all that it says, unless it is told otherwise.
        (None, ARRAY, 0, 1, ""),
        ("auto", ARRAY, 2, 4, ""),
        ("auto/10", ARRAY, 6, 10, ""),
        ("auto/10", {"JOB_COMPLETION_INDEX": "0"}, 0, 10, ""),
        ("auto/10", {"JOB_COMPLETION_INDEX": "9"}, 9, 10, ""),
        (None, {OWN_SHARE: "2/3:abc", "RANK": "0", "WORLD_SIZE": "1"}, 1, 3, "--devices"),
        (None, {OWN_SHARE: "2/3:abc:ray"}, 1, 3, "ray"),
    ],
)  # fmt: skip
def test_where_the_share_is_found(
    shard: str | None, environment: Mapping[str, str], place: int, count: int, launcher: str
) -> None:
    share = find_share(shard, environment)
    assert (share.place, share.count, share.launcher) == (place, count, launcher)


def test_launches_are_told_apart() -> None:
    one, other = (find_share(None, STEP | {"SLURM_JOB_ID": job}) for job in ("77", "78"))
    assert one.job != other.job
    assert one.local == 1


@pytest.mark.parametrize(
    ("shard", "environment", "sentence"),
    [
        ("5/4", {}, "--shard 5/4: there are 4 shares, 1/4 to 4/4."),
        ("0/4", {}, "--shard 0/4: shares count from 1, so they are 1/4 to 4/4."),
        ("1/0", {}, "--shard 1/0: there can be 1 to 100000 shares."),
        ("1/999999", {}, "--shard 1/999999: there can be 1 to 100000 shares."),
        ("half", {}, "--shard half: expected I/N, such as 2/4 for the second of four shares, or auto."),
        ("-1/4", {}, "--shard -1/4: expected I/N, such as 2/4 for the second of four shares, or auto."),
        ("²/4", {}, "--shard ²/4: expected I/N, such as 2/4 for the second of four shares, or auto."),
        ("auto", {}, "--shard auto: neither torchrun, srun nor a SLURM job array started this process. Use I/N."),
        ("auto", {"JOB_COMPLETION_INDEX": "1"}, "Kubernetes tells a number but not how many there are"),
        ("auto", ARRAY | {"SLURM_ARRAY_TASK_COUNT": "2"}, "has 2 tasks from 5 to 8, so some are left out."),
        ("auto", {"SLURM_ARRAY_TASK_ID": "1"}, "the job array does not say how many tasks it has. Use auto/N."),
        ("auto/4", {}, "--shard auto/N: neither a SLURM job array nor an indexed Kubernetes job started"),
        ("auto/4", ARRAY, "--shard auto/4 (share 7/4): there are 4 shares, 1/4 to 4/4."),
        ("auto/4", {"SLURM_ARRAY_TASK_ID": "0"}, "shares count from 1, so they are 1/4 to 4/4."),
        (None, {"RANK": "4", "WORLD_SIZE": "4"}, "torchrun does not say which process this is (RANK=4, WORLD_SIZE=4"),
        (None, {"RANK": "x", "WORLD_SIZE": "4"}, "torchrun does not say which process this is (RANK=x"),
    ],
)  # fmt: skip
def test_no_such_share(shard: str | None, environment: Mapping[str, str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_share(shard, environment)
    assert sentence in str(caught.value)
