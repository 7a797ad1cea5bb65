"""What ffprobe says of a clip, in gantool's words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from gantool.errors import DataError
from gantool.video.frames import Clip, ColorTags
from gantool.video.programs import ask, bare, file_url, program

__all__ = ["Probed", "probe"]

_NO_CLIPS = frozenset({"tty", "hls", "dash", "concat", "concatf", "image2", "lavfi", "srt", "ass", "webvtt"})
"""What ffmpeg takes for clips though they are texts, or lists of other files."""

_HIGH = 720  # rows from which on players take a clip without tags for a high-definition one
_MATRICES = {"bt709", "smpte170m", "bt470bg", "fcc", "smpte240m", "bt2020nc", "bt2020c"}
_HDR = {"smpte2084", "arib-std-b67"}
_UNKNOWN = {"", "unknown", "reserved", "unspecified"}
_MOST_PIXELS = 16384 * 16384


@dataclass(frozen=True)
class Probed:
    """A clip, and what only its reader has to know.

    Attributes:
        stream: the number of its picture among the streams of the file.
        decoder: the one to use where it matters; empty for ffmpeg's choice.
        interlaced: whether its frames are two half pictures each.
    """

    clip: Clip
    stream: int
    decoder: str = ""
    interlaced: bool = False


def probe(path: Path) -> Probed:
    """Ask ffprobe about a clip.

    Raises:
        DataError: not there, no clip, or one without a picture.
        UsageError: there is no ffprobe.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file.")
    words = [
        program("ffprobe"), "-hide_banner", "-loglevel", "level+error", "-protocol_whitelist", "file",
        "-show_format", "-show_streams", "-of", "json", file_url(path),
    ]  # fmt: skip
    code, out, err = ask(words)
    try:
        found = json.loads(out) if code == 0 else {}
    except ValueError:
        found = {}
    streams, form = found.get("streams", []), found.get("format", {})
    if not streams or _NO_CLIPS & set(str(form.get("format_name", "")).split(",")):
        lines = err.splitlines()
        reason = f" ({bare(lines[-1])})" if lines and code else ""
        raise DataError(f"{path}: is not a clip that ffmpeg can read{reason}.")
    pictures = [one for one in streams if one.get("codec_type") == "video" and not _is_cover(one)]
    if not pictures:
        kinds = ", ".join(dict.fromkeys(str(one.get("codec_type", "data")) for one in streams))
        raise DataError(f"{path}: has no video, only {kinds.replace('video', 'a cover picture')}.")
    return _probed(path, pictures[0], streams, form)


def _varies(video: Mapping[str, Any]) -> bool:
    mean, finest = _fraction(video.get("avg_frame_rate")), _fraction(video.get("r_frame_rate"))
    return mean is not None and finest is not None and abs(mean / finest - 1) > Fraction(1, 1000)


def _is_cover(stream: Mapping[str, Any]) -> bool:
    return bool(stream.get("disposition", {}).get("attached_pic"))


def _probed(
    path: Path, video: Mapping[str, Any], streams: Sequence[Mapping[str, Any]], form: Mapping[str, Any]
) -> Probed:
    width, height = int(video.get("width", 0)), int(video.get("height", 0))
    if not 0 < width * height <= _MOST_PIXELS:
        raise DataError(f"{path}: its video has no size ({width}x{height}).")
    sideways = _turn(video) % 180 == 90
    shape = _fraction(video.get("sample_aspect_ratio", "").replace(":", "/")) or Fraction(1)
    tags = {str(key).lower(): value for key, value in video.get("tags", {}).items()}
    layout = str(video.get("pix_fmt", ""))
    codec = str(video.get("codec_name", ""))
    hidden = codec in ("vp8", "vp9") and str(tags.get("alpha_mode", "0")) == "1"
    alpha = hidden or bool(re.match(r"yuva|rgba|bgra|argb|abgr|gbrap|ya8|ya16", layout))
    rate = _fraction(video.get("avg_frame_rate")) or _fraction(video.get("r_frame_rate")) or Fraction(25)
    seconds = _seconds(video.get("duration")) or _seconds(form.get("duration"))
    counted = int(video["nb_frames"]) if str(video.get("nb_frames", "")).isdigit() else 0
    interlaced = video.get("field_order") in ("tt", "bb", "tb", "bt")
    clip = Clip(
        str(path),
        *((height, width) if sideways else (width, height)),
        time_base=_fraction(video.get("time_base")) or Fraction(1, 90000),
        rate=rate,
        count=counted or (round(seconds * rate) if seconds else None),
        seconds=seconds,
        colors=_colors(video, height),
        pixel_shape=1 / shape if sideways else shape,
        sound=tuple(str(one.get("codec_name", "")) for one in streams if one.get("codec_type") == "audio"),
        alpha=alpha,
        variable=_varies(video),
        notes=tuple(_notes(video, streams, interlaced=interlaced)),
    )
    decoder = {"vp8": "libvpx", "vp9": "libvpx-vp9"}[codec] if hidden else ""
    return Probed(clip, int(video["index"]), decoder, interlaced)


def _turn(video: Mapping[str, Any]) -> int:
    """By how many degrees players turn the picture."""
    for data in video.get("side_data_list", ()):
        if "rotation" in data:
            return round(float(data["rotation"]))
    tagged = str(video.get("tags", {}).get("rotate", "0"))
    return int(tagged) if re.fullmatch(r"-?\d+", tagged) else 0


def _colors(video: Mapping[str, Any], height: int) -> ColorTags:
    tagged = {
        key: "" if str(video.get(key, "")) in _UNKNOWN else str(video.get(key))
        for key in ("color_space", "color_range", "color_primaries", "color_transfer")
    }
    matrix = tagged["color_space"]
    if matrix not in _MATRICES:  # RGB has none
        matrix = "bt709" if height >= _HIGH or "rgb" in str(video.get("pix_fmt")) else "smpte170m"
    full = tagged["color_range"] == "pc" and not re.search("rgb|gbr|bgr|pal8", str(video.get("pix_fmt")))
    full = full or str(video.get("pix_fmt", "")).startswith("yuvj")
    return ColorTags(matrix, "pc" if full else "tv", tagged["color_primaries"], tagged["color_transfer"])


def _notes(video: Mapping[str, Any], streams: Sequence[Mapping[str, Any]], *, interlaced: bool) -> list[str]:
    notes = []
    deep = re.search(r"p?(9|10|12|14|16)(le|be)$", str(video.get("pix_fmt", "")))
    if deep:
        notes.append(f"{deep[1]} bits per channel become 8")
    if video.get("color_transfer") in _HDR:
        notes.append("its high dynamic range is taken as it stands, which the model sees as a pale picture")
    if interlaced:
        notes.append("its interlaced half pictures become whole ones")
    if any(one.get("codec_type") == "subtitle" for one in streams):
        notes.append("its subtitles are left out")
    return notes


def _fraction(text: object) -> Fraction | None:
    """A positive ratio such as ``30000/1001``; None for what is none."""
    try:
        value = Fraction(str(text))
    except (ValueError, ZeroDivisionError):
        return None
    return value if value > 0 else None


def _seconds(text: object) -> Fraction | None:
    return _fraction(text) if text is not None else None
