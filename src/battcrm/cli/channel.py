"""`battcrm channel`: messenger accounts of a tenant."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from battcrm.cli.tables import table_with_id
from battcrm.kit.errors import Invalid
from battcrm.kit.text import loads
from battcrm.services.channels import Channels
from battcrm.services.channels_life import ChannelLife, Joined
from battcrm.services.channels_texts import NEXT, NOT_DELIVERING, mending, say, state_name
from battcrm.services.channels_view import ChannelBook, ChannelView
from battcrm.services.tenants import Tenants, TenantView
from battcrm.settings import Settings, load_settings
from battcrm.transport.health_rows import HealthRows
from battcrm.workers.caretaker import health_job
from battcrm.workers.runtime import Runtime, connect

T = TypeVar("T")
app = typer.Typer(help="Messenger accounts of a tenant.", no_args_is_help=True, add_completion=False)
Tenant = Annotated[
    str, typer.Option("--tenant", envvar="BATTCRM_TENANT", help="Slug or id; the only tenant by default.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Which = Annotated[str, typer.Argument(metavar="CHANNEL", help="Id, account, or kind if there is one of it.")]
Secrets = Annotated[
    list[str] | None,
    typer.Option("--secret", metavar="NAME=VALUE", help="Credential; VALUE may be env:NAME or @FILE. Repeatable."),
]
SettingsOf = Annotated[
    list[str] | None, typer.Option("--setting", metavar="NAME=VALUE", help="Setting; JSON or text. Repeatable.")
]


@dataclass(frozen=True, slots=True)
class _Desk:
    tenant: TenantView
    life: ChannelLife
    book: ChannelBook
    channels: Channels
    settings: Settings


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help="telegram, vk, whatsapp, avito, max, webchat …")],
    tenant: Tenant = "",
    account: Annotated[str, typer.Option(help="The account's id, where the credentials do not tell it.")] = "",
    title: Annotated[str, typer.Option(help="Name shown to people.")] = "",
    secret: Secrets = None,
    setting: SettingsOf = None,
    poll: Annotated[bool, typer.Option("--poll", help="Read by long polling: no public address is needed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Connect an account: try its credentials, store them sealed, register the webhook."""
    given, settings = _secrets(secret), _settings(setting)

    async def work(desk: _Desk) -> tuple[_Desk, Joined]:
        joined = await desk.life.add(
            desk.tenant.tenant_id,
            kind,
            account_ref=account,
            title=title,
            secrets=given,
            settings=settings,
            poll=poll,
        )
        return desk, joined

    _show_joined(*_at_desk(tenant, work), as_json=as_json)


@app.command()
def check(channel: Which, tenant: Tenant = "", as_json: AsJson = False) -> None:
    """Ask the platform now: deliveries, last error, and what to do. Exit 1 unless all is well."""

    async def work(desk: _Desk) -> tuple[_Desk, ChannelView]:
        view, health = await desk.life.check(desk.tenant.tenant_id, channel)
        # A disabled channel's health is not kept, but it was asked for.
        view.health.update(health.document())
        return desk, view

    desk, view = _at_desk(tenant, work)
    if as_json:
        _json(_document(desk, view))
    else:
        Console().print(_card(desk, view))
    if view.health.get("state") != "ok":
        raise typer.Exit(1)


@app.command("list")
def list_(tenant: Tenant = "", as_json: AsJson = False) -> None:
    """All channels with their health as last seen."""

    async def work(desk: _Desk) -> tuple[_Desk, Sequence[ChannelView]]:
        return desk, await desk.book.all(desk.tenant.tenant_id)

    desk, views = _at_desk(tenant, work)
    if as_json:
        _json([_document(desk, view) for view in views])
        return
    table = table_with_id("kind", "account", "title", "state", "health", "waiting", "id")
    for view in views:
        health = state_name(view.health.get("state", "unknown"), desk.tenant.locale)
        state = state_name(view.state, desk.tenant.locale)
        cells = (view.kind, view.account_ref, view.title, state, health, str(view.waiting), str(view.channel_id))
        table.add_row(*map(escape, cells))
    Console().print(table)


@app.command()
def disable(channel: Which, tenant: Tenant = "", as_json: AsJson = False) -> None:
    """Stop a channel until `enable`."""
    _stop(tenant, channel, lambda desk: desk.life.disable(desk.tenant.tenant_id, channel), as_json=as_json)


@app.command()
def enable(
    channel: Which, tenant: Tenant = "", secret: Secrets = None, setting: SettingsOf = None, as_json: AsJson = False
) -> None:
    """Start a channel again, with new credentials if given; what waited is sent."""
    given, settings = _secrets(secret), _settings(setting)

    async def work(desk: _Desk) -> tuple[_Desk, Joined]:
        return desk, await desk.life.enable(desk.tenant.tenant_id, channel, secrets=given, settings=settings)

    _show_joined(*_at_desk(tenant, work), as_json=as_json)


@app.command()
def remove(
    channel: Which,
    tenant: Tenant = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Disconnect for good: credentials and address are wiped, dialogues stay readable."""
    if not yes:
        typer.confirm(f"Удалить канал {channel}? / Remove {channel}?", abort=True, err=True)
    _stop(tenant, channel, lambda desk: desk.life.remove(desk.tenant.tenant_id, channel), as_json=as_json)


@app.command("rotate-secrets")
def rotate_secrets(
    everyone: Annotated[bool, typer.Option("--all", help="Channels of all tenants.")] = False,
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """Seal credentials again with the newest of BATTCRM_SECRET_KEYS; afterwards the older keys may go."""

    async def work(desk: _Desk) -> tuple[int, int]:
        return await desk.channels.rotate_secrets(None if everyone else desk.tenant.tenant_id)

    changed, seen = _at_desk(tenant, work)
    if as_json:
        _json({"sealed_again": changed, "channels": seen})
    else:
        typer.echo(f"{changed} / {seen}")


def _stop(tenant: str, channel: str, act: Callable[[_Desk], Awaitable[str | None]], *, as_json: bool) -> None:
    problem = _at_desk(tenant, act)
    if as_json:
        _json({"channel": channel, "problem": problem})
    elif problem:
        typer.echo(f"остановлен; платформе сообщить не удалось / stopped; the platform could not be told: {problem}")
    else:
        typer.echo("остановлен / stopped")


def _show_joined(desk: _Desk, joined: Joined, *, as_json: bool) -> None:
    locale, view = desk.tenant.locale, joined.view
    if as_json:
        more = {"link": joined.link, "problem": joined.problem, "renewed": joined.renewed, "hook_url": joined.hook_url}
        _json({**_document(desk, view), **more})
        return
    Console().print(_card(desk, view))
    if joined.link:
        typer.echo(joined.link)
    if joined.problem:
        typer.echo(say(NOT_DELIVERING, locale))
    elif view.kind == "webchat":
        base = desk.settings.public_url or f"http://{desk.settings.gateway_host}:{desk.settings.gateway_port}"
        typer.echo(say(NEXT["page"], locale, page=f"{base}/chat/{view.channel_id}"))
    else:
        typer.echo(say(NEXT[view.mode], locale))


def _card(desk: _Desk, view: ChannelView) -> Table:
    locale, health = desk.tenant.locale, view.health
    state = health.get("state", "unknown")
    table = Table(show_header=False, box=None)
    rows: dict[str, Any] = {
        "channel": f"{view.kind} {view.account_ref} {view.title}".strip(),
        "id": view.channel_id,
        "mode": view.mode,
        "state": state_name(view.state, locale),
        "reason": view.state_reason,
        "health": f"{state_name(state, locale)} (since {health['since']})" if "since" in health else state,
        "pending": health.get("pending"),
        "last error": " ".join(str(health[k]) for k in ("last_error_at", "last_error") if health.get(k)) or None,
        "platform": health.get("text"),
        "gate until": view.gate_until,
        "waiting": view.waiting or None,
        "mend": _mend(desk, view),
    }
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, escape(str(value)))
    return table


def _mend(desk: _Desk, view: ChannelView) -> str | None:
    health = view.health
    return mending(
        health.get("state", "unknown"),
        health.get("code", ""),
        desk.tenant.locale,
        channel=str(view.channel_id),
        url=desk.settings.public_url or "",
    )


def _document(desk: _Desk, view: ChannelView) -> dict[str, Any]:
    return {
        "channel_id": str(view.channel_id),
        "kind": view.kind,
        "account_ref": view.account_ref,
        "title": view.title,
        "mode": view.mode,
        "state": view.state,
        "state_reason": view.state_reason,
        "gate_until": view.gate_until.isoformat() if view.gate_until else None,
        "waiting": view.waiting,
        "health": view.health,
        "mend": _mend(desk, view),
    }


def _json(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False))


def _at_desk(tenant: str, act: Callable[[_Desk], Awaitable[T]]) -> T:
    settings = load_settings()

    async def work() -> T:
        async with connect(settings) as runtime:
            done = await act(await open_desk(runtime, tenant))
            await runtime.wakeups.flush()
            return done

    return asyncio.run(work())


async def open_desk(runtime: Runtime, tenant: str) -> _Desk:
    """The services on an open runtime, for one tenant."""
    found = await Tenants(runtime.pool, runtime.clock, runtime.ids).choose(tenant or None)
    channels = Channels(runtime.pool, runtime.vault, runtime.clock, runtime.ids, runtime.wakeups)
    book = ChannelBook(runtime.pool, runtime.channels)
    job = health_job(runtime)
    rows = HealthRows(runtime.pool, runtime.ids)
    life = ChannelLife(runtime.pool, runtime.clock, channels, runtime.channels, book, rows, job.probe, job)
    return _Desk(found, life, book, channels, runtime.settings)


def _secrets(given: Sequence[str] | None) -> dict[str, str]:
    """NAME=VALUE pairs. A value on a command line is seen by other processes, hence env: and @."""
    found = {}
    for name, value in _pairs(given, "--secret"):
        if value.startswith("env:"):
            found[name] = os.environ.get(value.removeprefix("env:"), "")
        elif value.startswith("@"):
            try:
                found[name] = Path(value.removeprefix("@")).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise Invalid(f"cannot read the file of {name!r}: {error.strerror}", field=name) from None
        else:
            found[name] = value
        if not found[name]:
            raise Invalid(f"the secret {name!r} is empty", field=name, remedy="give its value, env:NAME or @FILE")
    return found


def _settings(given: Sequence[str] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in _pairs(given, "--setting"):
        try:
            found[name] = loads(value)
        except ValueError:
            found[name] = value
    return found


def _pairs(given: Sequence[str] | None, option: str) -> list[tuple[str, str]]:
    pairs = []
    for item in given or ():
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            # What was typed may be the secret itself: it is not repeated.
            raise Invalid(f"{option} takes NAME=VALUE", field=option, remedy=f"for example {option} token=…")
        pairs.append((name.strip(), value))
    return pairs
