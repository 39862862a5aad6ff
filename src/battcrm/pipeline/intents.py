"""Turning other layers' intents into messages: the only way anybody but a turn or an operator speaks (PROTOCOL D1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from pydantic import Field

from battcrm.infra.due import ALL_BUCKETS, INTENTS, Claim, DueQueue
from battcrm.infra.health import HEALTH
from battcrm.infra.postgres import UNAVAILABLE, Connection, Pool
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.models.config import SECTIONS, Section
from battcrm.pipeline.configs import Tenancy, TenantConfigs

log = structlog.get_logger(__name__)
WAKE: Final = "intents"
WAKE_OUT: Final = "outgoing"
SERVICE: Final = "service"
_MAX_ATTEMPTS: Final = 8
_BUSY: Final = timedelta(seconds=1)


class ContactSettings(Section):
    """When the shop may write first (section `contact`); hours in the tenant's zone."""

    from_hour: int = Field(10, ge=0, le=23)
    to_hour: int = Field(20, ge=1, le=24)
    expires_hours: int = Field(24, ge=1, le=168, description="an initiated message not sent by then is dropped")


SECTIONS.register("contact", ContactSettings)

# The chat the client wrote in last, if it can still be reached there.
_DIALOG: Final = """
SELECT d.dialog_id, d.channel_id, d.external_chat_id, d.identity_id, d.last_seq, d.last_out, c.do_not_contact, c.blocked,
       c.client_id
FROM client asked
JOIN client c ON c.tenant_id = asked.tenant_id AND c.client_id = coalesce(asked.merged_into, asked.client_id)
JOIN identity i ON i.tenant_id = c.tenant_id AND i.client_id = c.client_id AND i.reachable
JOIN dialog d ON d.tenant_id = i.tenant_id AND d.identity_id = i.identity_id AND d.type IN ('private', 'ad')
JOIN channel ch ON ch.tenant_id = d.tenant_id AND ch.channel_id = d.channel_id AND ch.state = 'active'
WHERE asked.tenant_id = $1 AND asked.client_id = $2
ORDER BY d.last_inbound_at DESC NULLS LAST LIMIT 1 FOR UPDATE OF d
"""
_WORK: Final = """
SELECT lease_until FROM client_work WHERE tenant_id = $1 AND client_id = $2 FOR UPDATE
"""
_HUMAN: Final = """
SELECT EXISTS (SELECT 1 FROM appeal WHERE tenant_id = $1 AND client_id = $2 AND closed_at IS NULL
               AND control IN ('human', 'off'))
"""
_OUTGOING: Final = """
INSERT INTO outgoing (tenant_id, outgoing_id, bucket, dialog_id, channel_id, seq, part, author, state, payload, message_id,
                      due_at, expires_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, 0, 'automation', 'pending', $7, $8, $9, $10, $9)
"""
_MESSAGE: Final = """
INSERT INTO message (tenant_id, message_id, dialog_id, identity_id, seq, direction, author, kind, text, state, outgoing_id,
                     content, received_at)
VALUES ($1, $2, $3, $4, $5, 'out', 'automation', 'message', $6, 'pending', $7, '{}'::jsonb, $8)
"""
_DIALOG_MOVES: Final = """
UPDATE dialog SET last_seq = last_seq + 1, last_out = last_out + 1,
  answered_seq = CASE WHEN due_at IS NULL THEN last_seq + 1 ELSE answered_seq END
WHERE tenant_id = $1 AND dialog_id = $2
"""
_DECISION: Final = """
INSERT INTO decision (tenant_id, decision_id, client_id, dialog_id, action, reason, inputs, versions, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, '{"rule": "intents-1"}'::jsonb, $8)
"""
_SETTLE: Final = """
UPDATE outgoing_intent SET state = $4, due_at = NULL, lease_until = NULL, decided_at = $5
WHERE tenant_id = $1 AND intent_id = $2 AND token = $3 RETURNING intent_id
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of an intent: `send`, `refuse` for good, or `wait` until a moment."""

    action: str
    reason: str
    until: datetime | None = None


class IntentWorker:
    """Decides intents one by one, each in one transaction under its client's locks."""

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        ids: IdFactory,
        wakeups: Wakeups,
        configs: TenantConfigs,
        *,
        buckets: Sequence[int] = ALL_BUCKETS,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._ids = ids
        self._wakeups = wakeups
        self._configs = configs
        self._queue = DueQueue(pool, INTENTS, clock, buckets)

    async def run(self) -> None:
        """Decide until cancelled."""
        while True:
            HEALTH.beat("caretaker")
            try:
                done = await self.step()
            except UNAVAILABLE as error:
                log.warning("intents.database", error=type(error).__name__)
                done = 0
            if not done:
                await self._wakeups.wait(WAKE, 1.0)

    async def step(self) -> int:
        """Decide what is due now; how many."""
        claims = await self._queue.claim(50, lease=30.0)
        for claim in claims:
            try:
                await self._decide(claim)
            except UNAVAILABLE:
                raise
            except Exception as error:  # the intent is tried again later; its neighbours go on
                log.exception("intent.failed", intent_id=str(claim.key))
                await self._later(claim, error)
        return len(claims)

    async def _later(self, claim: Claim, error: Exception) -> None:
        now = self._clock.now()
        if claim.attempts >= _MAX_ATTEMPTS:
            await self._pool.execute(_SETTLE, claim.tenant_id, claim.key, claim.token, "failed", now)
        else:
            pause = timedelta(seconds=2.0**claim.attempts)
            await self._queue.retry(claim, now + pause, type(error).__name__)

    async def _decide(self, claim: Claim) -> None:
        now = self._clock.now()
        tenancy = (await self._configs.load([claim.tenant_id])).get(claim.tenant_id)
        async with self._pool.acquire() as connection, connection.transaction():
            dialog = await connection.fetchrow(_DIALOG, claim.tenant_id, claim.row["client_id"])
            verdict = await self._judge(connection, claim, dialog, tenancy, now)
            if verdict.action == "wait":
                await self._queue.retry(claim, verdict.until or now + _BUSY, verdict.reason, connection)
                return
            state = "queued" if verdict.action == "send" else "refused"
            if await connection.fetchval(_SETTLE, claim.tenant_id, claim.key, claim.token, state, now) is None:
                return
            if verdict.action == "send" and tenancy is not None:
                await self._queue_message(connection, claim, dialog, tenancy, now)
            await self._record(connection, claim, dialog, verdict, now)
        if verdict.action == "send":
            self._wakeups.notify(WAKE_OUT)

    async def _judge(
        self, connection: Connection, claim: Claim, dialog: Any, tenancy: Tenancy | None, now: datetime
    ) -> Verdict:
        if tenancy is None or not tenancy.active:
            return Verdict("refuse", "tenant_inactive")
        if dialog is None:
            return Verdict("refuse", "unreachable")
        lease = await connection.fetchval(_WORK, claim.tenant_id, dialog["client_id"])
        if lease is not None and lease > now:
            return Verdict("wait", "turn_running")
        if dialog["blocked"]:
            return Verdict("refuse", "blocked")
        if claim.row["purpose"] == SERVICE:
            return Verdict("send", "service")
        if dialog["do_not_contact"]:
            return Verdict("refuse", "do_not_contact")
        if await connection.fetchval(_HUMAN, claim.tenant_id, dialog["client_id"]):
            return Verdict("refuse", "human_in_control")
        opens = next_window(now, tenancy.config.section(ContactSettings), tenancy.timezone)
        return Verdict("wait", "quiet_hours", opens) if opens else Verdict("send", "allowed")

    async def _queue_message(
        self, connection: Connection, claim: Claim, dialog: Any, tenancy: Tenancy, now: datetime
    ) -> None:
        content: dict[str, Any] = claim.row["content"]
        outgoing_id, message_id = self._ids.new(), self._ids.new()
        expires = now + timedelta(hours=tenancy.config.section(ContactSettings).expires_hours)
        payload = {"chat": dialog["external_chat_id"], **content}
        tenant, scope = claim.tenant_id, dialog["dialog_id"]
        await connection.execute(
            _OUTGOING,
            tenant,
            outgoing_id,
            bucket_of(tenant),
            scope,
            dialog["channel_id"],
            dialog["last_out"] + 1,
            payload,
            message_id,
            now,
            expires,
        )
        await connection.execute(
            _MESSAGE,
            tenant,
            message_id,
            scope,
            dialog["identity_id"],
            dialog["last_seq"] + 1,
            content.get("text", ""),
            outgoing_id,
            now,
        )
        await connection.execute(_DIALOG_MOVES, tenant, scope)

    async def _record(self, connection: Connection, claim: Claim, dialog: Any, verdict: Verdict, now: datetime) -> None:
        inputs = {"intent": str(claim.key), "purpose": claim.row["purpose"], "cause": claim.row["cause"]}
        client: UUID = dialog["client_id"] if dialog else claim.row["client_id"]
        chat = dialog["dialog_id"] if dialog else None
        await connection.execute(
            _DECISION,
            claim.tenant_id,
            self._ids.new(),
            client,
            chat,
            "touch" if verdict.action == "send" else "silence",
            verdict.reason,
            inputs,
            now,
        )


def next_window(now: datetime, settings: ContactSettings, timezone: str) -> datetime | None:
    """None if the shop may write first now, else the moment the window opens (in UTC)."""
    local = now.astimezone(ZoneInfo(timezone))
    if settings.from_hour <= local.hour < settings.to_hour:
        return None
    opens = local.replace(hour=settings.from_hour, minute=0, second=0, microsecond=0)
    if local.hour >= settings.to_hour:
        opens += timedelta(days=1)
    return opens.astimezone(now.tzinfo)
