"""Clips through ffmpeg: times to the tick, colors as the tags say, damage counted."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support import ask_clip, draw_clip, needs_ffmpeg

from gantool.errors import DataError, OutputError, UsageError
from gantool.video.decoding import FfmpegSource
from gantool.video.encoding import FfmpegSink, Recipe
from gantool.video.frames import Clip, Cut, Frame
from gantool.video.matroska import frame_head, stream_head
from gantool.video.probe import probe

pytestmark = needs_ffmpeg


def gray(number: int, width: int = 17, height: int = 11) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (height, width, 1), np.uint8)


def test_a_number_of_matroska_is_its_identity_its_length_and_its_bytes() -> None:
    head = frame_head(Fraction(1, 1000), Fraction(1, 25), 6)
    assert head.startswith(bytes.fromhex("1f43b675"))
    assert bytes.fromhex("e701000000000000030f4240") in head  # a million nanoseconds
    assert bytes.fromhex("9b010000000000000402625a00") in head  # forty million
    assert head.endswith(bytes.fromhex("a1010000000000000a81000000"))  # four bytes and the six of the frame
    assert b"V_UNCOMPRESSED" in stream_head(4, 2, b"Y800", Fraction(25))


def test_masks_come_back_as_they_were_with_their_times(tmp_path: Path) -> None:
    clip = Clip("x", 17, 11, Fraction(1, 90000), Fraction(25), variable=True)
    sink = FfmpegSink(tmp_path / "m.mkv", clip, Recipe(lossless=True, tags=(("classes", "[1]"),)))
    times = [0, 3600, 9000, 9090, 45000]
    for n, (time, end) in enumerate(zip(times, [*times[1:], 48600], strict=True)):
        sink.write(Frame(gray(n), time, end - time))
    assert not (tmp_path / "m.mkv").exists()
    sink.finish()
    source = FfmpegSource(tmp_path / "m.mkv")
    frames = list(source.frames())
    source.close()
    assert [round(1000 * frame.time * source.clip.time_base) for frame in frames] == [0, 40, 100, 101, 500]
    for n, frame in enumerate(frames):
        assert np.array_equal(frame.pixels, np.repeat(gray(n), 3, 2))
    assert ask_clip(tmp_path / "m.mkv", "format_tags=CLASSES,classes") == ["[1]"]
    assert [path.name for path in tmp_path.iterdir()] == ["m.mkv"]


def test_times_of_a_variable_rate_are_kept_to_the_tick_in_an_mp4(tmp_path: Path) -> None:
    clip = Clip("x", 16, 16, Fraction(1, 12800), Fraction(25), variable=True)
    sink = FfmpegSink(tmp_path / "v.mp4", clip)
    times = [0, 512, 1024, 3000, 3512, 9000]
    for time, end in zip(times, [*times[1:], 12800], strict=True):
        sink.write(Frame(np.full((16, 16, 3), time % 251, np.uint8), time, end - time))
    sink.finish()
    # The last frame lasts longer than a usual one, and so is shown twice: the clip is a second long.
    assert sorted(map(int, ask_clip(tmp_path / "v.mp4", "packet=pts"))) == [*times, 12800 - 512]
    assert ask_clip(tmp_path / "v.mp4", "stream=duration") == ["1.000000"]


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
@pytest.mark.parametrize("levels", ["tv", "pc"])
def test_colors_are_read_and_written_as_the_tags_say(matrix: str, levels: str, tmp_path: Path) -> None:
    clip = Clip("x", 32, 32, Fraction(1, 10), Fraction(10))
    tagged = replace(clip, colors=replace(clip.colors, matrix=matrix, range=levels))
    color = np.array([200, 60, 30], np.uint8)
    sink = FfmpegSink(tmp_path / "c.mp4", tagged, Recipe(quality=1))
    for n in range(3):
        sink.write(Frame(np.broadcast_to(color, (32, 32, 3)), n, 1))
    sink.finish()
    assert ask_clip(tmp_path / "c.mp4", "stream=color_range,color_space") == [f"{levels},{matrix}"]
    source = FfmpegSource(tmp_path / "c.mp4")
    assert source.clip.colors == tagged.colors
    assert np.abs(next(iter(source.frames())).pixels.astype(int) - color).max() <= 3
    source.close()


def test_a_part_begins_at_zero_and_every_second_frame_lasts_twice(tmp_path: Path) -> None:
    path = draw_clip(tmp_path / "a.mp4", source="testsrc2=s=64x48:r=10:d=2")
    source = FfmpegSource(path, Cut(Fraction(1, 2), Fraction(3, 2), every=2, size=(32, 24)))
    frames = list(source.frames())
    assert (source.clip.count, source.clip.rate, source.clip.seconds) == (5, 5, 1)
    tick = source.clip.time_base
    assert [(frame.time * tick, frame.duration * tick) for frame in frames] == [
        (Fraction(n, 5), Fraction(1, 5)) for n in range(5)
    ]
    assert frames[0].pixels.shape == (24, 32, 3)
    with pytest.raises(DataError, match="it ends before --start 9"):
        list(FfmpegSource(path, Cut(Fraction(9))).frames())


def test_what_was_turned_comes_upright(tmp_path: Path) -> None:
    plain = draw_clip(tmp_path / "plain.mp4")
    # The matrix of a track, a quarter of a turn (ISO 14496-12): what phones write.
    data = bytearray(plain.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    upright = bytes.fromhex("0001000000000000000000000000000000010000")
    assert data[place : place + 20] == upright
    data[place : place + 20] = bytes.fromhex("000000000001000000000000ffff000000000000")
    (tmp_path / "turned.mp4").write_bytes(data)
    straight, turned = (FfmpegSource(tmp_path / name) for name in ("plain.mp4", "turned.mp4"))
    assert (turned.clip.width, turned.clip.height) == (48, 64)
    first, other = (next(iter(one.frames())).pixels.astype(int) for one in (straight, turned))
    assert np.abs(np.rot90(first, -1) - other).mean() < 2
    straight.close()
    turned.close()


def test_damage_in_the_middle_is_skipped_and_counted(tmp_path: Path) -> None:
    path = draw_clip(tmp_path / "a.mp4", source="testsrc2=s=320x240:r=10:d=3")
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for share in (0.5, 0.6, 0.7):
        place = int(share * len(data))
        data[place : place + 900] = rng.integers(0, 256, 900, np.uint8).tobytes()
    path.write_bytes(data)
    source = FfmpegSource(path)
    frames = list(source.frames())
    source.close()
    assert 20 <= len(frames) <= 30
    assert source.damage.skipped + source.damage.patched > 0
    assert "damaged" in source.damage.notes()[0]
    end = frames[-1].time + frames[-1].duration
    assert abs(end * source.clip.time_base - 3) < Fraction(1, 10)


def test_what_is_no_clip_says_so_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello\n")
    with pytest.raises(DataError, match=r"text.mp4: is not a clip that ffmpeg can read \(Invalid data"):
        probe(tmp_path / "text.mp4")
    draw_clip(tmp_path / "sound.mp4", "-c:a", "aac", source="sine=d=1")
    with pytest.raises(DataError, match=r"sound.mp4: has no video, only audio"):
        probe(tmp_path / "sound.mp4")
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile /etc/passwd\n")
    with pytest.raises(DataError, match="is not a clip"):
        probe(tmp_path / "list.mp4")


def test_deep_and_transparent_clips_are_recognised(tmp_path: Path) -> None:
    deep = draw_clip(tmp_path / "deep.mkv", "-c:v", "ffv1", "-pix_fmt", "yuv420p10le")
    assert probe(deep).clip.notes == ("10 bits per channel become 8",)
    clear = draw_clip(
        tmp_path / "clear.mov",
        "-c:v",
        "qtrle",
        "-pix_fmt",
        "argb",
        source="color=red@0.5:s=16x16:r=5:d=1,format=argb",
    )
    source = FfmpegSource(clear, alpha=True)
    frame = next(iter(source.frames()))
    source.close()
    assert source.clip.alpha and frame.alpha is not None
    assert abs(int(frame.alpha[0, 0]) - 128) <= 1


@pytest.mark.parametrize(("name", "off"), [("a.mov", 2), ("a.webm", 12)])
def test_transparency_is_kept_with_odd_sides(name: str, off: int, tmp_path: Path) -> None:
    clip = Clip("x", 33, 21, Fraction(1, 10), Fraction(10), alpha=True)
    clear = np.full((21, 33), 255, np.uint8)
    clear[:10] = 0
    sink = FfmpegSink(tmp_path / name, clip)
    for n in range(3):
        sink.write(Frame(np.full((21, 33, 3), 120, np.uint8), n, 1, clear))
    sink.finish()
    assert sink.notes == []
    source = FfmpegSource(tmp_path / name, alpha=True)
    frame = next(iter(source.frames()))
    source.close()
    assert frame.pixels.shape == (21, 33, 3) and frame.alpha is not None
    assert np.abs(frame.alpha[[0, -1]].astype(int) - clear[[0, -1]]).max() <= off
    assert np.abs(frame.pixels[-1].astype(int) - 120).max() <= off


def test_a_writer_that_cannot_leaves_nothing(tmp_path: Path) -> None:
    clip = Clip("x", 16, 16, Fraction(1, 10), Fraction(10))
    sink = FfmpegSink(tmp_path / "a.mp4", clip)
    sink.write(Frame(np.zeros((16, 16, 3), np.uint8), 0, 1))
    sink.abandon()
    with pytest.raises(OutputError, match="there is no frame to write"):
        FfmpegSink(tmp_path / "b.mp4", clip).finish()
    broken = FfmpegSink(tmp_path / "c.mp4", replace(clip, colors=replace(clip.colors, primaries="nonsense")))
    with pytest.raises(OutputError, match="c.mp4: cannot be written"):
        for n in range(100):
            broken.write(Frame(np.zeros((16, 16, 3), np.uint8), n, 1))
        broken.finish()
    broken.abandon()
    assert list(tmp_path.iterdir()) == []


def test_without_ffmpeg_a_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"Clips need the program ffmpeg.*[Ii]nstall"):
        FfmpegSource(tmp_path / "a.mp4")
