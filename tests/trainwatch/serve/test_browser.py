"""The page in a real browser: keys, drags and sizes get through, and what is drawn is seen.

Needs Chromium, as `chromium` or as the path in $CHROMIUM; speaks its DevTools protocol, so that nothing else is needed.
"""

import asyncio
import base64
import itertools
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, ClientWebSocketResponse

from tests.conftest import eventually
from tests.trainwatch.serve.conftest import Served

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: put it on PATH or its path into $CHROMIUM"),
]
# The terminal draws on a canvas: its text is read where it keeps it for screen readers and selections.
ROWS = """(() => { const t = window.__terminal.buffer.active; let rows = [];
  for (let y = 0; y < window.__terminal.rows; y++) rows.push(t.getLine(t.viewportY + y)?.translateToString(true) ?? "");
  return rows.join("\\n"); })()"""
KEEP = """Object.defineProperty(Object.prototype, "fitAddon", { configurable: true, set(addon) {
  Object.defineProperty(this, "fitAddon", { value: addon, writable: true });
  window.__terminal = this.terminal; } });"""


class Browser:
    """A page in Chromium."""

    def __init__(self, opened: ClientWebSocketResponse) -> None:
        self._opened = opened
        self._ids = itertools.count(1)
        self.requests: list[str] = []
        self.faults: list[str] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._opened.send_json({"id": number, "method": method, "params": params})
        while True:
            message = await self._opened.receive_json(timeout=30)
            if message.get("id") == number:
                assert "error" not in message, message
                return dict(message["result"])
            match message.get("method"):
                case "Network.requestWillBeSent":
                    self.requests.append(message["params"]["request"]["url"])
                case "Runtime.exceptionThrown" | "Network.loadingFailed":
                    self.faults.append(str(message["params"]))

    async def open(self, url: str) -> None:
        for domain in ("Page", "Runtime", "Network"):
            await self.call(f"{domain}.enable")
        await self.call("Page.addScriptToEvaluateOnNewDocument", source=KEEP)
        await self.call("Page.navigate", url=url)

    async def value(self, expression: str) -> Any:
        result = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True)
        return result["result"].get("value")

    async def until(self, condition: str) -> None:
        """Until an expression of the page is true."""
        async with asyncio.timeout(30):
            while not await self.value(condition):
                await self.value("new Promise(done => setTimeout(done, 50))")

    async def shows(self, text: str) -> str:
        """Until the terminal shows a text; all that it shows then."""
        await self.until(f"window.__terminal && {ROWS}.includes({text!r})")
        return str(await self.value(ROWS))

    async def key(self, character: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": character} if kind == "keyDown" else {}
            await self.call("Input.dispatchKeyEvent", type=kind, key=character, windowsVirtualKeyCode=code, **text)

    async def mouse(self, kind: str, x: int, y: int) -> None:
        await self.call(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left",
            buttons=0 if kind == "mouseReleased" else 1, clickCount=1,
        )  # fmt: skip

    async def picture(self) -> bytes:
        return base64.b64decode((await self.call("Page.captureScreenshot"))["data"])


@pytest_asyncio.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    log = tmp_path / "chromium.log"
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--remote-debugging-port=0", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,860",
            "about:blank", stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
        )  # fmt: skip
    try:
        mark = "DevTools listening on ws://"
        await asyncio.to_thread(eventually, lambda: mark in log.read_text("utf-8", "replace"), 30.0)
        place = log.read_text("utf-8", "replace").partition(mark)[2].partition("/")[0]
        async with ClientSession() as client:
            async with client.get(f"http://{place}/json/list") as answer:
                page = next(each for each in await answer.json() if each["type"] == "page")
            async with client.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as opened:
                yield Browser(opened)
    finally:
        process.terminate()
        await process.wait()


async def test_keys_drags_and_sizes(served: Served, browser: Browser, tmp_path: Path) -> None:
    url = await asyncio.to_thread(eventually, lambda: served.url, 30.0)
    await browser.open(url)
    assert "1-one" in await browser.shows("2 runs")
    await browser.key("\r", 13)
    assert any("⠁" <= character <= "⣿" for character in await browser.shows("20 steps"))
    await browser.mouse("mousePressed", 300, 150)
    await browser.mouse("mouseMoved", 400, 150)
    await browser.mouse("mouseMoved", 500, 160)
    assert "┃" in await browser.shows("release to see it alone")
    await asyncio.to_thread((tmp_path / "dragged.png").write_bytes, await browser.picture())
    await browser.mouse("mouseReleased", 500, 160)
    await browser.until(f"!{ROWS}.includes('release to')")
    await browser.call("Emulation.setDeviceMetricsOverride", width=900, height=600, deviceScaleFactor=1, mobile=False)
    await browser.until("window.__terminal.cols < 120")
    await browser.shows("20 steps")
    await browser.key("q", 81)
    await browser.until("document.body.classList.contains('-closed')")
    assert browser.faults == []
    assert all(request.startswith(url.partition("?")[0]) for request in browser.requests), browser.requests


async def test_without_the_token_a_page_shows_nothing(served: Served, browser: Browser) -> None:
    url = await asyncio.to_thread(eventually, lambda: served.url, 30.0)
    await browser.open(url.partition("?")[0])
    await browser.until("document.body?.innerText.includes('403')")
