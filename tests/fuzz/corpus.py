"""What is damaged: small valid files of every kind, most of them made from drawn scenes."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gantool.data.sample import draw_scene

FIXTURE = Path(__file__).parent.parent / "compat" / "v1"
SIZE = (24, 16)
_EXIF = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"


def encode(pixels: Any, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(buffer, format, **options)
    return buffer.getvalue()


def scene(number: int = 0) -> bytes:
    return encode(draw_scene(number, size=SIZE).summer, "PNG")


@cache
def images() -> dict[str, bytes]:
    """Pictures and masks by file name."""
    drawn = draw_scene(0, size=SIZE)
    picture, mask = Image.fromarray(drawn.summer), Image.fromarray(drawn.mask)
    palette = mask.copy()
    palette.putpalette([n % 256 for n in range(768)])
    deep = (drawn.mask.astype(np.uint16) * 7000).astype(np.uint16)
    translucent = picture.copy()
    translucent.putalpha(mask)
    return {
        "rgb.png": encode(picture, "PNG", dpi=(72, 72)),
        "alpha.png": encode(translucent, "PNG"),
        "palette.png": encode(palette, "PNG", transparency=1),
        "deep.png": encode(deep, "PNG"),
        "exif.jpg": encode(picture, "JPEG", exif=_EXIF),
        "progressive.jpg": encode(picture, "JPEG", progressive=True),
        "cmyk.jpg": encode(picture.convert("CMYK"), "JPEG"),
        "plain.tif": encode(picture, "TIFF"),
        "deflate.tif": encode(picture, "TIFF", compression="tiff_deflate"),
        "deep.tif": encode(deep, "TIFF"),
        "float.tif": encode(drawn.mask.astype(np.float32) / 9, "TIFF"),
        "moving.gif": encode(picture, "GIF", save_all=True, append_images=[mask.convert("RGB")]),
        "lossy.webp": encode(picture, "WEBP", exif=_EXIF),
        "lossless.webp": encode(translucent, "WEBP", lossless=True),
        "rgb.bmp": encode(picture, "BMP"),
        "palette.bmp": encode(palette, "BMP"),
        "gray.pgm": encode(mask, "PPM"),
    }


@cache
def models() -> dict[str, bytes]:
    """Model files of both kinds of tasks, and an ONNX file made by hand."""
    names = [f"runs/{name}/model.safetensors" for name in ("cyclegan", "pix2pix", "unet")]
    names += [f"exported/{name}" for name in ("cyclegan-to-winter.onnx", "unet.onnx")]
    found = {name.replace("/", "-"): (FIXTURE / name).read_bytes() for name in names}
    return {**found, "handmade.onnx": _onnx_by_hand(found["exported-unet.onnx"])}


def _onnx_by_hand(like: bytes) -> bytes:
    """One node, with the card of another model, which its shapes do not fit."""
    import onnx
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "H", "W"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "tiny", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {one.key: one.value for one in onnx.load_from_string(like).metadata_props})
    written: bytes = model.SerializeToString()
    return written


@cache
def archives() -> dict[str, bytes]:
    """Two domains of unpaired images in every kind of archive."""
    files = {
        f"set/{side}/{n}.png": scene(n + start) for side, start in (("summer", 0), ("winter", 4)) for n in (0, 1)
    }
    found: dict[str, bytes] = {}
    for name, compression in (("stored.zip", zipfile.ZIP_STORED), ("deflated.zip", zipfile.ZIP_DEFLATED)):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as opened:
            for path, data in files.items():
                opened.writestr(zipfile.ZipInfo(path), data, compression)
        found[name] = buffer.getvalue()
    for suffix in ("", ".gz", ".bz2", ".xz"):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=f"w:{suffix[1:]}") as tar:
            for path, data in files.items():
                member = tarfile.TarInfo(path)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        found[f"set.tar{suffix}"] = buffer.getvalue()
    return found


@cache
def annotations() -> dict[str, tuple[str, Any]]:
    """By tool: where its file lies in a set whose images are ``images/0.png`` and ``1.png``; a tree, or XML."""
    wide, high = SIZE
    triangle = [[1, 1], [20, 2], [10, 14]]
    flat = [value for point in triangle for value in point]
    labelme = {
        "version": "5.0", "imagePath": "../images/0.png", "imageData": None, "imageWidth": wide, "imageHeight": high,
        "shapes": [
            {"label": "lake", "points": triangle, "shape_type": "polygon", "group_id": None},
            {"label": "sun", "points": [[8, 8], [9, 11]], "shape_type": "circle"},
            {"label": "hut", "points": [[2, 2], [6, 9]], "shape_type": "rectangle"},
        ],
    }  # fmt: skip
    coco = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": wide, "height": high} for n in (0, 1)],
        "categories": [{"id": 3, "name": "lake"}, {"id": 5, "name": "hut", "supercategory": "house"}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 3, "segmentation": [flat], "area": 90.0, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 5, "bbox": [1, 1, 5, 5], "iscrowd": 1, "area": 25,
             "segmentation": {"size": [high, wide], "counts": [100, 50, wide * high - 150]}},
        ],
    }  # fmt: skip
    xs, ys = [x for x, _ in triangle], [y for _, y in triangle]
    outlines = [
        {"name": "polygon", "all_points_x": xs, "all_points_y": ys},
        {"name": "ellipse", "cx": 9, "cy": 8, "rx": 4, "ry": 3, "theta": 0.3},
        {"name": "rect", "x": 1, "y": 2, "width": 5, "height": 6},
    ]
    drawn = [{"shape_attributes": one, "region_attributes": {"kind": "lake"}} for one in outlines]
    via = {f"{n}.png100": {"filename": f"{n}.png", "size": 100, "regions": drawn} for n in (0, 1)}
    values = [
        {"x": 5, "y": 5, "width": 50, "height": 40, "rotation": 10, "rectanglelabels": ["lake"]},
        {"points": [[1, 1], [90, 5], [50, 80]], "polygonlabels": ["hut"]},
        {"x": 40, "y": 40, "radiusX": 10, "radiusY": 12, "rotation": 0, "ellipselabels": ["sun"]},
    ]
    regions = [{"original_width": wide, "original_height": high, "type": "any", "value": one} for one in values]
    studio = [
        {"id": n, "data": {"image": f"/data/upload/1/0a1b2c3d-{n}.png"}, "annotations": [{"result": regions}]}
        for n in (0, 1)
    ]
    exterior = {"exterior": triangle, "interior": [[[5, 5], [8, 5], [7, 7]]]}
    supervisely = {
        "size": {"width": wide, "height": high},
        "objects": [
            {"classTitle": "lake", "geometryType": "polygon", "points": exterior},
            {"classTitle": "hut", "geometryType": "rectangle", "points": {"exterior": [[0, 0], [9, 9]]}},
        ],
    }
    meta = {"classes": [{"title": "lake", "color": "#0A0B0C"}, {"title": "hut", "color": "#112233"}]}
    cvat = "".join(
        f'<image id="{n}" name="{n}.png" width="{wide}" height="{high}"><box label="lake" xtl="0" ytl="0" xbr="9" '
        'ybr="9" z_order="1"/><polygon label="hut" points="1,1;20,2;10,14" z_order="0"/><ellipse label="sun" cx="5" '
        'cy="5" rx="3" ry="2"/><mask label="lake" rle="3,2,4" left="1" top="1" width="3" height="3"/></image>'
        for n in (0, 1)
    )
    return {
        "labelme": ("labels/0.json", labelme),
        "coco": ("instances.json", coco),
        "via": ("via.json", via),
        "label_studio": ("project.json", studio),
        "supervisely": ("ds0/ann/0.png.json", supervisely),
        "supervisely_meta": ("meta.json", meta),
        "cvat": (
            "annotations.xml",
            f'<?xml version="1.0"?>\n<annotations><version>1.1</version>{cvat}</annotations>',
        ),
    }


def write_annotated_set(folder: Path, name: str, text: bytes) -> None:
    """The set in which the damaged file of a tool lies; what else the tool needs is sound."""
    place, _ = annotations()[name]
    project = name.startswith("supervisely")
    pictures = folder / ("ds0/img" if project else "images")
    pictures.mkdir(parents=True)
    for number in (0, 1):
        (pictures / f"{number}.png").write_bytes(scene(number))
    if project:
        for one in ("supervisely", "supervisely_meta"):
            path, tree = annotations()[one]
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(json.dumps(tree), "utf-8")
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_bytes(text)


@cache
def settings() -> dict[str, bytes]:
    """Complete settings as runs have them."""
    return {
        name: (FIXTURE / "runs" / name / "settings.yaml").read_bytes() for name in ("cyclegan", "pix2pix", "unet")
    }
