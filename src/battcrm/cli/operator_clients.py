"""`battcrm operator merge`, `unmerge`, `merges`, `twins`: one person, once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Table

from battcrm.cli.operator_desk import AsJson, Desk, Tenant, at_desk, id_of, id_or_number, plain, print_json, show_rows
from battcrm.cli.tables import table_with_id
from battcrm.kit.errors import Invalid
from battcrm.services.clients_views import Conflict, MergeLine, MergePlan, Person, TwinLine, UnmergePlan, VipLine

Apply = Annotated[bool, typer.Option("--apply", help="Do it; without it only the preview is shown.")]
_KINDS = {
    "identities": "аккаунтов", "dialogs": "чатов", "appeals": "обращений", "open_appeals": "из них открыто",
    "phones": "телефонов", "intents": "запланированных сообщений", "repairs": "прошлых ремонтов",
    "merged_before": "объединённых раньше", "followers": "объединённых раньше",
}  # fmt: skip
_CONFLICTS = {
    "names_differ": "разные имена / names differ",
    "phones_differ": "разные телефоны / phones differ",
    "two_accounts_in_one_channel": "два аккаунта в одном канале / two accounts in one channel",
    "same_device_twice": "одно устройство в двух обращениях / one device in two appeals",
    "do_not_contact": "просил не писать / asked not to be contacted",
    "blocked": "заблокирован / blocked",
    "vip": "важный клиент / VIP",
    "turn_running": "бот сейчас отвечает / an answer is being made",
    "messages_on_their_way": "сообщений в пути / messages on their way",
    "moved_on_since": "с тех пор перенесено дальше / moved on since",
}
_WHY = {
    "verified_phone": "подтверждённый телефон", "phone": "один телефон", "name_and_appeal": "имя и обращение",
    "same_appeal": "похожее обращение",
}  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the commands to the `operator` group."""
    app.command("merge")(merge)
    app.command("unmerge")(unmerge)
    app.command("merges")(merges)
    app.command("twins")(twins)
    app.command("vip")(vip)


def merge(
    duplicate: Annotated[str, typer.Argument(help="Client that ceases: its id, or the number of one of its appeals.")],
    into: Annotated[str, typer.Option("--into", help="Client that stays, named alike.")],
    apply: Apply = False,
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """Make one client of two: shows what would move and what speaks against it; --apply does it."""
    gone, kept = id_or_number(duplicate, "duplicate"), id_or_number(into, "into")

    async def work(desk: Desk) -> MergePlan:
        act = desk.clients.merge if apply else desk.clients.preview
        return await act(desk.tenant.tenant_id, kept, gone)

    plan = at_desk(tenant, work)
    if as_json:
        print_json({**plain(plan), "done": plan.merge_id is not None})
        return
    typer.echo("Объединено / merged:" if plan.merge_id else "Будет объединено (ничего не изменено) / would be merged:")
    typer.echo(f"  {_person(plan.duplicate)}\n  → {_person(plan.survivor)}")
    typer.echo(f"  переходит: {_counts(plan.moves)}")
    _doubts(plan.conflicts)
    if plan.merge_id:
        typer.echo(f"  отменить / undo: battcrm operator unmerge {plan.merge_id} --apply")
    else:
        typer.echo("  выполнить / do it: --apply")


def unmerge(
    which: Annotated[str, typer.Argument(help="Id of the merge, or of the client that ceased.")],
    apply: Apply = False,
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """Take a merge back: exactly what it moved returns; --apply does it."""
    merge_id = id_of(which, "merge")

    async def work(desk: Desk) -> UnmergePlan:
        act = desk.clients.unmerge if apply else desk.clients.preview_unmerge
        return await act(desk.tenant.tenant_id, merge_id)

    plan = at_desk(tenant, work)
    if as_json:
        print_json(plain(plan))
        return
    typer.echo("Разделено / separated:" if plan.done else "Будет разделено (ничего не изменено) / would be separated:")
    typer.echo(f"  возвращается: {_counts(plan.returns)}")
    if plan.later:
        typer.echo(f"  и обращений, начатых позже в этих чатах: {plan.later}")
    _doubts(plan.conflicts)
    if not plan.done:
        typer.echo("  выполнить / do it: --apply")


def merges(
    client: Annotated[str, typer.Option(help="Only those of one client (id).")] = "",
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """Merges that were made, the newest first."""
    chosen: UUID | None = id_of(client, "client") if client else None

    async def work(desk: Desk) -> tuple[Desk, Sequence[MergeLine]]:
        return desk, await desk.clients.merges(desk.tenant.tenant_id, client=chosen)

    desk, rows = at_desk(tenant, work)
    show_rows(rows, partial(_merges_table, desk), "Объединений нет / no merges.", as_json=as_json)


def _merges_table(desk: Desk, rows: Sequence[MergeLine]) -> Table:
    table = table_with_id("когда", "кто", "в кого", "почему", "что", "id")
    for row in rows:
        state = desk.local(row.merged_at) + (" (отменено)" if row.undone_at else "")
        names = (escape(row.duplicate or "—"), escape(row.survivor or "—"))
        reason = _WHY.get(row.reason, row.reason)
        table.add_row(state, *names, reason, _counts(row.moved), str(row.merge_id))
    return table


def twins(tenant: Tenant = "", as_json: AsJson = False) -> None:
    """Clients that look like one person: by phone, or by name and device."""

    async def work(desk: Desk) -> Sequence[TwinLine]:
        return await desk.twins.suggest(desk.tenant.tenant_id)

    show_rows(at_desk(tenant, work), _twins_table, "Двойников не видно / no twins.", as_json=as_json)


def _twins_table(rows: Sequence[TwinLine]) -> Table:
    table = Table("клиент", "и, похоже, он же", "почему", "уверенность", title_justify="left")
    for row in rows:
        why = f"{_WHY.get(row.reason, row.reason)}: {escape(row.detail)}"
        table.add_row(_side(row.survivor, row.survivor_appeal, row.survivor_id),
                      _side(row.duplicate, row.duplicate_appeal, row.duplicate_id), why, f"{row.score:.0%}")  # fmt: skip
    return table


def vip(
    client: Annotated[
        str, typer.Argument(help="Client: its id, or the number of one of its appeals; none = list.")
    ] = "",
    off: Annotated[bool, typer.Option("--off", help="Take the mark away.")] = False,
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """Mark a client as VIP (the setting response.vip says what that does), or list those that are."""
    if not client:
        if off:
            raise Invalid("no client is named", field="client", remedy="its id, or the number of one of its appeals")
        _vips(tenant, as_json=as_json)
        return
    which = id_or_number(client, "client")

    async def work(desk: Desk) -> bool:
        return await desk.clients.mark_vip(desk.tenant.tenant_id, which, vip=not off)

    changed = at_desk(tenant, work)
    if as_json:
        print_json({"client": client, "vip": not off, "changed": changed})
    else:
        state = "обычный клиент / not VIP" if off else "важный клиент / VIP"
        typer.echo(f"{client}: {state}{'' if changed else ' (и раньше / already)'}")


def _vips(tenant: str, *, as_json: bool) -> None:
    async def work(desk: Desk) -> Sequence[VipLine]:
        return await desk.clients.vips(desk.tenant.tenant_id)

    show_rows(at_desk(tenant, work), _vips_table, "Важных клиентов нет / no VIP clients.", as_json=as_json)


def _vips_table(rows: Sequence[VipLine]) -> Table:
    table = table_with_id("клиент", "последнее обращение", "id")
    for row in rows:
        table.add_row(escape(row.name or "—"), f"№ {row.number}" if row.number else "—", str(row.client_id))
    return table


def _side(name: str | None, number: int | None, client_id: UUID) -> str:
    return f"{escape(name or '—')} {f'№ {number}' if number is not None else client_id}"


def _person(person: Person) -> str:
    parts = [person.name or "без имени", ", ".join(person.channels), ", ".join(person.phones)]
    parts.append("обращения " + ", ".join(map(str, person.appeals)) if person.appeals else "без обращений")
    return "; ".join(p for p in parts if p) + f" ({person.client_id})"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{_KINDS.get(name, name)} {n}" for name, n in counts.items() if n) or "ничего"


def _doubts(conflicts: Sequence[Conflict]) -> None:
    for doubt in conflicts:
        typer.echo(f"  ! {_CONFLICTS.get(doubt.code, doubt.code)}: {doubt.detail}")
