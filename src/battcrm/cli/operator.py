"""`battcrm operator`: the human side of a handover."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from battcrm.cli import operator_clients, operator_correct, operator_drafts, operator_outcomes
from battcrm.cli.operator_desk import (
    AsJson,
    Desk,
    Number,
    Tenant,
    at_desk,
    done,
    plain,
    print_json,
    seconds_of,
    show_rows,
)
from battcrm.models.situation import AppealStatus
from battcrm.pipeline.control import FOREVER
from battcrm.response.labels import label
from battcrm.services.explain_labels import field_name, name_of, value_name
from battcrm.services.operator import CLOSE_AS
from battcrm.services.operator_views import Line, Thread, Waiting

app = typer.Typer(help="Take over, answer and hand back dialogues.", no_args_is_help=True, add_completion=False)


@app.command("list")
def list_(tenant: Tenant = "", as_json: AsJson = False) -> None:
    """Appeals that wait for a human, the longest wait on top."""

    async def work(desk: Desk) -> tuple[Desk, Sequence[Waiting]]:
        return desk, await desk.operators.waiting(desk.tenant.tenant_id)

    desk, rows = at_desk(tenant, work)
    show_rows(rows, partial(_waiting_table, desk), "Никто не ждёт оператора / nobody waits.", as_json=as_json)


@app.command()
def show(
    number: Number,
    tenant: Tenant = "",
    messages: Annotated[int, typer.Option(min=1, max=500, help="Newest messages to show.")] = 30,
    as_json: AsJson = False,
) -> None:
    """One appeal: facts, the bot's handover note, the thread."""

    async def work(desk: Desk) -> tuple[Desk, Thread]:
        return desk, await desk.operators.show(desk.tenant.tenant_id, number, messages=messages)

    desk, thread = at_desk(tenant, work)
    if as_json:
        print_json(plain(thread))
    else:
        Console().print(_thread_panel(desk, thread))


@app.command()
def take(
    number: Number,
    keep: Annotated[bool, typer.Option("--keep", help="The bot never comes back by itself.")] = False,
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """Speak yourself: the bot keeps silent and what it had not sent yet is cancelled."""

    async def work(desk: Desk) -> None:
        await desk.operators.take(desk.tenant.tenant_id, number, keep=keep)

    at_desk(tenant, work)
    done(number, "taken", "у оператора, пока не вернёте" if keep else "у оператора", as_json=as_json)


@app.command()
def pause(
    number: Number,
    for_: Annotated[str, typer.Option("--for", help="How long: 90m, 4h, 2d.")] = "4h",
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """Silence the bot in this appeal for a while; then it answers what came meanwhile."""
    seconds = seconds_of(for_, "for")

    async def work(desk: Desk) -> tuple[Desk, datetime]:
        return desk, await desk.operators.pause(desk.tenant.tenant_id, number, seconds)

    desk, until = at_desk(tenant, work)
    done(number, "paused", f"пауза до {desk.local(until)}", as_json=as_json, until=until)


@app.command()
def off(number: Number, tenant: Tenant = "", as_json: AsJson = False) -> None:
    """Switch the bot off in this appeal until `return`."""

    async def work(desk: Desk) -> None:
        await desk.operators.switch_off(desk.tenant.tenant_id, number)

    at_desk(tenant, work)
    done(number, "off", "бот выключен, пока не вернёте", as_json=as_json)


@app.command()
def reply(
    number: Number,
    text: Annotated[str, typer.Argument(help="What to say; - reads standard input.")],
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """Answer the client as a human."""
    said = typer.get_text_stream("stdin").read() if text == "-" else text

    async def work(desk: Desk) -> str:
        return str(await desk.operators.reply(desk.tenant.tenant_id, number, said))

    outgoing = at_desk(tenant, work)
    done(number, "queued", "ответ отправляется", as_json=as_json, outgoing_id=outgoing)


@app.command("return")
def return_(number: Number, tenant: Tenant = "", as_json: AsJson = False) -> None:
    """Let the bot speak again; it answers at once if the last word is the client's."""

    async def work(desk: Desk) -> bool:
        return await desk.operators.give_back(desk.tenant.tenant_id, number)

    changed = at_desk(tenant, work)
    done(number, "returned" if changed else "unchanged", "у бота" if changed else "и так у бота", as_json=as_json)


@app.command()
def close(
    number: Number,
    as_: Annotated[str, typer.Option("--as", help="done, lost or spam.")],
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """End the appeal."""
    if as_ not in CLOSE_AS:
        raise typer.BadParameter(f"{as_!r} is none of done, lost, spam", param_hint="--as")
    outcome = AppealStatus(as_)

    async def work(desk: Desk) -> None:
        await desk.operators.close(desk.tenant.tenant_id, number, outcome)

    at_desk(tenant, work)
    done(number, f"closed:{outcome}", f"закрыто: {value_name('status', outcome, 'ru')}", as_json=as_json)


def _waiting_table(desk: Desk, rows: Sequence[Waiting]) -> Table:
    table = Table(title=f"{desk.tenant.name}: ждут оператора", title_justify="left", expand=True)
    for title in ("№", "ждёт", "клиент", "устройство", "почему", "последнее слово"):
        table.add_column(title, overflow="fold", no_wrap=title in ("№", "ждёт"))
    for row in rows:
        wait = _age(desk.now, row.since) if row.since else "ответили"
        last = f"[dim]{name_of('author', row.last_author, 'ru')}:[/] {escape(_short(row.last_text))}"
        reason = name_of("reason", row.reason, "ru") if row.reason else "оператор взял сам"
        name = f"{escape(row.client or '—')} [dim]{row.channel}[/]"
        table.add_row(str(row.number), wait, name, escape(_device(row.device)), reason, last)
    return table


def _thread_panel(desk: Desk, thread: Thread) -> Panel:
    facts = Table(box=None, show_header=False, pad_edge=False)
    for name, fact in thread.facts:
        sure = f"{fact.confidence:.0%}, {name_of('method', fact.method.value, 'ru')}"
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
        kept = thread.returns_at >= FOREVER
        state += ", пока не вернёте" if kept else f" до {desk.local(thread.returns_at)}"
    title = f"№ {thread.number} · {escape(thread.client or '—')} · {thread.channel} · {escape(_device(thread.device))}"
    lines = [_line(desk, line, thread.number) for line in thread.lines]
    return Panel(Group(state, facts, *note, "", *lines), title=title, title_align="left")


def _line(desk: Desk, line: Line, number: int) -> str:
    colour = {"client": "cyan", "operator": "magenta"}.get(line.author, "green")
    mark = "" if line.state in ("received", "sent", "delivered", "read") else f" [red]({line.state})[/]"
    text = "[dim](удалено)[/]" if line.deleted else escape(line.text)
    place = f"[dim]#{line.seq} {desk.local(line.at)}[/]"
    other = f" [dim](№ {line.number})[/]" if line.number is not None and line.number != number else ""
    return f"{place} [{colour}]{name_of('author', line.author, 'ru')}[/]{other}: {text}{mark}"


def _device(name: str) -> str:
    """A device as it is named; a mere kind of device in words."""
    return label("device", name, "ru") or "—"


def _age(now: datetime, since: datetime) -> str:
    minutes = max(0, int((now - since).total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} мин"
    return f"{minutes // 60} ч {minutes % 60} мин" if minutes < 24 * 60 else f"{minutes // 1440} д"


def _short(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) <= 120 else one[:119] + "…"


operator_correct.register(app)
operator_clients.register(app)
operator_outcomes.register(app)
app.add_typer(operator_drafts.app, name="suggestions")
