"""Event processor: feeds the registered consumers from the bus, and from the outbox where the bus lost something.

Entries are acknowledged only after their effects are recorded, so a crash repeats them and `processed` absorbs the
repetition. Before a group is made anew the database says so, hence a crash in the middle of catching up starts that
again. Two processors may share the groups; one consumer's events are handled in stream order inside each of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from battcrm.events import lag
from battcrm.events.bus import START, Claimed, Delivery, Entry, EventBus
from battcrm.events.bus_calls import GroupMissing
from battcrm.events.catalogue import Envelope
from battcrm.events.delivery import Deliverer, DeliveryOptions
from battcrm.events.positions import KEPT, SLACK, GroupStatus, Position, Positions
from battcrm.events.registry import Consumer, HandlerRegistry
from battcrm.infra.health import HEALTH
from battcrm.infra.postgres import UNAVAILABLE, Pool
from battcrm.infra.telemetry import METRICS
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Transient
from battcrm.kit.ids import IdFactory

log = structlog.get_logger(__name__)
_STALE_POSITION: Final = timedelta(days=1)
_FORGOTTEN: Final = 3600.0
# A consumer that may pause takes its backlog in small steps, at rest for twice as long as each took: what customers wait
# for comes in between. The further it is behind its pause, the larger the steps and the shorter the rests, so that it works
# evenly at any load; one that is so far behind takes whole batches without a rest.
_REST: Final = 2.0
_LATE: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class ConsumerOptions:
    """`batch`: entries of a shard at once, or of all shards for who pauses and is not late. `check`: seconds between looks
    at the state of the groups; `idle`: seconds until another's work is taken over.
    """

    batch: int = 200
    block: float = 5.0
    check: float = 10.0
    idle: float = 90.0
    delivery: DeliveryOptions = field(default_factory=DeliveryOptions)


class EventProcessor:
    """Runs every registered consumer over all shards. `worker` must be unique among processes."""

    def __init__(
        self,
        pool: Pool,
        bus: EventBus,
        clock: Clock,
        ids: IdFactory,
        registry: HandlerRegistry,
        shards: int,
        *,
        worker: str,
        options: ConsumerOptions | None = None,
    ) -> None:
        positions = Positions(pool, clock, shards)
        names = [consumer.name for consumer in registry]
        self._lag = partial(lag.export, bus, positions, clock, names, tuple(range(shards)))
        chosen = options or ConsumerOptions()
        self._followers = [
            Follower(
                bus,
                clock,
                positions,
                consumer,
                Deliverer(pool, clock, ids, consumer, chosen.delivery),
                tuple(range(shards)),
                worker,
                chosen,
            )
            for consumer in registry
        ]

    async def run(self) -> None:
        """Follow until cancelled; what is under way then is delivered again later."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lag())
            for follower in self._followers:
                group.create_task(follower.run())


class Follower:
    """One consumer, all shards: a single blocking read when there is nothing to do."""

    def __init__(
        self,
        bus: EventBus,
        clock: Clock,
        positions: Positions,
        consumer: Consumer,
        deliverer: Deliverer,
        shards: tuple[int, ...],
        worker: str,
        options: ConsumerOptions,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._positions = positions
        self._consumer = consumer
        self._deliverer = deliverer
        self._shards = shards
        self._worker = worker
        self._options = options
        self._looked = 0.0
        self._turn = 0
        self._doubt = False
        self._next_tidy = 0.0
        self._step = max(1, options.batch // len(shards)) if consumer.pause else options.batch
        self._interrupted = True
        self._behind = False
        self._hurry = 0.0

    async def run(self) -> None:
        """Follow until cancelled. With Redis or the database away it waits and goes on where it was."""
        delay = 0.0
        while True:
            HEALTH.beat(f"consumer {self._name}")
            began = self._clock.monotonic()
            try:
                await self.step()
                delay = 0.0
                await self._rest(self._clock.monotonic() - began)
            except GroupMissing:
                self._doubt = True
            except (*UNAVAILABLE, Transient) as error:
                self._interrupted = True
                delay = min(5.0, max(0.25, delay * 2))
                log.warning("consumer.waits", consumer=self._consumer.name, error=str(error)[:200], seconds=delay)
                await self._clock.sleep(delay)

    async def _rest(self, took: float) -> None:
        pause = self._consumer.pause
        rest = min(pause, took * _REST * (1.0 - self._hurry)) if self._behind else pause
        if rest:
            await self._clock.sleep(rest)

    async def step(self) -> None:
        """Look after the groups if that is due, then take what is new, waiting for it a little."""
        for shard in self._due_for_a_look():
            await self._look_after(shard)
        self._interrupted = False
        await self._tidy()
        count = self._step + round((self._options.batch - self._step) * self._hurry)
        deliveries = await self._bus.read(
            self._name, self._worker, self._shards, count=count, block=self._options.block
        )
        self._behind = any(len(delivery.entries) >= count for delivery in deliveries)
        self._hurry = self._late_by(deliveries) / _LATE if self._behind and self._consumer.pause else 0.0
        for delivery in deliveries:
            if delivery.gap:
                await self._fill_gap(delivery.shard)
        await self._take(*deliveries)

    def _due_for_a_look(self) -> Sequence[int]:
        """One shard after the other, each every `check` seconds; all of them where something may have been lost."""
        now = self._clock.monotonic()
        each = self._options.check / len(self._shards)
        passed = int((now - self._looked) / each)
        if self._doubt or self._interrupted or passed >= len(self._shards):
            self._doubt, self._looked = False, now
            return self._shards
        first, self._turn = self._turn, (self._turn + passed) % len(self._shards)
        self._looked += passed * each
        return (self._shards * 2)[first : first + passed]

    def _late_by(self, deliveries: Sequence[Delivery]) -> timedelta:
        """How far behind the pause the oldest of the last entries of each shard is, up to as far as counts."""
        last = (delivery.entries[-1].packed for delivery in deliveries if delivery.entries)
        times = [event.occurred_at for packed in last if (event := lag.readable(packed)) is not None]
        age = self._clock.now() - min(times) if times else timedelta()
        return min(_LATE, max(timedelta(), age - timedelta(seconds=self._consumer.pause)))

    async def _fill_gap(self, shard: int) -> None:
        """Entries were trimmed unread: what they said comes from the outbox, before what came after them."""
        log.warning("consumer.gap", consumer=self._name, shard=shard)
        METRICS.consumer_gaps.labels(self._name).inc()
        await self._catch_up(shard, await self._position(shard), await self._bus.generation(shard))

    async def _position(self, shard: int) -> Position:
        return await self._positions.register(self._name, shard, self._consumer.begin)

    @property
    def _name(self) -> str:
        return self._consumer.name

    async def _look_after(self, shard: int) -> None:
        generation = await self._bus.generation(shard)
        position = await self._position(shard)
        idle_floor = await self._idle_floor(shard, position)
        try:
            state = await self._bus.state(self._name, shard)
        except GroupMissing:
            state = None
        if state is None or state.lost or position.generation != generation:
            await self._catch_up(shard, position, generation)
        elif (oldest := lag.readable(state.oldest)) is not None and not (state.drained and idle_floor is not None):
            await self._advance(shard, position, replace(position, time=oldest.occurred_at - SLACK), oldest.seq)
        elif state.drained and idle_floor is not None:
            await self._advance(shard, position, idle_floor)
        if position.status is GroupStatus.BROKEN:
            log.error("consumer.broken", consumer=self._name, shard=shard, remedy="rebuild what it feeds")
        await self._unfinished(shard)

    async def _tidy(self) -> None:
        now = self._clock.monotonic()
        if now >= self._next_tidy:
            self._next_tidy = now + _FORGOTTEN
            for shard in self._shards:
                await self._bus.tidy(self._name, shard, idle=_FORGOTTEN)

    async def _idle_floor(self, shard: int, position: Position) -> Position | None:
        """A newer place for a shard in which nothing happens: what is not on the bus now is younger than this."""
        now = self._clock.now()
        if now - position.time < _STALE_POSITION:
            return None
        unpublished = await self._positions.oldest_unpublished(shard)
        return replace(position, time=min(now, unpublished or now) - SLACK)

    async def _advance(self, shard: int, before: Position, after: Position, seq: int = 0) -> None:
        if after.time > before.time:
            await self._positions.store(self._name, shard, after, seq)

    async def _catch_up(self, shard: int, position: Position, generation: str) -> None:
        """Read from the outbox what the bus may have lost. The group is made only after that is on record."""
        broken = position.status is GroupStatus.BROKEN or position.time < self._clock.now() - KEPT
        status = GroupStatus.BROKEN if broken else GroupStatus.CATCHING_UP
        await self._positions.store(self._name, shard, replace(position, generation="", status=status))
        await self._bus.ensure_group(self._name, shard)
        # What is trimmed while the outbox is being read may be too young for this reading: it stays a gap.
        trimmed = (await self._bus.state(self._name, shard)).trimmed
        began = self._clock.now()
        total = 0
        async for events in self._positions.missed(self._name, shard, self._consumer.types, position.time):
            await self._deliverer.deliver(events)
            total += len(events)
        await self._bus.forgive(self._name, shard, trimmed)
        done = GroupStatus.BROKEN if broken else GroupStatus.LIVE
        await self._positions.store(self._name, shard, Position(max(position.time, began - SLACK), generation, done))
        log.info("consumer.caught_up", consumer=self._name, shard=shard, events=total)

    async def _unfinished(self, shard: int) -> None:
        """What this worker was given before a lost connection, then what dead workers left."""
        if self._interrupted:
            while (own := await self._bus.reread(self._name, self._worker, shard, count=self._options.batch)).entries:
                await self._take(own)
        start = START
        while True:
            claimed = await self._bus.claim(
                self._name, self._worker, shard, idle=self._options.idle, count=self._options.batch, start=start
            )
            await self._take_over(shard, claimed)
            start = claimed.next
            if start == START:
                return

    async def _take_over(self, shard: int, claimed: Claimed) -> None:
        """The oldest of what a worker left may be what killed it: after so many deaths it is put aside.

        From the third delivery on entries are taken and acknowledged singly, so that the guilty one stands first. Those
        behind it were delivered as often; before it goes they are told apart, lest the next worker finds one of them first.
        """
        limit = self._options.delivery.attempts
        if max(claimed.attempts.values(), default=0) < 3:
            await self._take(Delivery(shard, claimed.entries))
            return
        for index, entry in enumerate(claimed.entries):
            deaths = claimed.attempts.get(entry.id, 0)
            if index == 0 and deaths > limit:
                others = [other.id for other in claimed.entries[1:] if other.packed is not None]
                await self._bus.excuse(self._name, self._worker, shard, others)
                for event in self._wanted((entry,)):
                    await self._deliverer.bury(event, deaths, "its workers died")
            await self._take(Delivery(shard, (entry,)))

    async def _take(self, *deliveries: Delivery) -> None:
        entries = [entry for delivery in deliveries for entry in delivery.entries]
        if not entries:
            return
        again = {event.event_id for event in self._wanted(entries, only=True)}
        await self._deliverer.deliver(self._wanted(entries), again=again)
        for delivery in deliveries:
            await self._bus.ack(self._name, delivery.shard, [entry.id for entry in delivery.entries])
            if any(entry.packed is None for entry in delivery.entries):
                await self._distrust(delivery.shard)

    async def _distrust(self, shard: int) -> None:
        """Entries were trimmed while they waited: the next look reads the outbox."""
        position = await self._position(shard)
        await self._positions.store(self._name, shard, replace(position, generation=""))
        self._doubt = True

    def _wanted(self, entries: Sequence[Entry], *, only: bool = False) -> list[Envelope]:
        """The events this consumer follows; with `only` those meant for nobody else."""
        events = []
        for entry in entries:
            packed = entry.packed
            if packed is None or packed.type not in self._consumer.types:
                continue
            if packed.only != self._name and (packed.only or only):
                continue
            try:
                events.append(packed.event())
            except (ValueError, KeyError, TypeError) as error:
                log.error("event.unreadable", consumer=self._name, entry=entry.id, error=type(error).__name__)
        return events
