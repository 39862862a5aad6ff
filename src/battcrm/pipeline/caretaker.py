"""Due-work of the core that is nobody's turn: control goes back to the bot when an operator fell silent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from battcrm.events.outbox import append
from battcrm.infra.due import ALL_BUCKETS, DUE_WORK, Claim, DueQueue
from battcrm.infra.postgres import UNAVAILABLE, Pool
from battcrm.infra.telemetry import METRICS
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Permanent
from battcrm.kit.ids import IdFactory
from battcrm.kit.text import dumps
from battcrm.pipeline.control import RETURN_KIND, lock_dialog, return_control

log = structlog.get_logger(__name__)
WAKE: Final = "due_work"
WAKE_TURNS: Final = "turns"
_MAX_ATTEMPTS: Final = 8
Handler = Callable[[Claim], Awaitable[None]]

_DONE: Final = """
UPDATE due_work SET due_at = NULL, lease_until = NULL, done_at = $4 WHERE tenant_id = $1 AND work_id = $2 AND token = $3
"""
_DEAD: Final = """
INSERT INTO dead_letter (tenant_id, dead_id, source, reason, payload, context, created_at)
VALUES ($1, $2, 'work', $3, $4, $5, $6)
"""


class Caretaker:
    """Runs `due_work` rows by kind. Layers add handlers; the core's own is the return of control."""

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        ids: IdFactory,
        wakeups: Wakeups,
        *,
        handlers: Mapping[str, Handler] | None = None,
        buckets: Sequence[int] = ALL_BUCKETS,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._ids = ids
        self._wakeups = wakeups
        self._queue = DueQueue(pool, DUE_WORK, clock, buckets)
        self._handlers: dict[str, Handler] = {RETURN_KIND: self.return_control, **(handlers or {})}

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                done = await self.step()
            except UNAVAILABLE as error:
                log.warning("caretaker.database", error=type(error).__name__)
                done = 0
            if not done:
                await self._wakeups.wait(WAKE, 1.0)

    async def step(self) -> int:
        """Do what is due now; how many rows."""
        claims = await self._queue.claim(20, lease=120.0)
        for claim in claims:
            await self._one(claim)
        return len(claims)

    async def _one(self, claim: Claim) -> None:
        kind: str = claim.row["kind"]
        try:
            handler = self._handlers.get(kind)
            if handler is None:
                raise Permanent(f"nobody handles work of kind {kind!r}", code="unknown_kind")
            await handler(claim)
        except UNAVAILABLE:
            raise
        except Exception as error:  # noqa: BLE001 - a failing row is retried, then buried; the others go on
            log.warning("work.failed", kind=kind, work_id=str(claim.key), error=type(error).__name__)
            await self._failed(claim, error)
            return
        await self._pool.execute(_DONE, claim.tenant_id, claim.key, claim.token, self._clock.now())

    async def _failed(self, claim: Claim, error: Exception) -> None:
        now = self._clock.now()
        if claim.attempts < _MAX_ATTEMPTS and not isinstance(error, Permanent):
            pause = getattr(error, "retry_after", None) or min(600.0, 2.0**claim.attempts)
            await self._queue.retry(claim, now + timedelta(seconds=pause), str(error))
            return
        async with self._pool.acquire() as connection, connection.transaction():
            context: dict[str, Any] = {"kind": claim.row["kind"], "work_id": str(claim.key)}
            payload = dumps(claim.row["payload"])
            await connection.execute(_DEAD, claim.tenant_id, self._ids.new(), str(error)[:500], payload, context, now)
            await connection.execute(_DONE, claim.tenant_id, claim.key, claim.token, now)
        METRICS.dead.labels("work").inc()

    async def return_control(self, claim: Claim) -> None:
        """Give the appeals of a dialog back to the bot, whose turn follows if the client spoke last (PROTOCOL D2)."""
        now = self._clock.now()
        tenant, dialog_id = claim.tenant_id, UUID(claim.row["payload"]["dialog_id"])
        async with self._pool.acquire() as connection, connection.transaction():
            dialog = await lock_dialog(connection, tenant, dialog_id)
            if dialog is None:
                return
            events = await return_control(connection, tenant, dialog, now, reason="operator_silent", promised_by=now)
            await append(connection, events, self._ids, now)
        self._wakeups.notify(WAKE_TURNS)
