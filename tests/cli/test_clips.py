"""Clips on the command line: what comes out is as long, as loud and as large as what went in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Cli, ask_clip, draw_clip, needs_ffmpeg

from gantool.data.images import write_picture
from gantool.data.sample import draw_scene
from gantool.workflows.video.plan import clip_stem

WINTER = ("--to", "winter", "--model", "seasons")
SOUND = ("-f", "lavfi", "-i", "sine=440:d=1", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac")
QUIET = ("-q", "--device", "cpu")


def film(folder: Path, count: int = 6) -> str:
    """A camera that moves over a drawn scene, as numbered images."""
    wide = draw_scene(4, size=(128, 72)).summer
    for n in range(count):
        write_picture(folder / f"{n + 1:03d}.png", wide[4 : 4 + 48, 4 + 2 * n : 4 + 2 * n + 64])
    return str(folder / "%03d.png")


@needs_ffmpeg
def test_a_clip_keeps_its_length_its_rate_and_its_sound(cli: Cli, workplace: Path) -> None:
    draw_clip(workplace / "a.mp4", *SOUND, source="testsrc2=s=64x48:r=12:d=1")
    result = cli("translate", "a.mp4", *WINTER)
    assert (result.code, result.out) == (0, "a.winter.mp4\n"), result.err
    assert "a.mp4: 12 frames in 0:0" in result.err
    for entries in ("stream=codec_name,width,height,r_frame_rate,nb_frames", "packet=pts", "format=duration"):
        made, given = (sorted(ask_clip(workplace / name, entries)) for name in ("a.winter.mp4", "a.mp4"))
        assert made == given, entries
    again = cli("translate", "a.mp4", *WINTER)
    assert (again.code, "a.winter.mp4: exists already. Use --overwrite" in again.err) == (2, True)
    left = cli("translate", "a.mp4", *WINTER, "--skip-existing", "--json")
    assert json.loads(left.out)["skipped"] == ["a.winter.mp4"]
    part = cli(
        "translate", "a.mp4", *WINTER, "--start", "0.25", "--end", "0:00.75", "--every", "2", "-o", "p.mkv", "--json"
    )
    (facts,) = json.loads(part.out)["files"]
    assert (facts["frames"], facts["duration"], facts["output"]) == (3, 0.5, "p.mkv")
    ahead = cli("translate", "a.mp4", *WINTER, "--dry-run", "-o", "dry.mp4", "--json")
    assert json.loads(ahead.out)["files"][0]["frames"] == 12
    assert {path.name for path in workplace.iterdir()} == {"a.mp4", "a.winter.mp4", "p.mkv"}


@needs_ffmpeg
def test_what_a_clip_cannot_keep_is_said(cli: Cli, workplace: Path) -> None:
    draw_clip(workplace / "odd.mkv", "-c:v", "ffv1", "-pix_fmt", "yuv444p10le", source="testsrc=s=33x21:r=10:d=1")
    result = cli("translate", "odd.mkv", *WINTER)
    assert result.code == 0, result.err
    assert "H.264 needs even sides: 33x21 is padded to 34x22" in result.err
    assert "10 bits per channel become 8" in result.err
    assert ask_clip(workplace / "odd.winter.mkv", "stream=width,height,pix_fmt") == ["34,22,yuv420p"]


@needs_ffmpeg
def test_one_bad_clip_does_not_stop_the_others(cli: Cli, workplace: Path) -> None:
    draw_clip(workplace / "good.mp4", source="testsrc2=s=32x32:r=5:d=1")
    (workplace / "text.mp4").write_text("hello\n")
    result = cli("translate", "text.mp4", "good.mp4", *WINTER, "--json")
    facts = json.loads(result.out)
    assert (result.code, len(facts["files"]), len(facts["failed"])) == (1, 1, 1)
    assert "text.mp4: is not a clip" in facts["failed"][0]["error"]
    assert "1 of 2 failed" in result.err
    assert cli("translate", "text.mp4", *WINTER).code == 2


@needs_ffmpeg
def test_masks_of_a_clip_are_those_of_its_frames(cli: Cli, workplace: Path) -> None:
    pattern = film(workplace / "in", 3)
    result = cli("segment", pattern, "--model", "landscape", *QUIET)
    assert (result.code, result.out) == (0, "in.mask.mkv\nin.overlay.mp4\n"), result.err
    assert cli("segment", pattern, "--outputs", "mask", "-o", "m/%03d.png", "--model", "landscape", *QUIET).code == 0
    assert cli("segment", "in/002.png", "--outputs", "mask", "-o", "one/", "--model", "landscape", *QUIET).code == 0
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", "in.mask.mkv", "-f", "rawvideo", "-pix_fmt", "gray", "-"], capture_output=True
    )
    masks = np.frombuffer(raw.stdout, np.uint8).reshape(3, 48, 64)
    with Image.open("m/002.png") as numbered, Image.open("one/002.mask.png") as alone:
        assert numbered.mode == "P"
        assert np.array_equal(masks[1], np.asarray(numbered))
        assert np.array_equal(masks[1], np.asarray(alone))
    assert ask_clip(workplace / "in.mask.mkv", "format_tags=CLASSES,classes") == ['"sky,mountain,tree,ground,water"']
    bad = cli("segment", pattern, "--outputs", "mask", "-o", "m.mp4", "--model", "landscape")
    assert (bad.code, "would not keep masks as they are" in bad.err) == (2, True)


def test_an_animation_stays_one(cli: Cli, workplace: Path) -> None:
    frames = [Image.fromarray(draw_scene(n, size=(40, 30)).summer) for n in range(3)]
    frames[0].save("a.gif", save_all=True, append_images=frames[1:], duration=[40, 200, 60], loop=0)
    result = cli("translate", "a.gif", *WINTER, "--side-by-side", "--json")
    (facts,) = json.loads(result.out)["files"]
    assert (facts["frames"], facts["duration"], facts["width"]) == (3, 0.3, 80)
    with Image.open("a.winter.gif") as image:
        told = []
        for n in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(n)
            told.append(image.info["duration"])
        assert (told, image.size, image.info["loop"]) == ([40, 200, 60], (80, 30), 0)
    assert cli("translate", "a.gif", *WINTER, "-o", "b.webp", "--size", "20x14").code == 0
    with Image.open("b.webp") as image:
        assert (image.n_frames, image.size) == (3, (20, 14))  # type: ignore[attr-defined]


def test_names_of_results(workplace: Path) -> None:
    long = "f" * 240
    (workplace / long).mkdir()
    names = {
        "in/a.MOV": "a", "a.b.avi": "a.b", "a:b.gif": "a_b", "in.1/%04d.png": "in.1", "%d.png": workplace.name,
        "con.mp4": "_con", "caf\udce9.mp4": "caf_",
    }  # fmt: skip
    assert {source: clip_stem(source) for source in names} == names
    stems = [clip_stem(source) for source in (long, f"{long}.mkv", f"{long}g.mkv", f"{long}/%d.png")]
    assert len(set(stems)) == 3 and stems[0] == stems[3]  # what is cut off tells them apart
    assert all(len(f"{stem}.overlay.mkv") < 240 for stem in stems)


def test_steady_frames_differ_less(cli: Cli, workplace: Path) -> None:
    pytest.importorskip("cv2", reason="OpenCV is not installed here")
    pattern = film(workplace / "in")
    for steady in ("off", "on"):
        result = cli("translate", pattern, *WINTER, "--steady", steady, "-o", f"{steady}/%03d.png", "--json")
        (facts,) = json.loads(result.out)["files"]
        assert (facts["frames"], facts["steadied"], facts.get("scenes", 0)) == (
            6,
            steady == "on",
            int(steady == "on"),
        )
    one, other = (np.asarray(Image.open(f"{name}/006.png"), dtype=int) for name in ("off", "on"))
    assert 0 < np.abs(one - other).mean() < 4
    first, same = (np.asarray(Image.open(f"{name}/001.png"), dtype=int) for name in ("off", "on"))
    assert np.abs(first - same).max() <= 1
    slow = cli("translate", pattern, *WINTER, "--fps", "2", "--steady", "auto", "-o", "slow/%03d.png")
    assert "not steadied: nothing can be followed at 2 frames/s" in slow.err
    result = cli(
        "segment", pattern, "--model", "landscape", "--steady", "on", "--outputs", "overlay", "-o", "s/%03d.png"
    )
    assert (result.code, "steadied over 1 scene" in result.err) == (0, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("p.png", "--start", "1"), "--start: is of clips, and p.png is none."),
        (("p.png", "a.gif"), "a.gif is a clip, p.png is not."),
        (("gone.mp4",), "gone.mp4: there is no such file or folder."),
        (("gone*.mp4",), "gone*.mp4: matches no clips."),
        (("a.gif", "--start", "soon"), "--start soon: expected seconds"),
        (("a.gif", "--start", "2", "--end", "1"), "--end 1: is not after --start 2."),
        (("a.gif", "--quality", "99"), "--quality 99: expected 0"),
        (("a.gif", "--steady", "onn"), 'Did you mean "on"?'),
        (("a.gif", "--fps", "0"), "--fps 0: expected frames per second"),
        (("a.gif", "--every", "0"), "--every 0: expected a number of frames"),
        (("a.gif", "-o", "a.avi"), "no clip has the suffix '.avi'"),
        (("a.gif", "b.gif", "-o", "c.gif"), "names one clip, but there are several clips"),
        (("a.gif", "-o", "a.gif", "--overwrite"), "a.gif: its result would replace it."),
        (("a.gif", "--start", "5"), "a.gif: it ends before --start 5."),
        (("a.gif", "--format", "png"), "--format: is of pictures, and a.gif is a clip."),
        (("a.gif", "-o", "-"), "-o -: is of pictures, and a.gif is a clip."),
    ],
)
def test_mistakes(words: tuple[str, ...], said: str, cli: Cli, workplace: Path) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    for name in ("a.gif", "b.gif"):
        frames[0].save(name, save_all=True, append_images=frames[1:], duration=100)
    frames[0].save("p.png")
    result = cli("translate", *words, *WINTER)
    assert (result.code, said in result.err) == (2, True), result.err


def test_a_machine_without_ffmpeg_is_told_how_to_get_it(
    cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    monkeypatch.setitem(os.environ, "PATH", str(workplace))
    result = cli("translate", "a.mp4", *WINTER)
    assert result.code == 2
    assert "Clips need the program ffmpeg, which is not on this machine" in result.err
    assert "nstall" in result.err


def test_without_opencv_only_steady_is_missing(cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    pattern = film(workplace / "in", 2)
    assert cli("translate", pattern, *WINTER, "-o", "out/%03d.png").code == 0
    result = cli("translate", pattern, *WINTER, "-o", "steady/%03d.png", "--steady", "auto")
    assert (result.code, "pip install 'gantool[video]'" in result.err) == (2, True)


def test_pictures_pay_nothing_for_clips(workplace: Path) -> None:
    write_picture(workplace / "a.png", np.zeros((8, 8, 3), np.uint8))
    words = ["translate", "a.png", *WINTER]
    code = f"""import sys
from gantool.cli.app import run
assert run({words}) == 0
kept = ("cv2", "gantool.workflows.video", "gantool.video.frames")
assert not [name for name in kept if name in sys.modules]"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


# -- minutes ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_clip_leaves_nothing_behind(number: int, workplace: Path) -> None:
    draw_clip(workplace / "a.mp4", *SOUND, source="testsrc2=s=640x480:r=25:d=30")
    process = subprocess.Popen(
        [sys.executable, "-m", "gantool", "translate", "a.mp4", *WINTER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + 120
    while not any(path.stat().st_size for path in workplace.glob(".*")):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert [path.name for path in workplace.iterdir()] == ["a.mp4"]


@pytest.mark.slow
@needs_ffmpeg
def test_memory_does_not_grow_with_the_length_of_a_clip(workplace: Path) -> None:
    psutil = pytest.importorskip("psutil")
    most = []
    for seconds in (3, 18):
        draw_clip(workplace / "a.mp4", source=f"testsrc2=s=640x360:r=25:d={seconds}")
        process = subprocess.Popen(
            [sys.executable, "-m", "gantool", "translate", "a.mp4", *WINTER, "--overwrite", "--steady", "on"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        high, watched = 0, psutil.Process(process.pid)
        while process.poll() is None:
            try:
                high = max(high, watched.memory_info().rss)
            except psutil.Error:
                break
            time.sleep(0.05)
        assert process.wait(timeout=600) == 0
        most.append(high / 2**20)
    assert most[1] < most[0] + 40, most  # 375 frames more, of 0.7 MB each
