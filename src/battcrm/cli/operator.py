"""`battcrm operator`: the human side of a handover."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import typer
from rich.console import Console, Group
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from battcrm.models.situation import AppealStatus
from battcrm.services.explain_labels import field_name, name_of, value_name
from battcrm.services.operator import CLOSE_AS, Operators
from battcrm.services.operator_views import Line, Thread, Waiting
from battcrm.services.tenants import Tenants, TenantView
from battcrm.settings import load_settings
from battcrm.workers.runtime import connect

T = TypeVar("T")
app = typer.Typer(help="Take over, answer and hand back dialogues.", no_args_is_help=True, add_completion=False)
Tenant = Annotated[
    str, typer.Option("--tenant", envvar="BATTCRM_TENANT", help="Slug or id; the only tenant by default.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Number = Annotated[int, typer.Argument(help="Number of the appeal, as `list` shows it.")]


@dataclass(frozen=True, slots=True)
class _Desk:
    tenant: TenantView
    operators: Operators
    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.tenant.timezone)


@app.command("list")
def list_(tenant: Tenant = "", as_json: AsJson = False) -> None:
    """Appeals that wait for a human, the longest wait on top."""

    async def work(desk: _Desk) -> tuple[_Desk, Sequence[Waiting]]:
        return desk, await desk.operators.waiting(desk.tenant.tenant_id)

    desk, rows = _at_desk(tenant, work)
    if as_json:
        _json([_plain(row) for row in rows])
    else:
        Console().print(_waiting_table(desk, rows) if rows else "Никто не ждёт оператора / nobody waits.")


@app.command()
def show(
    number: Number,
    tenant: Tenant = "",
    messages: Annotated[int, typer.Option(min=1, max=500, help="Newest messages to show.")] = 30,
    as_json: AsJson = False,
) -> None:
    """One appeal: facts, the bot's handover note, the thread."""

    async def work(desk: _Desk) -> tuple[_Desk, Thread]:
        return desk, await desk.operators.show(desk.tenant.tenant_id, number, messages=messages)

    desk, thread = _at_desk(tenant, work)
    if as_json:
        _json(_plain(thread))
    else:
        Console().print(_thread_panel(desk, thread))


@app.command()
def take(number: Number, tenant: Tenant = "", as_json: AsJson = False) -> None:
    """Speak yourself: the bot keeps silent and what it had not sent yet is cancelled."""

    async def work(desk: _Desk) -> None:
        await desk.operators.take(desk.tenant.tenant_id, number)

    _at_desk(tenant, work)
    _done(number, "taken", "у оператора", as_json=as_json)


@app.command()
def reply(
    number: Number,
    text: Annotated[str, typer.Argument(help="What to say; - reads standard input.")],
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """Answer the client as a human."""
    said = typer.get_text_stream("stdin").read() if text == "-" else text

    async def work(desk: _Desk) -> str:
        return str(await desk.operators.reply(desk.tenant.tenant_id, number, said))

    outgoing = _at_desk(tenant, work)
    _done(number, "queued", "ответ отправляется", as_json=as_json, outgoing_id=outgoing)


@app.command("return")
def return_(number: Number, tenant: Tenant = "", as_json: AsJson = False) -> None:
    """Let the bot speak again; it answers at once if the last word is the client's."""

    async def work(desk: _Desk) -> bool:
        return await desk.operators.give_back(desk.tenant.tenant_id, number)

    changed = _at_desk(tenant, work)
    _done(number, "returned" if changed else "unchanged", "у бота" if changed else "и так у бота", as_json=as_json)


@app.command()
def close(
    number: Number,
    outcome: Annotated[AppealStatus, typer.Option("--as", help="done, lost or spam.")],
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """End the appeal."""
    if outcome not in CLOSE_AS:
        raise typer.BadParameter("use done, lost or spam", param_hint="--as")

    async def work(desk: _Desk) -> None:
        await desk.operators.close(desk.tenant.tenant_id, number, outcome)

    _at_desk(tenant, work)
    _done(number, f"closed:{outcome}", f"закрыто: {value_name('status', outcome, 'ru')}", as_json=as_json)


def _at_desk(tenant: str, work: Callable[[_Desk], Awaitable[T]]) -> T:
    async def run() -> T:
        async with _desk(tenant) as desk:
            return await work(desk)

    return asyncio.run(run())


@asynccontextmanager
async def _desk(tenant: str) -> AsyncIterator[_Desk]:
    async with connect(load_settings(), name="battcrm-operator") as runtime:
        chosen = await Tenants(runtime.pool, runtime.clock, runtime.ids).choose(tenant)
        operators = Operators(runtime.pool, runtime.clock, runtime.ids, runtime.wakeups, runtime.configs)
        yield _Desk(chosen, operators, runtime.clock.now())


def _waiting_table(desk: _Desk, rows: Sequence[Waiting]) -> Table:
    table = Table(title=f"{desk.tenant.name}: ждут оператора", title_justify="left", expand=True)
    for title in ("№", "ждёт", "клиент", "устройство", "почему", "последнее слово"):
        table.add_column(title, overflow="fold", no_wrap=title in ("№", "ждёт"))
    for row in rows:
        wait = _age(desk.now, row.since) if row.since else "ответили"
        last = f"[dim]{name_of('author', row.last_author, 'ru')}:[/] {escape(_short(row.last_text))}"
        reason = name_of("reason", row.reason, "ru") if row.reason else "оператор взял сам"
        name = f"{escape(row.client or '—')} [dim]{row.channel}[/]"
        table.add_row(str(row.number), wait, name, escape(row.device or "—"), reason, last)
    return table


def _thread_panel(desk: _Desk, thread: Thread) -> Panel:
    facts = Table(box=None, show_header=False, pad_edge=False)
    for name, fact in thread.facts:
        sure = f"{fact.confidence:.0%}, {fact.method.value}"
        facts.add_row(field_name(name, "ru"), escape(value_name(name, fact.value, "ru")), f"[dim]{sure}[/]")
    note = [
        f"[yellow]{title}:[/] {escape(text)}"
        for title, text in (
            ("Передано", name_of("reason", thread.handover.get("reason"), "ru")),
            ("Хочет", thread.handover.get("wants", "")),
            ("Известно", thread.handover.get("known", "")),
            ("Не хватает", thread.handover.get("missing", "")),
        )
        if text
    ]
    state = f"{value_name('status', thread.status, 'ru')}, говорит {name_of('author', thread.control, 'ru')}"
    if thread.returns_at:
        state += f" до {thread.returns_at.astimezone(desk.zone):%H:%M}"
    title = f"№ {thread.number} · {escape(thread.client or '—')} · {thread.channel} · {escape(thread.device or '—')}"
    lines = [_line(desk, line) for line in thread.lines]
    return Panel(Group(state, facts, *note, "", *lines), title=title, title_align="left")


def _line(desk: _Desk, line: Line) -> str:
    colour = {"client": "cyan", "operator": "magenta"}.get(line.author, "green")
    mark = "" if line.state in ("received", "sent", "delivered", "read") else f" [red]({line.state})[/]"
    text = "[dim](удалено)[/]" if line.deleted else escape(line.text)
    return f"[dim]{line.at.astimezone(desk.zone):%d.%m %H:%M}[/] [{colour}]{name_of('author', line.author, 'ru')}[/]: {text}{mark}"


def _age(now: datetime, since: datetime) -> str:
    minutes = max(0, int((now - since).total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} мин"
    return f"{minutes // 60} ч {minutes % 60} мин" if minutes < 24 * 60 else f"{minutes // 1440} д"


def _short(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) <= 120 else one[:119] + "…"


def _done(number: int, state: str, said: str, *, as_json: bool, **more: str) -> None:
    if as_json:
        _json({"number": number, "state": state, **more})
    else:
        typer.echo(f"№ {number}: {said}")


def _plain(view: Any) -> Any:
    import dataclasses

    return dataclasses.asdict(view)


def _json(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, default=str))
