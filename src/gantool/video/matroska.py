"""Raw frames with their times as a stream that ffmpeg can read: as little of Matroska (RFC 9559) as that takes.

Other ways to hand frames to ffmpeg know a constant rate only.
"""

from __future__ import annotations

from fractions import Fraction

__all__ = ["frame_head", "stream_head"]

_BILLION = 10**9  # times are in nanoseconds
_UNKNOWN_SIZE = b"\x01\xff\xff\xff\xff\xff\xff\xff"


def stream_head(width: int, height: int, layout: bytes, rate: Fraction) -> bytes:
    """What comes before the first frame.

    Args:
        layout: of the pixels, as a code of four bytes: ``RGBA``, ``Y800``, or `RGB` with a byte of 24.
        rate: frames per second, which is what players show of it.
    """
    head = _element(0x1A45DFA3, _element(0x4282, b"matroska") + _number(0x4287, 4) + _number(0x4285, 2))
    info = _element(0x1549A966, _number(0x2AD7B1, 1) + _element(0x4D80, b"gantool") + _element(0x5741, b"gantool"))
    picture = _number(0xB0, width) + _number(0xBA, height) + _element(0x2EB524, layout)
    track = (
        _number(0xD7, 1) + _number(0x73C5, 1) + _number(0x83, 1) + _element(0x86, b"V_UNCOMPRESSED")
        + _number(0x23E383, round(_BILLION / rate)) + _element(0xE0, picture)
    )  # fmt: skip
    return head + _identity(0x18538067) + _UNKNOWN_SIZE + info + _element(0x1654AE6B, _element(0xAE, track))


def frame_head(time: Fraction, duration: Fraction, size: int) -> bytes:
    """What comes before the ``size`` bytes of a frame; its times are in seconds."""
    lasts = _number(0x9B, max(round(duration * _BILLION), 1))
    block = b"\x81\x00\x00\x00"  # the first track, at the time of the cluster
    inner = lasts + _identity(0xA1) + _length(len(block) + size) + block
    group = _identity(0xA0) + _length(len(inner) + size) + inner
    start = _number(0xE7, max(round(time * _BILLION), 0))
    return _identity(0x1F43B675) + _length(len(start) + len(group) + size) + start + group


def _identity(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _length(size: int) -> bytes:
    return (size | 1 << 56).to_bytes(8, "big")


def _number(identity: int, value: int) -> bytes:
    return _element(identity, value.to_bytes(max((value.bit_length() + 7) // 8, 1), "big"))


def _element(identity: int, content: bytes) -> bytes:
    return _identity(identity) + _length(len(content)) + content
