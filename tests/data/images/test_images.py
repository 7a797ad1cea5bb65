from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from gantool.data.images import (
    as_rgb,
    find_images,
    open_image,
    read_picture,
    read_pixels,
    upright_size,
    write_picture,
)
from gantool.data.inspect import inspect_image
from gantool.errors import DataError, OutputError

RGB = np.random.default_rng(0).integers(0, 256, (12, 20, 3)).astype(np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def png_16_bit(path: Path, values: np.ndarray) -> Path:
    """A 16-bit PNG written by hand; Pillow cannot write 16-bit color."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    color = {1: 0, 3: 2}[channels]

    return write_png(path, struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0), rows)


def write_png(path: Path, header: bytes, rows: bytes) -> Path:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return path


def test_plain_image_comes_back_exactly(tmp_path: Path) -> None:
    picture = read_picture(save(tmp_path / "a.png", Image.fromarray(RGB), icc_profile=SRGB, dpi=(72, 72)))
    assert np.array_equal(picture.pixels, RGB)
    assert picture.notes == ()
    write_picture(tmp_path / "b.png", picture.pixels, picture)
    with Image.open(tmp_path / "b.png") as back:
        assert np.array_equal(np.asarray(back), RGB)
        assert back.info["icc_profile"] == SRGB
        assert back.info["dpi"] == pytest.approx((72, 72), abs=0.1)


def test_orientation_is_applied_and_reset(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying, to be turned by 90 degrees clockwise
    exif[0x010F] = "Maker"
    path = save(tmp_path / "a.png", Image.fromarray(RGB), exif=exif)
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, np.rot90(RGB, -1))
    write_picture(tmp_path / "b.jpg", picture.pixels, picture)
    with Image.open(tmp_path / "b.jpg") as image:
        back = image.getexif()
    assert 0x0112 not in back
    assert back[0x010F] == "Maker"


def test_alpha_comes_back(tmp_path: Path) -> None:
    alpha = (np.arange(12 * 20).reshape(12, 20) % 256).astype(np.uint8)
    rgba = np.dstack([RGB, alpha])
    picture = read_picture(save(tmp_path / "a.png", Image.fromarray(rgba)))
    assert picture.alpha is not None
    assert write_picture(tmp_path / "b.png", picture.pixels, picture) == []
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), rgba)
    assert write_picture(tmp_path / "b.jpg", picture.pixels, picture) == ["jpg has no transparency"]


def test_training_lays_alpha_on_white(tmp_path: Path) -> None:
    clear = np.zeros((4, 4, 4), dtype=np.uint8)
    assert read_pixels(save(tmp_path / "a.png", Image.fromarray(clear))).min() == 255


def test_palette_and_gray_and_cmyk_become_rgb(tmp_path: Path) -> None:
    color = Image.fromarray(RGB)
    palette = read_picture(save(tmp_path / "p.png", color.quantize(16)))
    assert palette.pixels.shape == (12, 20, 3)
    gray = read_picture(save(tmp_path / "l.png", color.convert("L"), icc_profile=SRGB))
    assert np.array_equal(gray.pixels[..., 0], gray.pixels[..., 2])
    assert "icc_profile" not in gray.extra, "a gray profile does not describe an RGB result"
    flat = Image.new("RGB", (20, 12), (200, 60, 30))
    cmyk = read_picture(save(tmp_path / "c.jpg", flat.convert("CMYK")))
    assert np.abs(cmyk.pixels.mean(axis=(0, 1)) - (200, 60, 30)).max() < 12
    one_bit = read_picture(save(tmp_path / "1.png", color.convert("1")))
    assert set(np.unique(one_bit.pixels)) <= {0, 255}


def test_palette_with_transparency_keeps_it(tmp_path: Path) -> None:
    image = Image.fromarray(RGB).quantize(8)
    path = save(tmp_path / "p.png", image, transparency=0)
    assert read_picture(path).alpha is not None


def test_16_bit_gray_is_scaled(tmp_path: Path) -> None:
    values = np.array([[[0], [257 * 100], [65535]]] * 3)
    picture = read_picture(png_16_bit(tmp_path / "a.png", values))
    assert picture.pixels[0, :, 0].tolist() == [0, 100, 255]
    assert picture.notes == ("16 bits per channel become 8",)


def test_16_bit_color_is_scaled_and_noted(tmp_path: Path) -> None:
    values = np.stack([np.full((3, 2), 257 * level) for level in (10, 20, 30)], axis=2)
    picture = read_picture(png_16_bit(tmp_path / "a.png", values))
    assert picture.pixels[0, 0].tolist() == [10, 20, 30]
    assert picture.notes == ("16 bits per channel become 8",)


def test_floating_point_says_how_many_bits_it_had(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", Image.fromarray(np.array([[0.0, 100.0, 255.0]] * 3, np.float32)))
    assert read_picture(path).notes == ("32 bits per channel become 8",)


def test_animations_say_so(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    path = save(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    picture = read_picture(path)
    assert picture.pixels[0, 0].tolist() == [255, 0, 0]
    assert "first of its frames" in picture.notes[0]


def test_tiff_and_webp_and_bmp_round_trip(tmp_path: Path) -> None:
    for suffix in (".tif", ".bmp", ".webp"):
        write_picture(tmp_path / f"a{suffix}", RGB)
        assert read_picture(tmp_path / f"a{suffix}").pixels.shape == RGB.shape


def test_gray_results(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", RGB[:, :, :1])
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"


def bomb(path: Path) -> Path:
    return write_png(path, struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0), b"\0" * 100)


def test_unusable_files_are_named(tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("not an image")
    empty = tmp_path / "empty.png"
    empty.touch()
    whole = io.BytesIO()
    Image.fromarray(np.tile(RGB, (10, 10, 1))).save(whole, "JPEG")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    for path, words in ((text, "is not an image"), (empty, "is not an image"), (cut, "damaged"),
                        (bomb(tmp_path / "bomb.png"), "more pixels"), (tmp_path / "none.png", "no such file"),
                        (tmp_path, "is a folder")):  # fmt: skip
        with pytest.raises(DataError) as caught:
            open_image(path)
        assert str(path) in str(caught.value)
        assert words in str(caught.value)


def test_find_images_skips_what_is_none(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.webp").touch()
    assert [path.name for path in find_images(tmp_path)] == ["a.jpg", "b.PNG"]
    assert [path.name for path in find_images(tmp_path, recursive=True)] == ["a.jpg", "b.PNG", "c.webp"]


def test_unknown_suffix_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"no image format has the suffix '.xyz'"):
        write_picture(tmp_path / "a.xyz", RGB)


@pytest.mark.parametrize(
    "error", [TypeError("t"), RuntimeError(), NotImplementedError("n"), struct.error("s"), IndexError()]
)
def test_whatever_a_decoder_raises_concerns_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(RGB))

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(DataError, match=r"a\.png: the image is damaged \(\w+\)"):
        open_image(path)
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile._open", fail)
    with pytest.raises(DataError, match=r"a\.png: .* (damaged|can be read)"):
        upright_size(path)


def test_a_damaged_second_page_is_named(tmp_path: Path) -> None:
    page = Image.fromarray(RGB)
    path = save(tmp_path / "a.tif", page, save_all=True, append_images=[page])
    data = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, first)
    (second,) = struct.unpack_from("<I", data, first + 2 + 12 * entries)
    struct.pack_into("<H", data, second, 1)  # one tag only, and that of an unknown kind
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.tif: the image is damaged"):
        open_image(path)


def test_lab_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", Image.new("LAB", (9, 9), (128, 128, 128)))
    assert read_pixels(path).std(axis=2).max() < 2, "gray"


def test_tags_of_a_camera_go_into_a_tiff_as_far_as_it_holds_them(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    picture = read_picture(save(tmp_path / "a.jpg", Image.fromarray(RGB), exif=exif))
    assert write_picture(tmp_path / "a.tif", picture.pixels, picture) == [
        "tif cannot hold the EXIF about camera settings"
    ]
    with Image.open(tmp_path / "a.tif") as back:
        assert back.getexif()[0x010F] == "Maker"
        assert np.array_equal(np.asarray(back), picture.pixels)


def test_a_tiff_has_its_own_size_whatever_the_tags_say(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0100], exif[0x0101] = 4000, 3000
    picture = read_picture(save(tmp_path / "a.png", Image.fromarray(RGB), exif=exif))
    write_picture(tmp_path / "b.tif", picture.pixels, picture)
    assert np.array_equal(read_pixels(tmp_path / "b.tif"), RGB)


def warning_file(path: Path) -> Path:
    """A JPEG whose EXIF ends before it should."""
    exif = Image.Exif()
    exif[0x010F] = "A maker with a long name"
    return save(path, Image.fromarray(RGB), exif=exif.tobytes()[:20])


def test_warnings_become_notes(tmp_path: Path) -> None:
    """Warnings are errors here, so one that is not taken in fails the reading."""
    picture = read_picture(warning_file(tmp_path / "a.jpg"))
    assert any("warns" in note for note in picture.notes), picture.notes
    assert np.abs(picture.pixels.astype(int) - RGB).mean() < 60


def transparent_palette(path: Path) -> Path:
    """A picture of which Pillow says, when it is asked for its colors, that it had better keep its transparency."""
    return save(path, Image.fromarray(RGB).quantize(4), transparency=bytes([0, 80, 160, 255]))


def test_colors_of_a_transparent_palette_cost_no_warning(tmp_path: Path) -> None:
    image = open_image(transparent_palette(tmp_path / "a.png"))
    with pytest.warns(UserWarning, match="Palette images with Transparency"):
        image.convert("RGB")
    assert as_rgb(image).tobytes() == image.convert("RGBA").convert("RGB").tobytes()
    assert inspect_image(tmp_path / "a.png").problem == "", "warnings are errors here"


def test_libtiff_says_nothing_itself(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It writes to the descriptor of stderr, past Python."""
    path = save(tmp_path / "a.tif", Image.fromarray(RGB), compression="tiff_deflate")
    data = bytearray(path.read_bytes())
    place = data.index(b"\x78\x9c") + 20
    data[place : place + 40] = b"\xff" * 40
    path.write_bytes(data)
    with pytest.raises(DataError, match="the image is damaged"):
        read_pixels(path)
    assert capfd.readouterr().err == ""


def test_warnings_of_several_threads_stay_apart(tmp_path: Path) -> None:
    bad, good = warning_file(tmp_path / "bad.jpg"), save(tmp_path / "good.jpg", Image.fromarray(RGB))
    before = list(warnings.filters)
    notes: dict[int, tuple[str, ...]] = {}

    def read(number: int) -> None:
        for _ in range(20):
            notes[number] = read_picture(bad if number % 2 else good).notes

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [bool(notes[number]) for number in range(4)] == [False, True, False, True]
    assert warnings.filters == before


def test_what_is_no_number_is_black(tmp_path: Path) -> None:
    values = np.array([[np.nan, 0.0, 1.0], [np.inf, -np.inf, 0.5]], dtype=np.float32)
    picture = read_picture(save(tmp_path / "a.tif", Image.fromarray(values)))
    assert picture.pixels[..., 0].tolist() == [[0, 0, 255], [255, 0, 128]]
    nothing = np.full((2, 2), np.nan, dtype=np.float32)
    assert not read_pixels(save(tmp_path / "b.tif", Image.fromarray(nothing))).any()
