"""A headless Chromium that is told what to do over the two pipes of its DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

__all__ = ["CHROMIUM", "Browser"]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

_PATIENCE = 20.0  # seconds for what a page has to come to


class Browser:
    """One page. Only addresses of this machine are reached: all other names lead nowhere."""

    def __init__(self, home: Path) -> None:
        assert CHROMIUM is not None
        down, self._down = os.pipe()
        self._up, up = os.pipe()
        # The protocol's pipes have the numbers 3 and 4 in the browser, which may be taken here.
        high = [os.dup2(down, 250), os.dup2(up, 251)]
        os.close(down)
        os.close(up)

        def place() -> None:
            os.dup2(250, 3)
            os.dup2(251, 4)

        self._process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking",
             "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={home}", "about:blank"],
            preexec_fn=place, pass_fds=(3, 4), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for number in high:
            os.close(number)
        self._pending = b""
        self._count = 0
        self._session = ""
        self.seen: list[dict[str, Any]] = []
        """Events that have come, such as requests and messages of the console."""
        pages = self.call("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in pages if one["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol, and its result."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._down, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.seen.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._pending:
            part = os.read(self._up, 2**16)
            assert part, "the browser is gone"
            self._pending += part
        text, _, self._pending = self._pending.partition(b"\0")
        return json.loads(text)

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def do(self, script: str) -> Any:
        """The value of an expression in the page; a promise's is waited for."""
        # Evaluated by the protocol itself, so the page's own policy does not stand in the way.
        made = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in made, made["exceptionDetails"]
        return made["result"].get("value")

    def wait(self, condition: str) -> None:
        end = time.monotonic() + _PATIENCE
        while not self.do(condition):
            assert time.monotonic() < end, f"not so after {_PATIENCE:g} s: {condition}"
            time.sleep(0.05)

    def drop(self, file: Path, x: int, y: int) -> None:
        """Drag a file of the disk over the page and let it go, as a person would."""
        data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def choose(self, file: Path, selector: str) -> None:
        """Give a file to an input, as its dialog would."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def key(self, name: str, code: int = 0) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)

    def scheme(self, name: str) -> None:
        """``light`` or ``dark``."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self, *, whole: bool = False) -> bytes:
        """The page as PNG; ``whole`` with what is below the window."""
        made = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(made["data"])

    def hosts(self) -> set[str]:
        """What the page asked of the network, as scheme and host."""
        asked = [one["params"]["request"]["url"] for one in self.seen if one["method"] == "Network.requestWillBeSent"]
        return {"/".join(url.split("/")[:3]) for url in asked if not url.startswith(("data:", "blob:"))}

    def complaints(self) -> list[str]:
        """What stands in the console as an error, and exceptions of scripts."""
        self.do("1")  # takes in what has come
        logged = [one["params"]["entry"] for one in self.seen if one["method"] == "Log.entryAdded"]
        thrown = [str(one["params"]) for one in self.seen if one["method"] == "Runtime.exceptionThrown"]
        return [one["text"] for one in logged if one["level"] == "error"] + thrown

    def close(self) -> None:
        os.close(self._down)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._up)
