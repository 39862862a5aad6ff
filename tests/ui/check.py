"""`make ui-check`: a visitor asks by keyboard alone and gets the answer, on a phone and on a desk, without errors.

Screenshots are written to build/ui/ for a person to look at.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from battcrm.devkit.demo.world import world
from battcrm.infra import embedded
from battcrm.infra.telemetry import configure_logging
from battcrm.kit.errors import BattError
from battcrm.settings import load_settings
from tests.ui.browser import KEYS, Browser, chromium

SIZES: Final = ((360, 740), (1280, 800))
QUESTION: Final = "сколько стоит поменять экран на айфон 13?"
_ANSWERED: Final = """
const items = [...document.querySelectorAll('#log li')].map(item => item.innerText);
return items.some(text => text.includes('₽')) ? items : null;
"""
_FOCUS: Final = "return document.activeElement && document.activeElement.id"
_WIDER: Final = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"


async def _visit(browser: Browser, url: str, width: int, height: int, folder: Path) -> list[str]:
    """One visitor at one size; what was wrong."""
    wrong: list[str] = []
    await browser.resize(width, height)
    await browser.open(url)
    await browser.until("return document.readyState === 'complete'", what="the page")
    await browser.script("localStorage.clear(); location.reload()")
    await browser.until("return document.querySelector('#field') && document.readyState === 'complete'")
    await browser.screenshot(folder / f"chat-{width}-empty.png")
    if not await _tab_to(browser, "field"):
        wrong.append(f"{width} px: the field cannot be reached with Tab")
    await browser.type(QUESTION + KEYS["enter"])
    items = await browser.until(_ANSWERED, what="a priced answer")
    shown = [place for place, item in enumerate(items) if QUESTION in item or "₽" in item]
    if len(shown) < 2 or QUESTION not in items[shown[0]]:
        wrong.append(f"{width} px: the question does not stand before its answer: {items!r}")
    if await browser.script(_WIDER):
        wrong.append(f"{width} px: the page scrolls sideways")
    await browser.screenshot(folder / f"chat-{width}-answered.png")
    await browser.open(url)
    await browser.until(_ANSWERED, what="the dialogue after a reload")
    wrong += [f"{width} px: console: {error}" for error in await browser.console_errors()]
    return wrong


async def _tab_to(browser: Browser, wanted: str) -> bool:
    for _ in range(12):
        if await browser.script(_FOCUS) == wanted:
            return True
        await browser.type(KEYS["tab"])
    return False


async def _check(folder: Path) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="battcrm-ui-home-") as name:
        home = Path(name)
        settings = load_settings(BATTCRM_HOME=str(home), BATTCRM_GATEWAY_PORT="18099")
        servers = await embedded.start(home)
        try:
            async with world(settings, lambda *_: None) as opened, chromium() as browser:
                found: list[str] = []
                for width, height in SIZES:
                    found += await _visit(browser, opened.chat_url, width, height, folder)
                return found
        finally:
            await servers.stop()


def main() -> int:
    """0 when all is well; otherwise 1 and a line for each thing that is wrong."""
    configure_logging("warning", "text", "ui-check")
    folder = Path("build/ui")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        wrong = asyncio.run(_check(folder))
    except BattError as error:
        wrong = [f"{error.text} ({getattr(error, 'remedy', '')})"]
    for line in wrong:
        sys.stderr.write(line + "\n")
    sys.stdout.write(f"ui-check: {'wrong' if wrong else 'all right'}; screenshots in {folder}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
