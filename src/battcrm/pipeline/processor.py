"""The processor: inbox rows become messages, events and due clients in one transaction, exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from battcrm.events.outbox import append, append_together
from battcrm.infra.due import ALL_BUCKETS, NO_TENANT, Claim
from battcrm.infra.handoff import Handoff
from battcrm.infra.health import HEALTH
from battcrm.infra.postgres import UNAVAILABLE, Connection, Pool, is_cut
from battcrm.infra.telemetry import METRICS
from battcrm.infra.together import Together
from battcrm.infra.tracing import TRACING
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.ids import IdFactory
from battcrm.models.unified_codec import decode
from battcrm.pipeline import intake_store as store
from battcrm.pipeline import traced
from battcrm.pipeline.configs import Tenancy, TenantConfigs
from battcrm.pipeline.echoes import apply_echo
from battcrm.pipeline.intake import Change, IntakePlan, IntakePlanner, content_of, late_edit
from battcrm.pipeline.intake_work import schedule
from battcrm.pipeline.settings import DialogSettings
from battcrm.resolution.directory import Arrival, Directory

log = structlog.get_logger(__name__)
WAKE: Final = "inbox"
WAKE_TURNS: Final = "turns"
WAKE_RELAY: Final = "outbox"
WAKE_WORK: Final = "due_work"
_MAX_ATTEMPTS: Final = 5
# After so many lost connections with nothing done in between it is the row that breaks them.
_PATIENCE: Final = 20
_DEFAULT: Final = DialogSettings()


class Processor:
    """One replica. After a start it takes rows with their attempts committed first, until the backlog is through:
    a row that killed the process before is then met alone and, after five deaths, buried (PROTOCOL B2).
    """

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        ids: IdFactory,
        wakeups: Wakeups,
        configs: TenantConfigs,
        *,
        ordered_kinds: frozenset[str] = frozenset(),
        hydrated_kinds: frozenset[str] = frozenset(),
        turns: Handoff | None = None,
        buckets: Sequence[int] = ALL_BUCKETS,
        batch: int = 200,
        per_tenant: int = 50,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._ids = ids
        self._wakeups = wakeups
        self._configs = configs
        self._directory = Directory(ids)
        self._ordered = ordered_kinds
        self._hydrated = hydrated_kinds
        self._turns = turns or Handoff()
        self._buckets = list(buckets)
        self._batch = batch
        self._per_tenant = per_tenant
        self._cursor = NO_TENANT
        self._careful = True
        self._marked: Sequence[Any] = ()
        self._cuts = self._lost_marks = 0

    async def run(self) -> None:
        """Process until cancelled: at once when woken, otherwise once a second."""
        while True:
            HEALTH.beat("processor")
            try:
                done = await self.step()
            except UNAVAILABLE as error:
                log.warning("processor.database", error=type(error).__name__)
                await self._clock.sleep(0.5)
                continue
            # Fewer than a tenant's share: nobody was capped, so all there was has been taken.
            if done == 0 or (not self._careful and done < self._per_tenant):
                await self._wakeups.wait(WAKE, 1.0)

    async def step(self) -> int:
        """One batch; the number of rows taken. A batch that fails is taken again row by row."""
        started = self._clock.monotonic()
        if self._careful:
            done = await self._careful_step()
        else:
            try:
                done = await self._normal_step()
            except UNAVAILABLE:
                raise
            except Exception as error:  # noqa: BLE001 - one row of the batch is bad; find it by taking them singly
                log.warning("processor.batch_failed", error=type(error).__name__, detail=str(error)[:200])
                self._careful = True
                return await self._careful_step()
        if done:
            METRICS.batch.observe(self._clock.monotonic() - started)
        return done

    async def _normal_step(self) -> int:
        rows = await self._through(store.TAKE, *self._claim(self._batch, attempted=False))
        self._advance(rows)
        if len(rows) < self._per_tenant:
            self._cursor = NO_TENANT
        if not rows and self._cursor == NO_TENANT:
            # Rows met before and left behind (a failed single) still wait with attempts > 0.
            return await self._careful_step(only_attempted=True)
        return len(rows)

    async def _careful_step(self, *, only_attempted: bool = False) -> int:
        """One row that was begun before, or else a batch of new ones, with the attempt committed first.

        A row is never marked on behalf of another: a neighbour of a deadly row must not share its count.
        """
        if self._marked:
            await self._forgive()
        began = self._cursor
        begun = await self._mark(1, attempted=True)
        if begun:
            self._advance(begun)
            await self._single(begun[0])
            return 1
        if began == NO_TENANT:
            self._lost_marks = 0
        fresh = [] if only_attempted else await self._mark(self._batch, attempted=False)
        self._advance(fresh)
        if fresh:
            await self._take(fresh)
        elif began != NO_TENANT:
            return await self._careful_step(only_attempted=only_attempted)
        elif not only_attempted:
            self._careful = False
        return len(fresh)

    async def _mark(self, limit: int, *, attempted: bool) -> list[Any]:
        async with self._pool.acquire() as connection:
            try:
                self._marked = await connection.fetch(store.MARK, *self._claim(limit, attempted=attempted))
            except UNAVAILABLE as error:
                self._lost_marks += is_cut(error)
                raise
        return list(self._marked)

    async def _forgive(self) -> None:
        """The connection was lost between mark and take: no row's fault. Only a death of the process counts."""
        if self._cuts < _PATIENCE:
            await self._pool.execute(store.UNMARK, *_keys(self._marked))
        self._cuts += 1
        self._marked = ()

    async def _take(self, rows: Sequence[Any]) -> bool:
        """Process marked rows as one batch; False if the batch as a whole cannot be processed."""
        try:
            await self._through(store.TAKE_THESE, *_keys(rows))
        except UNAVAILABLE as error:
            # A connection that was lost says nothing about the rows: they are forgiven when the database is back.
            self._marked = self._marked if is_cut(error) else ()
            raise
        except Exception as error:  # noqa: BLE001 - the bad row is found among the singles
            self._marked = ()
            log.warning("processor.row_failed", rows=len(rows), error=type(error).__name__, detail=str(error)[:200])
            return False
        self._marked, self._cuts = (), 0
        return True

    async def _single(self, row: Any) -> None:
        # A mark whose answer was lost counted for rows that nobody knows: all get the benefit of the doubt.
        attempts = row["attempts"] - self._lost_marks
        if attempts <= _MAX_ATTEMPTS and await self._take([row]):
            return
        now = self._clock.now()
        if attempts >= _MAX_ATTEMPTS:
            reason = f"failed {row['attempts']} times"
            self._marked = ()
            await self._pool.execute(store.BURY, row["tenant_id"], row["inbox_id"], self._ids.new(), reason, now)
            METRICS.dead.labels("inbox").inc()
            return
        ready = now + timedelta(seconds=0.2 * 2 ** row["attempts"])
        await self._pool.execute(store.POSTPONE, row["tenant_id"], row["inbox_id"], ready)

    async def _through(self, query: str, *arguments: Any) -> Sequence[Any]:
        """Take rows and process them, in one transaction; the rows."""
        plan: IntakePlan | None = None
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await connection.fetch(query, *arguments)
                if rows:
                    plan = await self._process(connection, rows)
        except UNAVAILABLE as error:
            if plan is not None and is_cut(error):
                # Perhaps it was committed, and then nobody else may have these clients until their leases end.
                self._turns.give(_held(plan))
            raise
        if plan is not None:
            self._pass_on(plan)
        return rows

    async def _process(self, connection: Connection, rows: Sequence[Any]) -> IntakePlan:
        now = self._clock.now()
        arrivals = sorted((_arrival(row) for row in rows), key=self._order)
        tenancies = await self._configs.load({a.tenant_id for a in arrivals}, connection)
        resolved = await self._directory.resolve(connection, arrivals, now)
        planner = IntakePlanner(self._ids, lambda t: _dialog_settings(tenancies, t), self._hydrated)
        plan = planner.plan(arrivals, resolved, now)
        if plan.changes:
            # What is changed may have come in the same batch.
            await store.insert_messages(connection, plan.messages)
            if plan.echoes:
                await store.lock_works(connection, resolved.dialogs.values())
            await self._apply_changes(connection, plan, planner)
        if TRACING.on:
            traced.bind(plan, now)
        writes = Together()
        await store.insert_messages(writes, () if plan.changes else plan.messages)
        store.write_dialogs(writes, resolved.dialogs.values(), self._turns, now)
        await self._send(connection, writes, plan, now)
        METRICS.processed.labels("stored").inc(len(rows) - len(plan.orphans))
        METRICS.processed.labels("orphan").inc(len(plan.orphans))
        return plan

    async def _send(self, connection: Connection, writes: Together, plan: IntakePlan, now: datetime) -> None:
        """Send what was gathered, the events as its last part unless something else takes locks before them."""
        if not plan.leaves_more:
            await append_together(writes, plan.events, self._ids, now)
            plan.due = await writes.send(connection, store.DUE)
            return
        plan.due = await writes.send(connection, store.DUE)
        await store.note_people(connection, plan.reach, plan.phones, now)
        await store.put_back(connection, plan.orphans, self._ids, now)
        await schedule(connection, plan.follow_ups, self._ids, now)
        await append(connection, plan.events, self._ids, now)

    async def _apply_changes(self, connection: Connection, plan: IntakePlan, planner: IntakePlanner) -> None:
        now = self._clock.now()
        for change in plan.edits:
            await self._edit(connection, plan, change, planner)
        for change in plan.deletes:
            deleted = await store.apply_delete(connection, change, now)
            if deleted is None:
                plan.orphans.append(change.arrival)
                continue
            plan.events.append(deleted)
            change.dialog.version += 1
            change.dialog.dirty = True
        for change in plan.statuses:
            moved = await store.apply_status(connection, change)
            if moved is None:
                plan.orphans.append(change.arrival)
            else:
                plan.events.extend(moved)
        for change in plan.echoes:
            if not await apply_echo(connection, change, plan.events, self._ids, now):
                plan.orphans.append(change.arrival)

    async def _edit(self, connection: Connection, plan: IntakePlan, change: Change, planner: IntakePlanner) -> None:
        """An edit replaces the text; after an answer it is something new to answer, in the order of arrival."""
        content = content_of(change.arrival.message)
        try:
            edited = await store.apply_edit(connection, change, content)
        except store.NotStored:
            plan.orphans.append(change.arrival)
            return
        if edited is None:
            return
        event, seq = edited
        plan.events.append(event)
        dialog = change.dialog
        planner.follow_up(plan, event.message_id, dialog, change.arrival.message, content)
        dialog.version += 1
        dialog.dirty = True
        if seq <= dialog.answered_seq:
            settings = await self._settings(dialog.tenant_id)
            row = late_edit(change, content, self._ids.new(), settings, self._clock.now())
            await store.insert_messages(connection, [row])

    async def _settings(self, tenant_id: UUID) -> DialogSettings:
        return _dialog_settings(await self._configs.load([tenant_id]), tenant_id)

    def _order(self, arrival: Arrival) -> tuple[Any, ...]:
        """Platform sequence inside a chat where the channel declares one, else arrival (PROTOCOL B4)."""
        sequence = arrival.message.message.seq
        ordered = arrival.message.channel in self._ordered and sequence is not None and sequence.isdigit()
        place = int(sequence) if ordered and sequence is not None else 0
        return (arrival.tenant_id.bytes, arrival.channel_id.bytes, arrival.chat_key[2], place, arrival.inbox_id)

    def _claim(self, limit: int, *, attempted: bool) -> tuple[Any, ...]:
        return (self._cursor, self._buckets, self._clock.now(), self._per_tenant, limit, attempted)

    def _advance(self, rows: Sequence[Any]) -> None:
        """Go on behind the last tenant taken; start over when there was nothing (left) behind it."""
        self._cursor = max(row["tenant_id"] for row in rows) if rows else NO_TENANT

    def _pass_on(self, plan: IntakePlan) -> None:
        if TRACING.on:
            traced.processed(plan, self._clock.now())
        held = _held(plan)
        self._turns.give(held)
        if len(held) < len(plan.due):
            self._wakeups.notify(WAKE_TURNS)
        if plan.events:
            self._wakeups.notify(WAKE_RELAY)
        if plan.follow_ups:
            self._wakeups.notify(WAKE_WORK)


def _arrival(row: Any) -> Arrival:
    return Arrival(
        inbox_id=row["inbox_id"],
        tenant_id=row["tenant_id"],
        channel_id=row["channel_id"],
        raw_id=row["raw_id"],
        attempts=row["attempts"],
        received_at=row["received_at"],
        message=decode(row["payload"]),
    )


def _held(plan: IntakePlan) -> list[Claim]:
    """The clients leased to a worker of this process."""
    return [Claim(r["tenant_id"], r["client_id"], r["token"], r["attempts"], r) for r in plan.due if r["held"]]


def _keys(rows: Sequence[Any]) -> tuple[list[UUID], list[int]]:
    return [row["tenant_id"] for row in rows], [row["inbox_id"] for row in rows]


def _dialog_settings(tenancies: dict[UUID, Tenancy], tenant_id: UUID) -> DialogSettings:
    tenancy = tenancies.get(tenant_id)
    return tenancy.config.section(DialogSettings) if tenancy is not None else _DEFAULT
