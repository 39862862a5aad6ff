"""What the `battcrm operator` commands share: the desk they work at, options, the two forms of output."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from battcrm.kit.errors import Invalid
from battcrm.services.clients import Clients
from battcrm.services.clients_twins import Twins
from battcrm.services.operator import Operators
from battcrm.services.operator_correct import Corrections
from battcrm.services.operator_outcomes import Outcomes
from battcrm.services.operator_suggestions import Suggestions
from battcrm.services.tenants import Tenants, TenantView
from battcrm.settings import load_settings
from battcrm.workers.layers import load_sections
from battcrm.workers.runtime import connect

T = TypeVar("T")
R = TypeVar("R")
Tenant = Annotated[
    str, typer.Option("--tenant", envvar="BATTCRM_TENANT", help="Slug or id; the only tenant by default.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Number = Annotated[int, typer.Argument(help="Number of the appeal, as `list` shows it.")]
_UNITS = {"m": 60.0, "h": 3600.0, "d": 86_400.0}


@dataclass(frozen=True, slots=True)
class Desk:
    """One tenant's desk with all that an operator can do."""

    tenant: TenantView
    operators: Operators
    corrections: Corrections
    suggestions: Suggestions
    clients: Clients
    twins: Twins
    outcomes: Outcomes
    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        """The shop's own time zone."""
        return ZoneInfo(self.tenant.timezone)

    def local(self, moment: datetime) -> str:
        """A moment on the shop's clock."""
        return f"{moment.astimezone(self.zone):%d.%m %H:%M}"


def at_desk(tenant: str, work: Callable[[Desk], Awaitable[T]]) -> T:
    """Run something at the tenant's desk; raises the errors of the services."""

    async def run() -> T:
        async with _desk(tenant) as desk:
            return await work(desk)

    return asyncio.run(run())


@asynccontextmanager
async def _desk(tenant: str) -> AsyncIterator[Desk]:
    load_sections()
    async with connect(load_settings(), name="battcrm-operator") as runtime:
        chosen = await Tenants(runtime.pool, runtime.clock, runtime.ids).choose(tenant)
        base = (runtime.pool, runtime.clock, runtime.ids, runtime.wakeups, runtime.configs)
        yield Desk(
            chosen,
            Operators(*base),
            Corrections(*base),
            Suggestions(*base),
            Clients(*base),
            Twins(*base),
            Outcomes(*base),
            runtime.clock.now(),
        )


def done(number: int, state: str, said: str, *, as_json: bool, **more: Any) -> None:
    """One act on one appeal, for people or for programs."""
    if as_json:
        print_json({"number": number, "state": state, **more})
    else:
        typer.echo(f"№ {number}: {said}")


def plain(view: Any) -> Any:
    """A view as plain values."""
    return dataclasses.asdict(view)


def print_json(document: Any) -> None:
    """Exactly one JSON document."""
    typer.echo(json.dumps(document, ensure_ascii=False, default=str))


def show_rows(rows: Sequence[R], table_of: Callable[[Sequence[R]], Table], none: str, *, as_json: bool) -> None:
    """A list as JSON, or as its table; `none` says in words that it is empty."""
    if as_json:
        print_json([plain(row) for row in rows])
    else:
        Console().print(table_of(rows) if rows else none)


def seconds_of(text: str, field: str) -> float:
    """Seconds of `90m`, `4h`, `2d`. Invalid names the field."""
    value, unit = text[:-1], text[-1:]
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if unit not in _UNITS or not 0 < number < 1e6:
        raise Invalid(f"{text!r} is no span of time", field=field, remedy="such as 90m, 4h or 2d")
    return number * _UNITS[unit]


def id_of(text: str, field: str) -> UUID:
    """An id as it was typed. Invalid names the field."""
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(f"{text!r} is no id", field=field, remedy="copy it from the list") from None


def id_or_number(text: str, field: str) -> UUID | int:
    """An id, or the number of an appeal (with or without №)."""
    bare = text.lstrip("№# ")
    return int(bare) if bare.isascii() and bare.isdigit() and len(bare) <= 18 else id_of(text, field)
