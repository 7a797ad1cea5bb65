"""Which reader and which writer a clip gets."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from gantool.errors import UsageError
from gantool.video.frames import Clip, Cut, Sink, Source
from gantool.video.names import ANIMATIONS, CONTAINERS, has_number, is_animation

__all__ = ["can_be_clear", "open_sink", "open_source"]


def open_source(name: str, cut: Cut | None = None, *, rate: Fraction | None = None, alpha: bool = False) -> Source:
    """Open a clip: numbered images, an animation, or what ffmpeg reads.

    Args:
        rate: frames per second of numbered images.
        alpha: also read how transparent its frames are.

    Raises:
        DataError: it cannot be read.
        UsageError: there is no ffmpeg.
    """
    path = Path(name)
    if path.is_dir() or (has_number(name) and not path.exists()):
        from gantool.video.numbered import NumberedSource

        return NumberedSource(name, rate, cut, alpha=alpha)
    if path.suffix.lower() in ANIMATIONS and is_animation(path):
        from gantool.video.animations import AnimationSource

        return AnimationSource(path, cut, alpha=alpha)
    from gantool.video.decoding import FfmpegSource

    return FfmpegSource(path, cut, alpha=alpha)


def can_be_clear(output: str) -> bool:
    """Whether an output of that name can be transparent."""
    return Path(output).suffix.lower() in (".gif", ".webp", ".webm", ".mov", ".png", ".tif", ".tiff")


def open_sink(output: str, clip: Clip, *, quality: int, source: Path | None = None, cut: Cut | None = None) -> Sink:
    """Open what is written: numbered images, an animation or a video, by the name.

    Args:
        source: the file that has the clip's sound.

    Raises:
        UsageError: no clip has such a name, or there is no ffmpeg.
        OutputError: it cannot be written there.
    """
    path = Path(output)
    suffix = path.suffix.lower()
    if has_number(output):
        from gantool.video.numbered import NumberedSink

        return NumberedSink(output)
    if suffix == ".gif":
        from gantool.video.animations import GifSink

        return GifSink(path, clip)
    if suffix == ".webp":
        from gantool.video.animations import WebpSink

        return WebpSink(path, clip)
    if suffix in CONTAINERS:
        from gantool.video.encoding import FfmpegSink, Recipe

        return FfmpegSink(path, clip, Recipe(quality), source=source, cut=cut)
    raise UsageError(
        f"-o {output}: no clip has the suffix {suffix!r}.",
        f"Known: {', '.join(sorted(CONTAINERS | ANIMATIONS))}, and numbered images such as frames/%04d.png.",
    )
