"""`battcrm dead`: what was given up, and what to do with it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console

from battcrm.cli.tables import table_with_id
from battcrm.kit.errors import BattError, Invalid
from battcrm.services.dead import DeadLetter, DeadLetters, find_tenant
from battcrm.settings import load_settings
from battcrm.transport.door import Door
from battcrm.workers.relay import bus_of
from battcrm.workers.runtime import connect

app = typer.Typer(help="List, show, replay and drop dead letters.", no_args_is_help=True, add_completion=False)
_PAGE: Final = 200

Tenant = Annotated[str, typer.Option("--tenant", help="Slug or id of the tenant.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Source = Annotated[
    str | None, typer.Option("--source", help="door, inbox, orphan, turn, event:CONSUMER or queue:LIST.")
]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids as `list` shows them.")]


@dataclass(frozen=True, slots=True)
class _Desk:
    tenant_id: UUID
    letters: DeadLetters


@app.command("list")
def list_(
    tenant: Tenant,
    source: Source = None,
    settled: Annotated[bool, typer.Option("--settled", help="Also those that were replayed or dropped.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """Show what was given up, the newest first, without its content."""

    async def work(desk: _Desk) -> list[dict[str, Any]]:
        found = await desk.letters.list(desk.tenant_id, source=source, settled=settled, limit=limit)
        return [_view(letter) for letter in found]

    rows = asyncio.run(_at_desk(tenant, work))
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    else:
        _print(rows)


@app.command()
def show(
    dead_id: Annotated[str, typer.Argument(metavar="ID")],
    tenant: Tenant,
    show_payload: Annotated[
        bool, typer.Option("--show-payload", help="Also the content, which may hold what people wrote.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one of them."""

    async def work(desk: _Desk) -> dict[str, Any]:
        letter = await desk.letters.get(desk.tenant_id, _uuid(dead_id))
        return _view(letter) | (_payload(letter) if show_payload else {})

    found = asyncio.run(_at_desk(tenant, work))
    typer.echo(json.dumps(found, ensure_ascii=False, indent=None if as_json else 2))


@app.command()
def replay(tenant: Tenant, ids: Ids = None, source: Source = None, as_json: AsJson = False) -> None:
    """Give another chance to the given ones, or to all open ones of a source. Exit 1 if one could not be replayed."""
    _each(tenant, ids or [], source, "replayed", lambda desk, own: desk.letters.replay(desk.tenant_id, own), as_json)


@app.command()
def drop(tenant: Tenant, ids: Ids = None, source: Source = None, as_json: AsJson = False) -> None:
    """Let the given ones go, or all open ones of a source; they stay on record."""
    _each(tenant, ids or [], source, "dropped", lambda desk, own: desk.letters.drop(desk.tenant_id, own), as_json)


def _each(
    tenant: str,
    ids: list[str],
    source: str | None,
    done: str,
    act: Callable[[_Desk, UUID], Awaitable[None]],
    as_json: bool,
) -> None:
    if bool(ids) == bool(source):
        raise Invalid("which ones?", field="ids", remedy="give ids, or --source for all open ones of it")

    async def work(desk: _Desk) -> list[dict[str, Any]]:
        chosen = [_uuid(own) for own in ids] if ids else await _open_ones(desk, source)
        return [await _one(desk, own, done, act) for own in chosen]

    results = asyncio.run(_at_desk(tenant, work))
    if as_json:
        typer.echo(json.dumps(results, ensure_ascii=False))
    else:
        for result in results:
            typer.echo(f"{result['id']}  {result['error'] or result['outcome']}")
    if any(result["error"] for result in results):
        raise typer.Exit(1)


async def _one(desk: _Desk, own: UUID, done: str, act: Callable[[_Desk, UUID], Awaitable[None]]) -> dict[str, Any]:
    try:
        await act(desk, own)
    except BattError as error:
        return {"id": str(own), "outcome": "failed", "error": error.text}
    return {"id": str(own), "outcome": done, "error": None}


async def _open_ones(desk: _Desk, source: str | None) -> list[UUID]:
    """Read wholly before the first is replayed: what fails anew must not come round again."""
    found: list[UUID] = []
    before: UUID | None = None
    while page := await desk.letters.list(desk.tenant_id, source=source, before=before, limit=_PAGE):
        found += [letter.dead_id for letter in page]
        before = found[-1]
    return found[::-1]


async def _at_desk(tenant: str, work: Callable[[_Desk], Awaitable[Any]]) -> Any:
    async with _desk(tenant) as desk:
        return await work(desk)


@asynccontextmanager
async def _desk(tenant: str) -> AsyncIterator[_Desk]:
    async with connect(load_settings(), name="battcrm-dead") as runtime:
        door = Door(runtime.pool, runtime.clock, runtime.ids, runtime.wakeups)
        letters = DeadLetters(
            runtime.pool,
            runtime.clock,
            door=door,
            channels=runtime.channels,
            bus=bus_of(runtime) if runtime.redis is not None else None,
            shards=runtime.settings.event_shards,
        )
        yield _Desk(await find_tenant(runtime.pool, tenant), letters)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Invalid(f"{text!r} is no id", field="id", remedy="battcrm dead list shows them") from error


def _view(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": str(letter.dead_id),
        "source": letter.source,
        "reason": letter.reason,
        "created_at": letter.created_at.isoformat(),
        "settled_at": letter.settled_at.isoformat() if letter.settled_at else None,
        "settled_as": letter.settled_as,
        "bytes": letter.size,
        "context": letter.context,
    }


def _payload(letter: DeadLetter) -> dict[str, str]:
    """As text where it is text, else in base64."""
    raw = letter.payload or b""
    try:
        return {"payload": raw.decode()}
    except UnicodeDecodeError:
        return {"payload_base64": base64.b64encode(raw).decode()}


def _print(rows: list[dict[str, Any]]) -> None:
    table = table_with_id("id", "source", "created", "bytes", "settled", "reason")
    for row in rows:
        created = row["created_at"][:19]
        table.add_row(row["id"], row["source"], created, str(row["bytes"]), row["settled_as"] or "", row["reason"])
    Console().print(table)
