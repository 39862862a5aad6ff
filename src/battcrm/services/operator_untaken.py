"""A handover that nobody takes: the operators are reminded, the client is told honestly, the bot returns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.events.catalogue import AppealControlChanged, Event, HandoverReminded
from battcrm.events.outbox import append
from battcrm.infra.due import Claim
from battcrm.infra.postgres import Connection
from battcrm.kit.ids import bucket_of
from battcrm.pipeline.configs import Tenancy
from battcrm.pipeline.control import lock_dialog
from battcrm.pipeline.handovers import UNTAKEN_KIND
from battcrm.pipeline.intents import ContactSettings, next_window
from battcrm.pipeline.settings import DialogSettings
from battcrm.response.generator import notice
from battcrm.response.hours import Hours, after_working
from battcrm.response.settings import ResponseSettings
from battcrm.services import operator_untaken_sql as sql
from battcrm.services.operator_desk import WAKE_RELAY, Desk

WAKE_INTENTS: Final = "intents"
_REASON: Final = "nobody_took"
_REMINDERS: Final = 6

__all__ = ["UNTAKEN_KIND", "Untaken"]


@dataclass(frozen=True, slots=True)
class _Moments:
    """When the operators are reminded (each pause twice the one before) and when waiting ends; None = never."""

    reminders: tuple[datetime, ...]
    end: datetime | None


class Untaken(Desk):
    """Due-work of handovers, in the shop's working time. Raises Transient."""

    async def handle(self, claim: Claim) -> datetime | None:
        """Do what is due about one handover; when to look again, None when somebody took it or all is done."""
        tenant_id, now = claim.tenant_id, self._clock.now()
        appeal_id = UUID(claim.row["payload"]["appeal_id"])
        since = datetime.fromisoformat(claim.row["payload"]["since"])
        async with self._connection() as connection:
            appeal = await connection.fetchrow(sql.STATE, tenant_id, appeal_id)
            tenancy = (await self._configs.load([tenant_id], connection)).get(tenant_id)
        if tenancy is None or not tenancy.active or appeal is None or not _waits(appeal):
            return None
        moments = _moments(tenancy, since)
        if moments.end is not None and now >= moments.end:
            opens = _closed_until(tenancy, now)
            if opens is not None:
                return opens
            await self._end(tenancy, tenant_id, appeal, since, now)
            return None
        passed = [m for m in moments.reminders if m <= now]
        if passed:
            await self._remind(tenant_id, appeal, now, int((now - since).total_seconds()))
        coming = [m for m in (*moments.reminders, moments.end) if m is not None and m > now]
        return min(coming, default=None)

    async def _remind(self, tenant_id: UUID, appeal: Any, now: datetime, waited: int) -> None:
        async with self._connection() as connection, connection.transaction():
            if await connection.fetchrow(sql.LOCK, tenant_id, appeal["appeal_id"]) is None:
                return
            keys = (appeal["client_id"], appeal["appeal_id"], appeal["dialog_id"])
            await append(connection, [HandoverReminded(tenant_id, *keys, waited)], self._ids, now)
        self._wake(WAKE_RELAY)

    async def _end(self, tenancy: Tenancy, tenant_id: UUID, appeal: Any, since: datetime, now: datetime) -> None:
        """Tell the client how it is. What only a person may deal with stays with the people; else the bot returns."""
        reason = appeal["handover"].get("reason", "")
        stays = reason in tenancy.config.section(DialogSettings).untaken_keeps
        async with self._connection() as connection, connection.transaction():
            dialog = await lock_dialog(connection, tenant_id, appeal["dialog_id"])
            found = await connection.fetchrow(sql.LOCK if stays else sql.RETURN, tenant_id, appeal["appeal_id"])
            if dialog is None or found is None:
                return
            events: list[Event] = []
            if not stays:
                who = (tenant_id, found["client_id"], appeal["appeal_id"], found["version"])
                events.append(AppealControlChanged(*who, "human", "bot", _REASON))
                await connection.execute(sql.NOTICE, tenant_id, dialog["dialog_id"])
            text = _text(tenancy, appeal, now, returned=not stays)
            await self._tell(connection, tenant_id, appeal, since, now, text)
            record = (found["client_id"], dialog["dialog_id"], appeal["appeal_id"], "notice" if stays else "return")
            inputs = {"handover": dict(appeal["handover"]), "waited_s": int((now - since).total_seconds())}
            await connection.execute(sql.DECISION, tenant_id, self._ids.new(), *record, inputs, now)
            await append(connection, events, self._ids, now)
        self._wake(WAKE_INTENTS, WAKE_RELAY)

    async def _tell(
        self, connection: Connection, tenant_id: UUID, appeal: Any, since: datetime, now: datetime, text: str
    ) -> None:
        """A wish like any other layer's (PROTOCOL D1): the pipeline sends it once, when it may."""
        appeal_id = str(appeal["appeal_id"])
        cause = {"kind": UNTAKEN_KIND, "appeal_id": appeal_id}
        key = f"untaken:{appeal_id}:{int(since.timestamp())}"
        content = {"text": text, "buttons": []}
        place = (self._ids.new(), bucket_of(tenant_id), appeal["client_id"])
        await connection.execute(sql.INTENT, tenant_id, *place, content, cause, key, now)


def _waits(appeal: Any) -> bool:
    return appeal["control"] == "human" and appeal["control_until"] is None and appeal["closed_at"] is None


def _moments(tenancy: Tenancy, since: datetime) -> _Moments:
    settings, hours = tenancy.config.section(DialogSettings), tenancy.config.section(ResponseSettings).hours
    spans = list(_growing(settings.untaken_reminds))
    end = _after(hours, tenancy.timezone, since, settings.untaken_returns) if settings.untaken_returns else None
    return _Moments(tuple(_after(hours, tenancy.timezone, since, span) for span in spans), end)


def _growing(first: float) -> Iterator[float]:
    for number in range(_REMINDERS):
        yield first * 2**number


def _after(hours: Hours, timezone: str, since: datetime, seconds: float) -> datetime:
    return after_working(hours, since, timedelta(seconds=seconds), timezone)


def _closed_until(tenancy: Tenancy, now: datetime) -> datetime | None:
    """A shop that gave no hours tells nobody at night: then the hours of messages it starts itself hold."""
    if tenancy.config.section(ResponseSettings).hours.known:
        return None
    return next_window(now, tenancy.config.section(ContactSettings), tenancy.timezone)


def _text(tenancy: Tenancy, appeal: Any, now: datetime, *, returned: bool) -> str:
    settings = tenancy.config.section(ResponseSettings)
    variables = {"number": appeal["number"], "returned": returned}
    locale = str(appeal["locale"])[:2]
    return notice(
        "untaken", settings, variables, locale=locale, client=appeal["display_name"], now=now,
        timezone=tenancy.timezone, shop={"name": tenancy.name},
    )  # fmt: skip
