"""`battcrm operator outcomes`: what dialogues came to."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from battcrm.cli.operator_desk import AsJson, Desk, Tenant, at_desk, plain, print_json
from battcrm.services.explain_labels import name_of
from battcrm.services.operator_outcomes import Report

_OUTCOMES = {
    "auto": "бот сам / by the bot alone",
    "assisted": "с помощью человека / with a person's help",
    "handed_over": "передано человеку / handed over",
    "abandoned": "клиент пропал / the client left",
    "open": "ещё идёт / still open",
    "taken_back": "открыто снова / reopened",
}
_WHO = {"bot": "бот / bot", "draft": "черновик бота / a draft", "operator": "оператор / operator"}


def register(app: typer.Typer) -> None:
    """Add the command to the `operator` group."""
    app.command("outcomes")(outcomes)


def outcomes(
    days: Annotated[int, typer.Option(min=1, max=3660, help="Episodes that began in the last so many days.")] = 30,
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """What dialogues came to, how long clients waited for the first answer, why the bot handed over."""

    async def work(desk: Desk) -> Report:
        return await desk.outcomes.report(desk.tenant.tenant_id, days=days)

    report = at_desk(tenant, work)
    if as_json:
        print_json(plain(report))
        return
    console = Console()
    table = Table("итог", "эпизодов", "прочно (7 дней)", "ходов", title="Итоги / outcomes", title_justify="left")
    for row in report.outcomes:
        name = _OUTCOMES.get(row.outcome, row.outcome)
        table.add_row(name, str(row.episodes), str(row.durable), str(row.turns))
    console.print(table)
    waited = Table("кто", "эпизодов", "p50, с", "p95, с", title="Первый ответ / first answer", title_justify="left")
    for answer in report.first_answers:
        waited.add_row(_WHO.get(answer.who, answer.who), str(answer.episodes), f"{answer.p50:g}", f"{answer.p95:g}")
    console.print(waited)
    for reason, count in report.reasons:
        console.print(f"{count:>6}  {name_of('reason', reason, 'ru')}")
