"""The human side of a handover: see who waits, take over, answer, hand back, close (PROTOCOL D2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.events.catalogue import AppealControlChanged, AppealStageChanged, Event
from battcrm.events.outbox import append
from battcrm.infra.postgres import Connection
from battcrm.kit.errors import Conflict, Invalid
from battcrm.kit.ids import bucket_of
from battcrm.kit.text import storable
from battcrm.models.situation import AppealStatus
from battcrm.pipeline.control import hold, return_control, take_control
from battcrm.pipeline.outcomes import end_by_person
from battcrm.services import operator_sql as sql
from battcrm.services.operator_desk import WAKE_OUT, WAKE_RELAY, WAKE_TURNS, Desk
from battcrm.services.operator_views import Thread, Waiting, thread_of, waiting_of

CLOSE_AS: Final = (AppealStatus.DONE, AppealStatus.LOST, AppealStatus.SPAM)
MAX_TEXT: Final = 20_000
MIN_PAUSE: Final = 60.0
MAX_PAUSE: Final = 366 * 86_400.0


class Operators(Desk):
    """What an operator does to appeals of a tenant, by their numbers.

    Every act is one transaction under the dialog's lock. Raises Invalid for a number that does not exist, Conflict when
    the appeal's state does not allow the act, Transient when the database is away.
    """

    async def waiting(self, tenant_id: UUID, *, limit: int = 100) -> Sequence[Waiting]:
        """Open appeals in human hands: those that wait first, the longest wait on top."""
        async with self._connection() as connection:
            return [waiting_of(row) for row in await connection.fetch(sql.LIST, tenant_id, limit)]

    async def show(self, tenant_id: UUID, number: int, *, messages: int = 30) -> Thread:
        """One appeal with its facts, handover note and the newest messages of its chat."""
        async with self._connection() as connection:
            row = await self._find(connection, tenant_id, number)
            return thread_of(row, await connection.fetch(sql.THREAD, tenant_id, row["dialog_id"], messages))

    async def take(self, tenant_id: UUID, number: int, *, keep: bool = False) -> None:
        """The human speaks from now on: the bot's pending replies are cancelled, a running turn will be dropped.

        With `keep` the bot never comes back by itself.
        """
        now = self._clock.now()
        async with self._acting(tenant_id, number) as (connection, appeal, dialog):
            if appeal["closed_at"] is not None:
                raise closed(number, appeal["status"])
            if appeal["control"] == "off":
                raise Conflict(
                    f"the bot is switched off in appeal {number}: nobody has to take it",
                    field="number", remedy=f"`reply {number}` says something, `return {number}` lets the bot speak",
                    code="bot_off",
                )  # fmt: skip
            events = await self._take(connection, tenant_id, dialog["dialog_id"], now, keep=keep, spoke=False)
            await connection.execute(sql.NOTICE, tenant_id, dialog["dialog_id"])
            await append(connection, events, self._ids, now)
        self._wake(WAKE_RELAY)

    async def pause(self, tenant_id: UUID, number: int, seconds: float) -> datetime:
        """The bot keeps silent in this appeal for a while; until when. It answers what came meanwhile."""
        if not MIN_PAUSE <= seconds <= MAX_PAUSE:
            raise Invalid(f"a pause of {seconds:g} s", field="for", remedy="from a minute to a year")
        until = self._clock.now() + timedelta(seconds=seconds)
        await self._hold(tenant_id, number, until)
        return until

    async def switch_off(self, tenant_id: UUID, number: int) -> None:
        """The bot keeps silent in this appeal until it is given back by hand."""
        await self._hold(tenant_id, number, None)

    async def _hold(self, tenant_id: UUID, number: int, until: datetime | None) -> None:
        now = self._clock.now()
        async with self._acting(tenant_id, number) as (connection, appeal, dialog):
            if appeal["closed_at"] is not None:
                raise closed(number, appeal["status"])
            scope = dialog["dialog_id"]
            events = await hold(connection, tenant_id, scope, appeal, self._ids, now, until=until)
            await connection.execute(sql.NOTICE, tenant_id, scope)
            await append(connection, events, self._ids, now)
        self._wake(WAKE_RELAY)

    async def reply(self, tenant_id: UUID, number: int, text: str) -> UUID:
        """Say something to the client as a human; the outgoing row's id. The bot keeps silent from then on."""
        said = speakable(text)
        now = self._clock.now()
        async with self._acting(tenant_id, number) as (connection, appeal, dialog):
            if not dialog["reachable"]:
                raise unreachable()
            events = await self._take(connection, tenant_id, dialog["dialog_id"], now)
            outgoing_id = await self._say(connection, tenant_id, appeal["appeal_id"], dialog, said, now)
            await append(connection, events, self._ids, now)
        self._wake(WAKE_OUT, WAKE_RELAY)
        return outgoing_id

    async def give_back(self, tenant_id: UUID, number: int) -> bool:
        """The bot speaks again, at once if the last word is the client's. False if it had control already."""
        now = self._clock.now()
        async with self._acting(tenant_id, number) as (connection, appeal, dialog):
            events = await return_control(
                connection, tenant_id, dialog, now, reason="returned", promised_by=None, appeal_id=appeal["appeal_id"]
            )
            await append(connection, events, self._ids, now)
        self._wake(WAKE_TURNS, WAKE_RELAY)
        return bool(events)

    async def close(self, tenant_id: UUID, number: int, outcome: AppealStatus) -> None:
        """End the appeal and its episode as done, lost or spam."""
        if outcome not in CLOSE_AS:
            raise Invalid(f"an appeal cannot be closed as {outcome}", field="as", remedy="done, lost or spam")
        now = self._clock.now()
        async with self._acting(tenant_id, number) as (connection, appeal, dialog):
            key = (tenant_id, appeal["appeal_id"])
            before = await connection.fetchrow(sql.LOCK_APPEAL, *key)
            if before is None or before["closed_at"] is not None:
                raise closed(number, appeal["status"])
            version: int = await connection.fetchval(sql.CLOSE, *key, outcome.value, now)
            await end_by_person(connection, tenant_id, appeal["episode_id"], now)
            await connection.execute(sql.NOTICE, tenant_id, dialog["dialog_id"])
            events = _closing(tenant_id, appeal, before, version, outcome)
            await append(connection, events, self._ids, now)
        self._wake(WAKE_RELAY)

    async def _take(
        self,
        connection: Connection,
        tenant_id: UUID,
        dialog_id: UUID,
        now: datetime,
        *,
        keep: bool = False,
        spoke: bool = True,
    ) -> list[Event]:
        returns = None if keep else (await self._dialog_settings(connection, tenant_id)).human_returns
        return await take_control(
            connection, tenant_id, dialog_id, self._ids, now, reason="taken", returns_after=returns, spoke=spoke
        )

    async def _say(
        self, connection: Connection, tenant_id: UUID, appeal_id: UUID, dialog: Any, text: str, now: datetime
    ) -> UUID:
        outgoing_id, message_id = self._ids.new(), self._ids.new()
        scope = dialog["dialog_id"]
        payload = {"chat": dialog["external_chat_id"], "text": text, "buttons": []}
        await connection.execute(
            sql.OUTGOING,
            tenant_id,
            outgoing_id,
            bucket_of(tenant_id),
            scope,
            dialog["channel_id"],
            dialog["last_out"] + 1,
            payload,
            message_id,
            now,
        )
        place = (scope, dialog["identity_id"], dialog["last_seq"] + 1)
        await connection.execute(sql.MESSAGE, tenant_id, message_id, *place, text, appeal_id, outgoing_id, now)
        await connection.execute(sql.ANSWERED, tenant_id, scope)
        return outgoing_id


def closed(number: int, status: str) -> Conflict:
    """The refusal of an act that only an open appeal allows."""
    remedy = "`reply` still reaches the client; their next words open it again, or another"
    return Conflict(f"appeal {number} is closed ({status})", field="number", remedy=remedy, code="appeal_closed")


def unreachable() -> Conflict:
    """The refusal to write to somebody who cannot be written to."""
    remedy = "phone them, or write in another channel of theirs"
    return Conflict("the client has blocked the channel", field="number", remedy=remedy, code="unreachable")


def speakable(text: str) -> str:
    said = storable(text).strip()
    if not said:
        raise Invalid("an empty reply", field="text", remedy="give the words to send")
    if len(said) > MAX_TEXT:
        raise Invalid(f"the reply has {len(said)} characters", field="text", remedy=f"at most {MAX_TEXT}")
    return said


def _closing(tenant_id: UUID, appeal: Any, before: Any, version: int, outcome: AppealStatus) -> list[Event]:
    who = (tenant_id, appeal["client_id"], appeal["appeal_id"], version)
    events: list[Event] = [AppealStageChanged(*who, before["status"], outcome.value)]
    if before["control"] != "bot":
        events.append(AppealControlChanged(*who, before["control"], "bot", "closed"))
    return events
