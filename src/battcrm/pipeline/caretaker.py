"""Due-work that is nobody's turn, by kind; the core's own gives control back when an operator fell silent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from battcrm.events.outbox import append
from battcrm.infra.due import ALL_BUCKETS, DUE_WORK, Claim, DueQueue, DueTable
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
_LEASE: Final = 180.0
ONLY_KINDS: Final = DueTable(DUE_WORK.name, DUE_WORK.key, extra="AND w.kind = ANY($8)")
ALL_BUT_KINDS: Final = DueTable(DUE_WORK.name, DUE_WORK.key, extra="AND w.kind <> ALL($8)")
# What a handler returns is when its row is due again, with its attempts forgotten; None = it is done.
Handler = Callable[[Claim], Awaitable[datetime | None]]

_DONE: Final = """
UPDATE due_work SET due_at = NULL, lease_until = NULL, done_at = $4 WHERE tenant_id = $1 AND work_id = $2 AND token = $3
"""
_AGAIN: Final = """
UPDATE due_work SET due_at = $4, lease_until = NULL, attempts = 0, last_error = NULL
WHERE tenant_id = $1 AND work_id = $2 AND token = $3
"""
_DEAD: Final = """
INSERT INTO dead_letter (tenant_id, dead_id, source, reason, payload, context, created_at)
VALUES ($1, $2, 'work', $3, $4, $5, $6)
"""


class Caretaker:
    """Runs `due_work` rows by kind. Layers add handlers; the core's own is the return of control.

    `only` makes a lane of its own for kinds that wait for others' servers; such kinds are named in `but` of the rest,
    which stays quick. Rows of a kind that nobody handles are buried.
    """

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        ids: IdFactory,
        wakeups: Wakeups,
        *,
        handlers: Mapping[str, Handler] | None = None,
        only: frozenset[str] = frozenset(),
        but: frozenset[str] = frozenset(),
        concurrency: int = 8,
        buckets: Sequence[int] = ALL_BUCKETS,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._ids = ids
        self._wakeups = wakeups
        self._queue = DueQueue(pool, ONLY_KINDS if only else ALL_BUT_KINDS, clock, buckets)
        self._kinds = sorted(only or but)
        self._handlers: dict[str, Handler] = {RETURN_KIND: self.return_control, **(handlers or {})}
        self._concurrency = concurrency
        self._running = 0
        self._slot_free = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                if not await self._start_some(group):
                    await self._wakeups.wait(WAKE, 1.0)

    async def step(self) -> int:
        """Do what is due now, to its end; how many rows."""
        async with asyncio.TaskGroup() as group:
            return await self._start_some(group)

    async def _start_some(self, group: asyncio.TaskGroup) -> int:
        free = self._concurrency - self._running
        if free <= 0:
            self._slot_free.clear()
            await self._slot_free.wait()
            return 1
        try:
            claims = await self._queue.claim(free, lease=_LEASE, extra=(self._kinds,))
        except UNAVAILABLE as error:
            log.warning("caretaker.database", error=type(error).__name__)
            await self._clock.sleep(0.5)
            return 0
        for claim in claims:
            self._running += 1
            group.create_task(self._guarded(claim))
        return len(claims)

    async def _guarded(self, claim: Claim) -> None:
        try:
            await self._one(claim)
        except UNAVAILABLE as error:
            # Given to whoever claims it once the lease has run out.
            log.warning("work.database", kind=claim.row["kind"], error=type(error).__name__)
        finally:
            self._running -= 1
            self._slot_free.set()

    async def _one(self, claim: Claim) -> None:
        kind: str = claim.row["kind"]
        try:
            handler = self._handlers.get(kind)
            if handler is None:
                raise Permanent(f"nobody handles work of kind {kind!r}", code="unknown_kind")
            again = await handler(claim)
        except UNAVAILABLE:
            raise
        except Exception as error:  # noqa: BLE001 - a failing row is retried, then buried; the others go on
            log.warning("work.failed", kind=kind, work_id=str(claim.key), error=type(error).__name__)
            await self._failed(claim, error)
            return
        if again is None:
            await self._pool.execute(_DONE, claim.tenant_id, claim.key, claim.token, self._clock.now())
        else:
            await self._pool.execute(_AGAIN, claim.tenant_id, claim.key, claim.token, again)

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
