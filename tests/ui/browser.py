"""A headless Chromium through chromedriver's W3C WebDriver protocol: enough for what the check does."""

from __future__ import annotations

import asyncio
import base64
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from battcrm.infra.embedded.process import free_port
from battcrm.infra.http import AioHttp
from battcrm.kit.errors import BattError, Invalid, Permanent
from battcrm.kit.text import loads

_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
KEYS: Final = {"tab": "\ue004", "enter": "\ue007", "escape": "\ue00c"}


@dataclass(frozen=True, slots=True)
class Browser:
    """One window."""

    http: AioHttp
    session_url: str

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One WebDriver command; Permanent with the driver's words when it fails."""
        answer = await self.http.request(
            method, f"{self.session_url}{path}", json=body if method == "POST" else None, timeout=30.0
        )
        value = loads(answer.body)["value"]
        if answer.status >= 400:
            raise Permanent(f"{path}: {value.get('error')}: {str(value.get('message'))[:300]}", code="webdriver")
        return value

    async def open(self, url: str) -> None:
        """Load a page."""
        await self.call("POST", "/url", {"url": url})

    async def resize(self, width: int, height: int) -> None:
        """Set the size of the page itself, which headless windows cannot take below 500 px otherwise."""
        await self.command(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    async def command(self, name: str, parameters: dict[str, Any]) -> Any:
        """A DevTools command."""
        return await self.call("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    async def script(self, source: str) -> Any:
        """Run a function body in the page and return its value."""
        return await self.call("POST", "/execute/sync", {"script": source, "args": []})

    async def type(self, text: str) -> None:
        """Press keys one after another on whatever has the focus: nothing is clicked."""
        actions = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        await self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    async def until(self, source: str, *, seconds: float = 15.0, what: str = "") -> Any:
        """Wait until a function body returns something true, and return it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while loop.time() < deadline:
            value = await self.script(source)
            if value:
                return value
            await asyncio.sleep(0.1)
        raise Permanent(f"not seen within {seconds} s: {what or source}", code="ui")

    async def screenshot(self, path: Path) -> None:
        """Save what is shown as PNG."""
        picture = base64.b64decode(await self.call("GET", "/screenshot"))
        await asyncio.to_thread(path.write_bytes, picture)

    async def console_errors(self) -> list[str]:
        """Errors the page has logged since the last call."""
        entries = await self.call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start chromedriver and a window; both end with the block. Invalid says how to install what is missing."""
    driver, binary = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
    if driver is None or binary is None:
        raise Invalid(
            "Chromium and its driver are needed", field="chromium", remedy="apt-get install chromium chromium-driver"
        )
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        driver, f"--port={port}", "--log-level=OFF", stdout=asyncio.subprocess.DEVNULL
    )
    profile = tempfile.mkdtemp(prefix="battcrm-ui-")
    try:
        async with AioHttp(allow_private=True) as http:
            base = f"http://127.0.0.1:{port}"
            await _answering(http, base)
            options = {"binary": binary, "args": [*_FLAGS, f"--user-data-dir={profile}"]}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            answer = await http.request(
                "POST", f"{base}/session", json={"capabilities": {"alwaysMatch": wanted}}, timeout=60.0
            )
            value = loads(answer.body)["value"]
            if answer.status >= 400:
                raise Permanent(f"Chromium did not start: {str(value.get('message'))[:300]}", code="webdriver")
            browser = Browser(http, f"{base}/session/{value['sessionId']}")
            try:
                yield browser
            finally:
                await browser.call("DELETE", "")
    finally:
        process.terminate()
        await process.wait()
        await asyncio.to_thread(shutil.rmtree, profile, ignore_errors=True)


async def _answering(http: AioHttp, base: str) -> None:
    for _ in range(100):
        try:
            await http.request("GET", f"{base}/status", timeout=2.0, idempotent=True)
        except BattError:
            await asyncio.sleep(0.1)
        else:
            return
    raise Permanent("chromedriver does not answer", code="webdriver")
