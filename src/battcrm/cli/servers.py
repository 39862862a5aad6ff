"""`battcrm up`, `down` and `status`: the local servers of this installation."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from battcrm.infra import embedded
from battcrm.settings import Settings, load_settings

_VARIABLES = {"postgres": "DATABASE_URL", "redis": "REDIS_URL", "graph": "NEO4J_URL"}


def up(
    foreground: Annotated[bool, typer.Option(help="Stay, and stop the servers at the end.")] = False,
) -> None:
    """Start the local servers that no URL in the environment replaces; done when all of them answer."""
    settings = load_settings()
    console = Console(stderr=True)
    for name in sorted(embedded.ALL - settings.embedded):
        console.print(f"{name}: {_VARIABLES[name]} is set, nothing to start")
    asyncio.run(_up(settings, console, foreground=foreground))


def down() -> None:
    """Stop the local servers; what they acknowledged stays on disk."""
    settings = load_settings()
    stopped = asyncio.run(embedded.stop(settings.home))
    Console(stderr=True).print(f"stopped: {', '.join(sorted(stopped))}" if stopped else "nothing was running")


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show the local servers. Exit 1 when one that is needed does not answer."""
    settings = load_settings()
    rows = [_row(state, settings) for state in asyncio.run(embedded.status(settings.home))]
    if as_json:
        typer.echo(json.dumps({"home": str(settings.home.resolve()), "servers": rows}))
    else:
        _print(rows)
    if any(row["source"] == "embedded" and row["problem"] for row in rows):
        raise typer.Exit(1)


async def _up(settings: Settings, console: Console, *, foreground: bool) -> None:
    running = await embedded.start(
        settings.home,
        which=settings.embedded,
        detached=not foreground,
        on_progress=lambda name, state: console.print(f"{name}: {state}", highlight=False),
    )
    await _ready_to_use(running, settings, console)
    if not foreground:
        return
    console.print("press Ctrl-C to stop")
    try:
        await _interrupted()
    finally:
        await running.stop()


async def _ready_to_use(running: embedded.Running, settings: Settings, console: Console) -> None:
    """A local installation has its key and its schema without being asked for them."""
    from battcrm.workers.local_keys import local_key

    if not settings.encryption_keys:
        local_key(settings.home)
    if running.postgres_url:
        from battcrm.cli.migrate import prepare

        await prepare(running.postgres_url)
        console.print("postgres: the schema is current", highlight=False)


async def _interrupted() -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()


def _row(state: embedded.ServerStatus, settings: Settings) -> dict[str, Any]:
    """A server that a URL replaces is not needed here, whether it runs or not."""
    return {**asdict(state), "source": "embedded" if state.name in settings.embedded else _VARIABLES[state.name]}


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table("server", "source", "state", "port", "pid", "version")
    for row in rows:
        state = row["problem"] or "running"
        table.add_row(row["name"], row["source"], state, str(row["port"]), str(row["pid"]), row["version"])
    Console().print(table)
