"""`battcrm operator suggestions`: drafts of the bot that wait for a person (mode `suggest`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Table

from battcrm.cli.operator_desk import AsJson, Desk, Tenant, at_desk, id_or_number, plain, print_json, show_rows
from battcrm.services.operator_suggestions import Said, Suggestions, Waiting

app = typer.Typer(help="Drafts of the bot that wait for a person.", no_args_is_help=True, add_completion=False)
Draft = Annotated[str, typer.Argument(help="Id of the draft, or the number of its appeal.")]
Anyway = Annotated[bool, typer.Option("--anyway", help="Although the client has written since.")]
_STALE = {"client_wrote": "клиент написал ещё", "answered_already": "уже ответили"}
_DONE = {"accepted": "отправляется", "edited": "отправляется ваш текст", "rejected": "черновик отклонён"}


@app.command("list")
def list_(
    appeal: Annotated[int | None, typer.Option(min=1, max=2**63 - 1, help="Only those of one appeal.")] = None,
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """Drafts that wait, the oldest first."""

    async def work(desk: Desk) -> tuple[Desk, Sequence[Waiting]]:
        return desk, await desk.suggestions.waiting(desk.tenant.tenant_id, appeal=appeal)

    desk, rows = at_desk(tenant, work)
    show_rows(rows, partial(_table, desk), "Черновиков нет / no drafts wait.", as_json=as_json)


@app.command()
def accept(draft: Draft, anyway: Anyway = False, tenant: Tenant = "", as_json: AsJson = False) -> None:
    """Send the draft as it is."""
    _decide(draft, tenant, lambda s, d, w: s.accept(d.tenant.tenant_id, w, anyway=anyway), as_json=as_json)


@app.command()
def edit(
    draft: Draft,
    text: Annotated[str, typer.Argument(help="What to send instead; - reads standard input.")],
    anyway: Anyway = False,
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """Send your own words in its place; the buttons stay."""
    said = typer.get_text_stream("stdin").read() if text == "-" else text
    _decide(draft, tenant, lambda s, d, w: s.edit(d.tenant.tenant_id, w, said, anyway=anyway), as_json=as_json)


@app.command()
def reject(
    draft: Draft,
    note: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """Do not send it. The client still waits for an answer: `operator reply`."""
    _decide(draft, tenant, lambda s, d, w: s.reject(d.tenant.tenant_id, w, note), as_json=as_json)


def _decide(
    draft: str, tenant: str, act: Callable[[Suggestions, Desk, UUID | int], Awaitable[Said]], *, as_json: bool
) -> None:
    which = id_or_number(draft, "draft")

    async def work(desk: Desk) -> Said:
        return await act(desk.suggestions, desk, which)

    said = at_desk(tenant, work)
    if as_json:
        print_json(plain(said))
    else:
        typer.echo(f"{said.suggestion_id}: {_DONE[said.state]}")


def _table(desk: Desk, rows: Sequence[Waiting]) -> Table:
    table = Table(title=f"{desk.tenant.name}: черновики", title_justify="left", expand=True)
    for title in ("№", "с", "клиент", "спросил", "черновик", ""):
        table.add_column(title, overflow="fold", no_wrap=title in ("№", "с"))
    for row in rows:
        text = "\n".join(map(escape, row.texts)) + (
            f"\n[dim]{escape(' | '.join(row.buttons))}[/]" if row.buttons else ""
        )
        number = str(row.number) if row.number is not None else "—"
        stale = f"[red]{_STALE[row.stale]}[/]" if row.stale else ""
        name = f"{escape(row.client or '—')} [dim]{row.channel}[/]"
        table.add_row(number, desk.local(row.created_at), name, escape(row.asked), text, stale)
    return table
