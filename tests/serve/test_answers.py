"""What the addresses answer is what the functions of gantool give, in the form that was asked for."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from served import Served, encoded, multipart

import gantool
from gantool.data.sample import draw_scene
from gantool.serve.workers import pictures


@pytest.fixture(scope="module")
def winter(scene: Any) -> Any:
    return gantool.translate(scene, to="winter", model="seasons", device="cpu")


@pytest.fixture(scope="module")
def labels(scene: Any) -> Any:
    return gantool.segment(scene, model="landscape", device="cpu")


def pixels(data: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_a_translation_is_that_of_the_function(server: Served, scene: Any, winter: Any) -> None:
    reply = server.post("/translate?to=winter&model=seasons", encoded(scene), "image/png")
    assert (reply.status, reply.headers["content-type"]) == (200, "image/png")
    assert np.array_equal(pixels(reply.body), winter)


def test_the_model_may_be_left_out_and_the_body_be_multipart(server: Served, scene: Any, winter: Any) -> None:
    reply = server.post("/translate?to=winter", *multipart(encoded(scene)))
    assert np.array_equal(pixels(reply.body), winter)


@pytest.mark.parametrize(
    ("sent", "query", "accept", "type"),
    [
        ("JPEG", "", "*/*", "image/jpeg"),
        ("BMP", "", "*/*", "image/png"),
        ("PNG", "&format=webp", "*/*", "image/webp"),
        ("PNG", "", "image/webp;q=0.5, image/jpeg;q=0.9", "image/jpeg"),
        ("PNG", "", "text/html, application/json;q=0.9, image/*;q=0.1", "application/json"),
        ("PNG", "&as=image", "application/json", "image/png"),
    ],
)
def test_forms_of_a_translation(server: Served, scene: Any, sent: str, query: str, accept: str, type: str) -> None:
    reply = server.post(
        f"/translate?to=winter{query}", encoded(scene, sent), "application/octet-stream", Accept=accept
    )
    assert (reply.status, reply.headers["content-type"]) == (200, type)
    if type != "application/json":
        assert reply.image.size == (96, 64)


def test_a_translation_as_json(server: Served, scene: Any, winter: Any) -> None:
    tree = server.post("/translate?to=winter&as=json", encoded(scene)).tree
    image = tree.pop("image")
    assert tree == {"model": "seasons", "from": "summer", "to": "winter", "width": 96, "height": 64}
    assert image["type"] == "image/png"
    assert np.array_equal(pixels(base64.b64decode(image["base64"])), winter)


def test_a_mask_is_that_of_the_function(server: Served, scene: Any, labels: Any) -> None:
    reply = server.post("/segment", encoded(scene))
    assert reply.headers["content-type"] == "image/png"
    assert np.array_equal(np.asarray(reply.image), labels.mask)
    assert np.array_equal(pixels(reply.body), labels.color())


def test_label_maps_as_images(server: Served, scene: Any, labels: Any) -> None:
    overlay = server.post("/segment?as=overlay", encoded(scene))
    assert np.array_equal(pixels(overlay.body), labels.overlay(scene))
    color = server.post("/segment?as=color", encoded(scene, "JPEG", quality=95))
    assert (color.headers["content-type"], color.image.size) == ("image/png", (96, 64))


def test_label_maps_as_json(server: Served, scene: Any, labels: Any) -> None:
    tree = server.post("/segment?as=json&images=mask,overlay", encoded(scene)).tree
    assert tree["shares"] == labels.shares
    assert next((one["name"], one["color"]) for one in tree["classes"]) == ("sky", "#70ade0")
    assert sum(one["share"] for one in tree["classes"]) == pytest.approx(1)
    assert set(tree["images"]) == {"mask", "overlay"}
    mask = Image.open(io.BytesIO(base64.b64decode(tree["images"]["mask"]["base64"])))
    assert np.array_equal(np.asarray(mask), labels.mask)
    assert "polygons" not in tree


def test_polygons_give_the_label_map_back(server: Served, scene: Any, labels: Any) -> None:
    tree = server.post("/segment?as=polygons", encoded(scene)).tree
    painted = Image.new("L", (96, 64), 255)
    draw = ImageDraw.Draw(painted)
    for one in tree["polygons"]:
        points = [(x - 0.5, y - 0.5) for x, y in one["points"]]
        index = labels.classes.index(one["label"])
        draw.polygon([(round(x), round(y)) for x, y in points], fill=index, outline=index)
    assert (np.asarray(painted) == labels.mask).mean() > 0.97  # corners are rounded here, unlike by `prepare`


def test_nothing_of_who_took_a_picture_comes_back(server: Served, scene: Any) -> None:
    image = Image.fromarray(scene)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    exif[0x010F], exif[0x013B] = "SecretCamera", "SecretArtist"
    exif.get_ifd(0x8825)[2] = (47.0, 30.0, 12.0)
    exif.get_ifd(0x8769)[0xA431] = "SecretSerial"
    sent = encoded(image, "JPEG", exif=exif.tobytes(), comment=b"SecretComment", quality=95)
    assert sent.count(b"Secret") == 4
    for path in ("/translate?to=winter", "/translate?to=winter&format=png", "/segment?as=overlay", "/segment"):
        reply = server.post(path, sent)
        assert reply.image.size == (64, 96)  # turned upright
        assert not reply.image.getexif() and b"Exif" not in reply.body and b"Secret" not in reply.body


def test_transparency_and_profile_are_kept(server: Served, scene: Any) -> None:
    from PIL import ImageCms

    alpha = np.linspace(0, 255, 64 * 96).astype(np.uint8).reshape(64, 96)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    sent = encoded(np.dstack([scene, alpha]), icc_profile=profile)
    reply = server.post("/translate?to=winter", sent)
    assert np.array_equal(np.asarray(reply.image.getchannel("A")), alpha)
    assert reply.image.info["icc_profile"] == profile
    assert server.post("/translate?to=winter&format=jpg", sent).image.mode == "RGB"


def test_a_side_that_a_format_has_no_room_for_makes_a_png() -> None:
    made = pictures.encoded(np.full((1, 17_000, 3), 200, np.uint8), "webp")  # which holds 16,383
    assert (made.type, Image.open(io.BytesIO(made.data)).size) == ("image/png", (17_000, 1))


def test_the_smallest_picture(server: Served) -> None:
    one = encoded(np.full((1, 1, 3), 200, dtype=np.uint8))
    assert server.post("/translate?to=winter", one).image.size == (1, 1)
    assert server.post("/segment", one).image.size == (1, 1)


def test_a_batch_is_a_zip_in_order(server: Served, scene: Any, winter: Any) -> None:
    other = draw_scene(5, size=(80, 64)).summer
    body, type = multipart(encoded(scene), b"no image", encoded(other), name="../../etc/pass\\wd.jpg")
    reply = server.post("/batch/translate?to=winter", body, type)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(reply.body)) as file:
        assert file.testzip() is None
        assert file.namelist() == ["0001.winter.png", "0003.winter.png", "results.json"]
        assert np.array_equal(pixels(file.read("0001.winter.png")), winter)
        assert Image.open(io.BytesIO(file.read("0003.winter.png"))).size == (80, 64)
        first, second, third = json.loads(file.read("results.json"))["images"]
    assert first == {"image": 1, "status": 200, "file": "0001.winter.png"}
    assert (second["status"], "no image" in second["error"]) == (415, True)
    assert third["image"] == 3


def test_a_batch_of_label_maps(server: Served, scene: Any, labels: Any) -> None:
    reply = server.post("/batch/segment?as=json", *multipart(encoded(scene), encoded(scene)))
    with zipfile.ZipFile(io.BytesIO(reply.body)) as file:
        assert file.namelist() == ["0001.json", "0002.json", "results.json"]
        assert json.loads(file.read("0002.json"))["shares"] == labels.shares
        assert json.loads(file.read("results.json"))["images"][0]["shares"] == labels.shares


def test_what_is_told_of_the_models(server: Served) -> None:
    models = {one["name"]: one for one in server.get("/models").tree["models"]}
    assert set(models) == {"landscape", "seasons"}
    assert {"from": "summer", "to": "winter"} in models["seasons"]["translates"]
    assert models["seasons"]["segments"] is False
    assert [one["name"] for one in models["landscape"]["classes"]] == ["sky", "mountain", "tree", "ground", "water"]
    assert b"/" not in server.get("/models").body  # no path of this machine


def test_pages_load_nothing_from_elsewhere(server: Served) -> None:
    for path in ("/", "/docs", "/static/app.js", "/static/style.css", "/static/icon.svg"):
        reply = server.get(path)
        assert reply.status == 200
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        names = set(re.findall(rb"https?://[^\s\"'<>)]+", reply.body))
        assert names <= {b"http://www.w3.org/2000/svg"}, path  # of a namespace, which nobody loads
        assert not re.search(rb"<script>|<style>| style=| on[a-z]+=", reply.body), path
    assert server.get("/static/scene.jpg").image.size == (960, 640)


def test_the_document_lists_every_address_with_what_it_takes(server: Served) -> None:
    tree = server.get("/openapi.json").tree
    assert tree["openapi"].startswith("3.1")
    page = server.get("/docs").body.decode()
    for path, methods in tree["paths"].items():
        assert f"<code>{path}</code>" in page
        for method, about in methods.items():
            answer = server.ask(method.upper(), path, b"", "")
            assert answer.status != 404 or "to=" in answer.tree["error"], path
            known = [one["name"] for one in about.get("parameters", ())]
            if method == "post":
                wrong = server.post(f"{path}?nonsense=1", b"x")
                assert wrong.status == 400 and all(name in wrong.tree["error"] for name in known)


def test_metrics_count_what_was_asked(server: Served, scene: Any) -> None:
    def counted() -> dict[str, float]:
        lines = server.get("/metrics").body.decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}

    before = counted()
    server.post("/segment", encoded(scene))
    server.post("/segment", b"none")
    server.get("/no/such/address")
    after = counted()

    def more(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert more('gantool_requests_total{path="/segment",status="200"}') == 1
    assert more('gantool_requests_total{path="/segment",status="415"}') == 1
    assert more('gantool_requests_total{path="other",status="404"}') == 1
    assert more("gantool_images_total") == 1
    assert more("gantool_pixels_total") == 96 * 64
    assert more('gantool_request_seconds_count{path="/segment"}') == 2
    assert (
        after['gantool_request_seconds_bucket{path="/segment",le="+Inf"}']
        == after['gantool_request_seconds_count{path="/segment"}']
    )
    assert (after["gantool_workers"], after["gantool_requests_waiting"], after["gantool_body_bytes"]) == (1, 0, 0)
