"""`battcrm top` during a bench, as a picture: `python -m tools.top_picture OUT.svg [RATE]`."""

from __future__ import annotations

import asyncio
import io
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import orjson
from rich.console import Console
from rich.terminal_theme import MONOKAI

from battcrm.cli.top_screen import draw
from battcrm.devkit.bench import plan
from battcrm.devkit.bench.seed import SECRET
from battcrm.devkit.bench.world import Bench, Shape, start_role, world
from battcrm.infra.embedded.process import free_port
from battcrm.infra.http import AioHttp
from battcrm.infra.postgres import open_pool
from battcrm.kit.clock import SystemClock
from battcrm.services.top import Screen, Top

ROLES: Final = ("processor", "ai-worker", "out-worker", "relay", "event-processor", "caretaker")


async def capture(rate: float, folder: Path) -> Screen:
    """A screen over five seconds in the middle of a load."""
    async with world(Shape(tenants=200), folder) as bench:
        addresses = await _apart(bench, folder)
        pool = await open_pool(bench.servers.postgres_url, maximum=2, name="top-picture")
        try:
            async with AioHttp(allow_private=True) as http:
                top = Top(pool, SystemClock(), http, addresses, tenants=5)
                async with asyncio.timeout(120):
                    while len((await top.look()).scrapes) < len(addresses):  # noqa: ASYNC110 - other processes' doing
                        await asyncio.sleep(0.5)
                await asyncio.sleep(8.0)
                generator = await _generate(bench, rate, folder)
                await asyncio.sleep(10.0)
                before = await top.look()
                await asyncio.sleep(5.0)
                screen = await top.screen(before, await top.look())
                await generator.wait()
                return screen
        finally:
            await pool.close()


async def _apart(bench: Bench, folder: Path) -> list[str]:
    """Each role in its own process with its own metrics; their addresses, the gateway's first."""
    worker = bench.processes.pop("worker")
    worker.terminate()
    await worker.wait()
    addresses = [f"{bench.gateway_url}/metrics"]
    for role in ROLES:
        port = free_port()
        addresses.append(f"http://127.0.0.1:{port}/metrics")
        environment = bench.environment | {"BATTCRM_METRICS_PORT": str(port)}
        await start_role(role, role, environment, bench.processes, folder)
    return addresses


async def _generate(bench: Bench, rate: float, folder: Path) -> asyncio.subprocess.Process:
    plan.save(plan.make_plan(rate, 20.0, tenants=200, seed=3, model_share=0.3), folder / "plan.json")
    (folder / "hooks.json").write_bytes(orjson.dumps([(shop.hook, SECRET) for shop in bench.shops]))
    files = [str(folder / name) for name in ("plan.json", "hooks.json", "sent.json")]
    start = repr(time.monotonic() + 3.0)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "battcrm.devkit.bench.generator", *files[:2], bench.gateway_url, start, files[2]
    )


def main() -> None:
    """Capture and write."""
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 170.0
    with tempfile.TemporaryDirectory(prefix="battcrm-top-") as folder:
        screen = asyncio.run(capture(rate, Path(folder)))
    console = Console(record=True, width=130, file=io.StringIO(), force_terminal=True)
    console.print(draw(screen))
    svg = console.export_svg(title="battcrm top", theme=MONOKAI)
    # A page of ours loads nothing from elsewhere: the reader's own monospaced font does.
    Path(sys.argv[1]).write_text(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
