"""The page in a browser without a window: a real file dropped, the keyboard, axe's rules, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import CHROMIUM, Browser
from PIL import Image
from served import TOKEN, Served, encoded, start

import gantool
from gantool.data.sample import draw_scene

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")

DONE = "!document.querySelector('#result').hidden && document.querySelector('#busy').hidden"
READY = "document.querySelector('#model').options.length > 0"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "my lake.png"
    path.write_bytes(encoded(draw_scene(4, size=(300, 200)).summer))
    return path


def shown(browser: Browser, element: str) -> Any:
    """The pixels of what an image shows, or a link leads to."""
    # The page's policy lets no one fetch such an address, but show it.
    width, height, levels = browser.do(f"""
        (async (element) => {{
          const image = new Image();
          image.src = element.src || element.href;
          await image.decode();
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
          const context = canvas.getContext("2d");
          context.drawImage(image, 0, 0);
          return [canvas.width, canvas.height, [...context.getImageData(0, 0, canvas.width, canvas.height).data]];
        }})(document.querySelector("{element}"))""")
    return np.array(levels, dtype=np.uint8).reshape(height, width, 4)[:, :, :3]


def serious(browser: Browser) -> list[str]:
    """What axe finds that is serious or critical."""
    axe = pytest.importorskip("axe_core_python", reason="axe's rules are not here")
    browser.do((Path(axe.__file__).parent / "axe.min.js").read_text("utf-8") + "; 0")
    found = browser.do(
        "axe.run().then(r => r.violations.map(v => [v.impact, v.id, v.nodes.map(n => n.html).join()]))"
    )
    return [f"{rule}: {where}" for impact, rule, where in found if impact in ("serious", "critical")]


def choose_model(browser: Browser, name: str) -> None:
    browser.do(
        f"(m => {{ m.value = '{name}'; m.dispatchEvent(new Event('change')) }})(document.querySelector('#model'))"
    )


def test_a_file_that_is_dropped_is_translated_and_segmented(browser: Browser, server: Served, photo: Path) -> None:
    browser.seen.clear()
    browser.size(1200, 860)
    browser.open(server.address)
    browser.wait(READY)
    browser.drop(photo, 600, 400)
    browser.wait(DONE)
    pixels = np.asarray(Image.open(photo))
    winter = gantool.translate(pixels, to="winter", model="seasons", device="cpu")
    assert np.array_equal(shown(browser, "#after"), winter)
    assert np.array_equal(shown(browser, "#before"), pixels)
    assert browser.do("document.querySelector('#download').download") == "my lake.winter.png"
    assert browser.do("document.querySelector('#status').textContent") == "Done: the picture in winter."

    browser.do("document.querySelector('input[value=\"to:summer\"]').click()")
    browser.wait(DONE + " && document.querySelector('#download').download.includes('summer')")
    summer = gantool.translate(pixels, to="summer", model="seasons", device="cpu")
    assert np.array_equal(shown(browser, "#download"), summer)

    choose_model(browser, "landscape")
    browser.wait(DONE + " && !document.querySelector('#legend').hidden")
    labels = gantool.segment(pixels, model="landscape", device="cpu")
    assert np.array_equal(shown(browser, "#after"), labels.overlay(pixels))
    rows = browser.do(
        "[...document.querySelectorAll('#shares tr')].map(r => r.innerText.trim().split(/\\s*\\t\\s*|\\n+/))"
    )
    wanted = sorted(labels.shares.items(), key=lambda pair: -pair[1])
    assert [[name, share] for name, share in rows] == [[name, f"{100 * share:.1f} %"] for name, share in wanted]
    browser.do("document.querySelector('input[value=\"view:color\"]').click()")
    browser.wait("document.querySelector('#download').download.includes('color')")
    assert np.array_equal(shown(browser, "#after"), labels.color())
    assert np.array_equal(shown(browser, "#download-mask"), labels.color())

    assert serious(browser) == []
    assert browser.hosts() == {server.address[:-1]}
    assert browser.complaints() == []


def test_the_slider_works_by_keyboard_and_pointer(browser: Browser, server: Served, photo: Path) -> None:
    browser.open(server.address)
    browser.wait(READY)
    browser.choose(photo, "#file")
    browser.wait(DONE)
    at = "document.querySelector('#compare').style.getPropertyValue('--at')"
    browser.do("document.querySelector('#slider').focus()")
    browser.key("ArrowRight", 39)
    assert browser.do(at) == "51%"
    browser.key("Home", 36)
    assert browser.do(at) == "0%"
    assert browser.do("document.querySelector('#slider').getAttribute('aria-valuetext')") == "0 percent as it came"
    box = browser.do(
        "(b => [b.left, b.top, b.width, b.height])(document.querySelector('#compare').getBoundingClientRect())"
    )
    for kind, share in (("mousePressed", 0.5), ("mouseMoved", 0.75), ("mouseReleased", 0.75)):
        browser.call(
            "Input.dispatchMouseEvent", type=kind, x=box[0] + share * box[2], y=box[1] + box[3] / 2, button="left",
            buttons=1, clickCount=1,
        )  # fmt: skip
    assert abs(float(browser.do(at).rstrip("%")) - 75) < 1
    # With Tab everything is reached, and nothing holds the focus.
    browser.do("document.activeElement.blur()")
    reached = []
    for _ in range(12):
        browser.key("Tab", 9)
        reached.append(browser.do("document.activeElement.id || document.activeElement.textContent.trim()"))
    assert {"model", "slider", "download", "Another picture"} <= set(reached)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_is_found_by_axe(browser: Browser, server: Served, photo: Path, scheme: str) -> None:
    browser.scheme(scheme)
    browser.size(390, 800, phone=True)
    browser.open(server.address)
    browser.wait(READY)
    assert serious(browser) == []
    browser.choose(photo, "#file")
    browser.wait(DONE)
    choose_model(browser, "landscape")
    browser.wait(DONE + " && !document.querySelector('#legend').hidden")
    assert serious(browser) == []
    assert browser.do("document.documentElement.scrollWidth") == 390  # nothing sticks out
    browser.open(server.address + "docs")
    assert serious(browser) == []
    browser.size(1200, 860)


def test_what_fails_is_told(browser: Browser, server: Served, photo: Path, tmp_path: Path) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("no picture")
    large = tmp_path / "large.png"
    large.write_bytes(encoded(np.zeros((1100, 1100, 3), np.uint8)))
    browser.open(server.address)
    browser.wait(READY)
    for file, words in ((text, "no image in a format"), (large, "1100x1100 pixels")):
        browser.drop(file, 600, 400)
        browser.wait(f"document.querySelector('#error').textContent.includes('{words}')")
        assert not browser.do("document.querySelector('#error').hidden")
        assert browser.do("document.querySelector('#result').hidden")
    assert serious(browser) == []
    browser.drop(photo, 600, 400)
    browser.wait(DONE)
    assert browser.do("document.querySelector('#error').hidden")


def test_a_drawn_scene_and_a_picture_that_is_pasted(browser: Browser, server: Served) -> None:
    browser.open(server.address)
    browser.wait(READY)
    browser.do("document.querySelector('[data-do=scene]').click()")
    browser.wait(DONE + " && document.querySelector('#after').naturalWidth === 960")
    assert browser.do("document.querySelector('#download').download") == "scene.winter.jpg"
    browser.do("""
        (async () => {
          const blob = await (await fetch("static/scene.jpg")).blob();
          const data = new DataTransfer();
          data.items.add(new File([blob], "image.png", { type: "image/jpeg" }));
          dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, cancelable: true }));
        })()""")
    browser.wait(DONE + " && document.querySelector('#download').download === 'pasted.winter.jpg'")


@pytest.mark.slow
def test_the_page_asks_for_the_token(browser: Browser, photo: Path, tmp_path: Path) -> None:
    served = start(tmp_path / "log", "--workers", "1", GANTOOL_TOKEN=TOKEN)
    try:
        browser.open(served.address)
        browser.wait("!document.querySelector('#token-form').hidden")
        assert serious(browser) == []

        def enter(token: str) -> None:
            browser.do(f"document.querySelector('#token').value = '{token}'")
            browser.do("document.querySelector('#token-form button').click()")

        enter("something else entirely")
        browser.wait("document.querySelector('#error').textContent === 'That is not the token.'")
        enter(TOKEN)
        browser.wait(READY)
        assert browser.do("document.querySelector('#token-form').hidden")
        browser.drop(photo, 600, 400)
        browser.wait(DONE)
    finally:
        served.stop()
