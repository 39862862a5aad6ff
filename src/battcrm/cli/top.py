"""`battcrm top`: what the system is doing right now."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.live import Live

from battcrm.cli import stores
from battcrm.cli.top_screen import draw
from battcrm.infra.http import AioHttp
from battcrm.kit.clock import SystemClock
from battcrm.services.top import Screen, Top
from battcrm.settings import Settings, load_settings


def top(
    once: Annotated[bool, typer.Option("--once", help="Show one screen and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and end.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.2)] = 2.0,
    tenants: Annotated[int, typer.Option(help="Busiest tenants to show.", min=0)] = 10,
    metrics: Annotated[
        list[str] | None, typer.Option(help="Address of a process's /metrics; repeat it for each process.")
    ] = None,
) -> None:
    """Watch rates, queues, the age of what waits, errors, model cost, processes and the busiest tenants. Ctrl-C ends."""
    settings = load_settings()
    addresses = metrics or _addresses(settings)
    try:
        asyncio.run(_watch(settings, addresses, every, tenants, once=once, as_json=as_json))
    except KeyboardInterrupt:
        return


def _addresses(settings: Settings) -> list[str]:
    """The processes that this environment's own ports name."""
    found = [f"http://{settings.gateway_host}:{settings.gateway_port}/metrics"]
    if settings.metrics_port:
        found.append(f"http://{settings.metrics_host}:{settings.metrics_port}/metrics")
    return found


async def _watch(
    settings: Settings, addresses: list[str], every: float, tenants: int, *, once: bool, as_json: bool
) -> None:
    clock = SystemClock()
    async with stores.database(settings, clock) as pool, AioHttp(allow_private=True) as http:
        seen = Top(pool, clock, http, addresses, tenants=tenants)
        before = await seen.look()
        if once or as_json:
            await clock.sleep(every)
            screen = await seen.screen(before, await seen.look())
            if as_json:
                sys.stdout.write(orjson.dumps(document(screen)).decode() + "\n")
            else:
                Console().print(draw(screen))
            return
        with Live(console=Console(), screen=True, auto_refresh=False) as live:
            while True:
                await clock.sleep(every)
                after = await seen.look()
                live.update(draw(await seen.screen(before, after)), refresh=True)
                before = after


def document(screen: Screen) -> dict[str, Any]:
    """The screen for machines."""
    return dataclasses.asdict(screen)
