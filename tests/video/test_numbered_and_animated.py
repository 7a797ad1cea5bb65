"""Numbered images, GIF and WebP: no ffmpeg is needed for them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantool.arrays import Pixels
from gantool.data.images import write_picture
from gantool.errors import DataError, UsageError
from gantool.video.animations import AnimationSource, GifSink, WebpSink
from gantool.video.frames import Clip, Cut, Frame
from gantool.video.names import has_number, is_clip
from gantool.video.numbered import NumberedSink, NumberedSource, numbered
from gantool.video.open import open_sink

CLIP = Clip("x", 20, 10, Fraction(1, 1000), Fraction(10), loop=0)


def flat(number: int) -> Pixels:
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:, :, number % 3] = 50 + 40 * number
    return pixels


def test_numbers_are_read_in_order_and_holes_are_named(tmp_path: Path) -> None:
    for n in (2, 10, 9, 4):
        write_picture(tmp_path / f"{n:03d}.png", flat(n % 5))
    (tmp_path / "0005.txt").touch()
    pattern = str(tmp_path / "%03d.png")
    assert [number for number, _ in numbered(pattern)] == [2, 4, 9, 10]
    source = NumberedSource(pattern, Fraction(2))
    assert source.clip.notes == ("5 numbers between the first and the last are missing",)
    assert (source.clip.seconds, source.clip.count) == (2, 4)
    assert [frame.time for frame in source.frames()] == [0, 1, 2, 3]
    with pytest.raises(DataError, match="there are no images of such names"):
        numbered(str(tmp_path / "%05d.png"))
    part = NumberedSource(pattern, Fraction(2), Cut(Fraction(1, 2), Fraction(3, 2), size=(8, 4)))
    assert [frame.pixels.shape for frame in part.frames()] == [(4, 8, 3)] * 2


def test_an_image_that_cannot_be_read_leaves_the_one_before_longer(tmp_path: Path) -> None:
    for n in range(1, 6):
        write_picture(tmp_path / f"{n}.png", flat(n % 5))
    (tmp_path / "3.png").write_bytes(b"no image")
    write_picture(tmp_path / "4.png", np.zeros((4, 4, 3), np.uint8))
    source = NumberedSource(str(tmp_path / "%d.png"))
    assert [(frame.time, frame.duration) for frame in source.frames()] == [(0, 1), (1, 3), (4, 1)]
    assert source.damage.notes() == ["2 damaged packets are skipped"]


def test_numbered_images_appear_all_at_once_or_not_at_all(tmp_path: Path) -> None:
    for keep in (False, True):
        sink = NumberedSink(str(tmp_path / "out/%02d.png"))
        for n in range(3):
            sink.write(Frame(flat(n), n, 1))
        assert not list((tmp_path / "out").glob("[0-9]*"))
        if keep:
            sink.finish()
        else:
            sink.abandon()
            assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["01.png", "02.png", "03.png"]
    with pytest.raises(UsageError, match="expected one number"):
        NumberedSink("a-%d-%d.png")


@pytest.mark.parametrize(("sink", "name", "off"), [(GifSink, "a.gif", 3), (WebpSink, "a.webp", 6)])
def test_animations_keep_times_loop_and_alpha(sink: type, name: str, off: int, tmp_path: Path) -> None:
    clear = np.full((10, 20), 255, np.uint8)
    clear[:5] = 0
    made = sink(tmp_path / name, CLIP)
    for n, (time, duration) in enumerate([(0, 40), (40, 120), (160, 340)]):
        made.write(Frame(flat(n), time, duration, clear))
    made.finish()
    with Image.open(tmp_path / name) as image:
        assert (image.n_frames, image.info["loop"]) == (3, 0)  # type: ignore[attr-defined]
    source = AnimationSource(tmp_path / name, alpha=True)
    frames = list(source.frames())
    assert (source.clip.seconds, source.clip.loop, source.clip.variable) == (Fraction(1, 2), 0, True)
    assert [(frame.time, frame.duration) for frame in frames] == [(0, 40), (40, 120), (160, 340)]
    for n, frame in enumerate(frames):
        assert frame.alpha is not None and np.array_equal(frame.alpha, clear)
        assert np.abs(frame.pixels[5:].astype(int) - flat(n)[5:]).max() <= off
    part = AnimationSource(tmp_path / name, Cut(Fraction(1, 25), every=2))
    assert [(frame.time, frame.duration) for frame in part.frames()] == [(0, 460)]


def test_a_gif_without_a_loop_is_shown_once_and_opaque_frames_lie_on_each_other(tmp_path: Path) -> None:
    sink = GifSink(tmp_path / "a.gif", Clip("x", 20, 10, Fraction(1, 100), Fraction(10), loop=1))
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (10, 20, 1), np.uint8) for _ in range(2)]
    for n, pixels in enumerate(noise):  # gray, as masks are
        sink.write(Frame(pixels, 10 * n, 10))
    sink.finish()
    source = AnimationSource(tmp_path / "a.gif")
    assert source.clip.loop == 1
    for frame, pixels in zip(source.frames(), noise, strict=True):
        assert np.abs(frame.pixels.astype(int) - pixels).mean() < 8


def test_a_damaged_animation_ends_where_it_is_damaged(tmp_path: Path) -> None:
    sink = WebpSink(tmp_path / "a.webp", CLIP)
    sink.write(Frame(flat(0), 0, 40))
    sink.write(Frame(flat(1), 40, 40))
    sink.finish()
    (tmp_path / "b.webp").write_bytes((tmp_path / "a.webp").read_bytes()[:60])
    with pytest.raises(
        DataError, match="b.webp: is not an animation that can be read|b.webp: the animation is damaged"
    ):
        AnimationSource(tmp_path / "b.webp")
    sink = WebpSink(tmp_path / "c.webp", CLIP)
    sink.write(Frame(flat(0), 0, 40))
    sink.abandon()
    assert not (tmp_path / "c.webp").exists()


def test_clips_are_told_by_name_and_content(tmp_path: Path) -> None:
    write_picture(tmp_path / "still.webp", flat(0))
    Image.fromarray(flat(0)).save(tmp_path / "still.gif")
    Image.fromarray(flat(0)).save(
        tmp_path / "moving.gif", save_all=True, append_images=[Image.fromarray(flat(1))], duration=50
    )
    (tmp_path / "download").write_bytes(b"\0\0\0\x18ftypisom" + bytes(20))
    (tmp_path / "photo").write_bytes(b"\0\0\0\x18ftypavif" + bytes(20))
    names = ("still.webp", "still.gif", "moving.gif", "download", "photo", "gone.MOV", "gone.jpg", "%04d.png", ".")
    assert [name for name in names if is_clip(str(tmp_path / name))] == [
        "moving.gif",
        "download",
        "gone.MOV",
        "%04d.png",
    ]
    assert [has_number(name) for name in ("a/%d.png", "%03d-%d.png", "100%.png", "%d/a.png")] == [
        True,
        False,
        False,
        False,
    ]
    with pytest.raises(UsageError, match=r"no clip has the suffix '.avi'.*Known: .gif"):
        open_sink(str(tmp_path / "a.avi"), CLIP, quality=20)
