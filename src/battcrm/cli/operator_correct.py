"""`battcrm operator correct`: mend what was understood or routed wrongly, in one call."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from battcrm.cli.operator_desk import AsJson, Desk, Number, Tenant, at_desk, id_or_number, plain, print_json
from battcrm.kit.errors import Invalid
from battcrm.services.explain_labels import field_name, value_name
from battcrm.services.operator_correct import ALL, NEW, AppealChanged, Corrected, Naming


def register(app: typer.Typer) -> None:
    """Add the command to the `operator` group."""
    app.command("correct")(correct)


def correct(
    number: Number,
    facts: Annotated[
        list[str] | None,
        typer.Option("--set", help="FIELD=VALUE: brand, model, repair, part_owner, type; empty VALUE = not known."),
    ] = None,
    messages: Annotated[
        str, typer.Option(help="Messages to move: numbers as `show` gives them, ids, or all; with commas.")
    ] = "",
    to: Annotated[str, typer.Option(help="Number of the appeal they belong to, or new.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; change nothing.")] = False,
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """Move messages with their facts to another appeal or a new one; set facts that no later message changes."""
    wanted, refs, target = _facts(facts or []), _messages(messages), _target(to)

    async def work(desk: Desk) -> Corrected:
        return await desk.corrections.correct(
            desk.tenant.tenant_id, number, facts=wanted, messages=refs, to=target, preview=dry_run,
            naming=_catalogue() if {"brand", "model"} & set(wanted) else None,
        )  # fmt: skip

    made = at_desk(tenant, work)
    if as_json:
        print_json(plain(made))
        return
    typer.echo("Будет так (ничего не изменено) / would be:" if made.preview else "Исправлено / corrected:")
    if made.messages:
        typer.echo(f"  сообщений {made.messages}, ответов бота {made.replies}, фактов {made.facts} → № {made.to}")
    for change in made.appeals:
        typer.echo(_line(change))


def _catalogue() -> Naming:
    from battcrm.extraction.dispatcher import RuleExtractor
    from battcrm.extraction.gazetteer.catalogue import Catalogue
    from battcrm.services.operator_naming import naming

    return naming(RuleExtractor(Catalogue.load()))


def _facts(pairs: list[str]) -> dict[str, tuple[str, ...]]:
    wanted: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise Invalid(f"{pair!r} sets nothing", field="set", remedy='--set FIELD=VALUE, such as --set "model=S21"')
        key = name.strip()
        several = key in ("repair", "repairs", "repair_types")
        values = tuple(v.strip() for v in value.split(",")) if several else (value.strip(),)
        wanted[key] = (*wanted.get(key, ()), *(v for v in values if v))
    return wanted


def _messages(text: str) -> tuple[int | UUID, ...] | str:
    if text.strip().lower() == ALL:
        return ALL
    return tuple(id_or_number(part.strip(), "messages") for part in text.split(",") if part.strip())


def _target(text: str) -> int | str | None:
    if not text:
        return None
    if text.strip().lower() == NEW:
        return NEW
    number = id_or_number(text.strip(), "to")
    if isinstance(number, UUID):
        raise Invalid("an appeal is named by its number", field="to", remedy="its number, or new")
    return number


def _line(change: AppealChanged) -> str:
    before, after = change.facts
    parts = []
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name, []), after.get(name, [])
        if sorted(old) != sorted(new):
            parts.append(f"{field_name(name, 'ru')}: {_values(name, old)} → {_values(name, new)}")
    if change.status[0] != change.status[1]:
        parts.append(" → ".join(value_name("status", s, "ru") for s in change.status))
    title = f"  № {change.number}{' (новое)' if change.created else ''}"
    return f"{title}: {'; '.join(parts) or 'без изменений'}"


def _values(name: str, values: list[str]) -> str:
    return ", ".join(value_name(name, v, "ru") for v in values) or "—"
