"""The AI worker: claims due clients and runs their turns, hundreds at a time while models think."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from battcrm.infra.batcher import Batcher
from battcrm.infra.due import ALL_BUCKETS, CLIENT_WORK, Claim, DueQueue
from battcrm.infra.handoff import Handoff
from battcrm.infra.health import HEALTH
from battcrm.infra.pace import Muster
from battcrm.infra.postgres import UNAVAILABLE, Pool
from battcrm.infra.telemetry import METRICS
from battcrm.infra.tracing import TRACING
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.pipeline import traced
from battcrm.pipeline.fallback import internal_error
from battcrm.pipeline.presence import Presence, Thinking
from battcrm.pipeline.turn import TurnEngine
from battcrm.pipeline.turn_commit import TurnCommitter
from battcrm.pipeline.turn_load import TurnLoader
from battcrm.pipeline.turn_types import ClientInput, TurnInput, TurnOutcome, TurnState

log = structlog.get_logger(__name__)
WAKE: Final = "turns"
WAKE_OUT: Final = "outgoing"
WAKE_RELAY: Final = "outbox"
_MAX_ATTEMPTS: Final = 4


class AiWorker:
    """One process's share of the turns. `concurrency` bounds turns in flight, `per_tenant` those of one tenant.

    `handoff`: where clients come from that were leased to this worker as they became due. `commits`: shared with the
    engine; turns that end at about the same time are committed together.
    """

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        wakeups: Wakeups,
        engine: TurnEngine,
        loader: TurnLoader,
        committer: TurnCommitter,
        *,
        concurrency: int = 400,
        per_tenant: int = 64,
        lease: float = 60.0,
        deadline: float = 45.0,
        presence: Presence | None = None,
        commits: Muster | None = None,
        handoff: Handoff | None = None,
        buckets: Sequence[int] = ALL_BUCKETS,
    ) -> None:
        self._clock = clock
        self._wakeups = wakeups
        self._engine = engine
        self._committer = committer
        self._queue = DueQueue(pool, CLIENT_WORK, clock, buckets)
        self._loads: Batcher[Claim, ClientInput] = Batcher(loader.load, maximum=100, lanes=2)
        self._muster = commits or Muster()
        self._commits: Batcher[TurnOutcome, TurnState] = Batcher(committer.commit, maximum=60, muster=self._muster)
        self._releases: Batcher[Claim, None] = Batcher(committer.release_idle, maximum=200)
        self._concurrency = concurrency
        self._per_tenant = per_tenant
        self.lease = lease
        self._handoff = handoff or Handoff()
        self._given: list[Claim] = []
        self._group: asyncio.TaskGroup | None = None
        self._deadline = deadline
        self._presence = presence
        self._running: dict[UUID, Claim] = {}
        self._tenants: Counter[UUID] = Counter()
        self._slot_free = asyncio.Event()

    @property
    def running(self) -> int:
        """Clients whose turns are in flight."""
        return len(self._running)

    async def run(self) -> None:
        """Work until cancelled; turns in flight are then abandoned and their leases expire."""
        async with asyncio.TaskGroup() as self._group:
            self._group.create_task(self._heartbeat())
            with self._handoff.to(self):
                while True:
                    HEALTH.beat("ai-worker")
                    if not await self._start_some(self._group):
                        await self._wakeups.wait(WAKE, self._queue.pause())

    async def step(self) -> int:
        """Run everything that is due now to its end; how many clients. For tests and scripts with a moved clock."""
        async with asyncio.TaskGroup() as group:
            before = len(self._running)
            given, self._given = self._given, []
            self._start(group, given)
            await self._start_some(group)
            return len(self._running) - before

    def room(self) -> int:
        """How many clients may be handed over: half of the room is left to what has waited longer."""
        return self._concurrency // 2 - len(self._running)

    def room_of(self, tenant_id: UUID) -> int:
        """The same for one tenant."""
        return self._per_tenant // 2 - self._tenants[tenant_id]

    def take(self, claims: Sequence[Claim]) -> None:
        """Begin the turns of clients that were leased to this worker; without `run`, with the next `step`."""
        if self._group is not None:
            self._start(self._group, claims)
        else:
            self._given += claims

    async def _start_some(self, group: asyncio.TaskGroup) -> bool:
        """Claim once and start what was claimed; True if there may be more right now."""
        free = self._concurrency - len(self._running)
        if free <= 0:
            self._slot_free.clear()
            await self._slot_free.wait()
            return True
        capped = [t for t, n in self._tenants.items() if n >= self._per_tenant]
        try:
            claims = await self._queue.claim(
                min(free, 100), lease=self.lease, per_tenant=self._per_tenant, skip_tenants=capped
            )
        except UNAVAILABLE as error:
            log.warning("turns.database", error=type(error).__name__)
            await self._clock.sleep(0.5)
            return False
        self._start(group, claims)
        # Fewer than a tenant's share: nobody was capped, so everything due has been taken.
        return len(claims) >= min(free, self._per_tenant)

    def _start(self, group: asyncio.TaskGroup, claims: Sequence[Claim]) -> None:
        for claim in claims:
            self._running[claim.key] = claim
            self._tenants[claim.tenant_id] += 1
            METRICS.turns_running.set(len(self._running))
            group.create_task(self._guarded(claim))

    async def _guarded(self, claim: Claim) -> None:
        try:
            await self._client(claim)
        except UNAVAILABLE as error:
            # Nothing was committed. Given back at once if that works, otherwise when the lease expires.
            log.warning("turn.database", client_id=str(claim.key), error=type(error).__name__, detail=str(error)[:200])
            await self._retry(claim, error)
        except Exception as error:  # the turn is tried again, then handed over; its neighbours go on
            log.exception("turn.failed", client_id=str(claim.key), tenant_id=str(claim.tenant_id))
            METRICS.turns.labels("failed").inc()
            await self._retry(claim, error)
        finally:
            if self._running.get(claim.key) is claim:
                del self._running[claim.key]
            if self._tenants[claim.tenant_id] >= self._per_tenant:
                # It was left out of claims while it had its share.
                self._wakeups.notify(WAKE)
            self._tenants[claim.tenant_id] -= 1
            if not self._tenants[claim.tenant_id]:
                del self._tenants[claim.tenant_id]
            self._slot_free.set()

    async def _retry(self, claim: Claim, error: Exception) -> None:
        at = self._clock.now() + timedelta(seconds=min(30.0, 0.5 * 2**claim.attempts))
        try:
            await self._queue.retry(claim, at, f"{type(error).__name__}: {error}")
        except UNAVAILABLE:
            return

    async def _client(self, claim: Claim) -> None:
        loaded = await self._loads.submit(claim)
        if not loaded.turns:
            await self._releases.submit(claim)
            return
        for index, turn in enumerate(loaded.turns):
            began = self._clock.monotonic()
            outcome = await self._run_turn(turn)
            outcome.final = index == len(loaded.turns) - 1
            thought = self._clock.now()
            if TRACING.on:
                traced.bind_turn(outcome)
            state = await self._commits.submit(outcome)
            if TRACING.on:
                traced.turned(outcome, state, thought, self._clock.now())
            waited = outcome.timings.get("model_ms", 0.0) / 1000
            METRICS.turn_time.observe(max(0.0, self._clock.monotonic() - began - waited))
            self._after(outcome, state)
            if state in (TurnState.SUPERSEDED, TurnState.LOST):
                return

    async def _run_turn(self, turn: TurnInput) -> TurnOutcome:
        """A turn that keeps failing ends as a handover; the next message starts afresh (PROTOCOL C5)."""
        if turn.claim.attempts > _MAX_ATTEMPTS:
            return internal_error(turn, self._engine, turn.claim.row["last_error"] or "repeated failure")
        with Thinking(self._presence, turn), self._muster.coming():
            async with asyncio.timeout(self._deadline):
                return await self._engine.run(turn)

    def _after(self, outcome: TurnOutcome, state: TurnState) -> None:
        if state is TurnState.POSTED and not outcome.taken:
            self._wakeups.notify(WAKE_OUT)
        if state in (TurnState.POSTED, TurnState.SILENT):
            self._wakeups.notify(WAKE_RELAY)
        if state is TurnState.SUPERSEDED or not outcome.final:
            self._wakeups.notify(WAKE)

    async def _heartbeat(self) -> None:
        while True:
            await self._clock.sleep(self.lease / 3)
            claims = list(self._running.values())
            if claims:
                try:
                    await self._queue.extend(claims, self.lease)
                except UNAVAILABLE as error:
                    log.warning("turns.heartbeat", error=type(error).__name__)
