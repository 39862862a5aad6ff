"""A small world: tenants, an outbox filled as transactions fill it, and a consumer that counts its effects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from uuid import UUID

import pytest
from redis.asyncio import Redis

from battcrm.events.bus import Packed, RedisBus
from battcrm.events.catalogue import ClientUpdated, Envelope, Event
from battcrm.events.consumer import ConsumerOptions, EventProcessor
from battcrm.events.delivery import DeliveryOptions
from battcrm.events.lease import Leases
from battcrm.events.outbox import append
from battcrm.events.registry import HandlerRegistry
from battcrm.events.relay import Relay, RelayOptions
from battcrm.infra.postgres import Connection, Pool, open_pool
from battcrm.infra.redis import open_redis
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import SystemClock
from battcrm.kit.ids import IdFactory, bucket_of
from tests.support.waiting import PATIENCE, eventually

T = TypeVar("T")

SHARDS = 4
FAST = ConsumerOptions(
    batch=50,
    block=0.1,
    check=0.2,
    idle=0.3,
    delivery=DeliveryOptions(backoff=0.005, longest=0.05, limit=10),
)


@dataclass
class World:
    pool: Pool
    redis: Redis
    url: str
    clock: SystemClock = field(default_factory=SystemClock)
    wakeups: Wakeups = field(default_factory=Wakeups)

    def __post_init__(self) -> None:
        self.ids = IdFactory(self.clock)
        self.bus = RedisBus(self.redis)

    async def tenant(self) -> UUID:
        own = self.ids.new()
        await self.pool.execute(
            "INSERT INTO tenant (tenant_id, bucket, slug, name, created_at) VALUES ($1, $2, $3, $3, $4)",
            own,
            bucket_of(own),
            f"t{own.hex}",
            self.clock.now(),
        )
        return own

    async def client(self, tenant: UUID) -> UUID:
        own = self.ids.new()
        await self.pool.execute(
            "INSERT INTO client (tenant_id, client_id, created_at) VALUES ($1, $2, $3)", tenant, own, self.clock.now()
        )
        return own

    async def happen(self, *events: Event) -> None:
        """Several transactions' worth of events in one."""
        async with self.pool.acquire() as connection, connection.transaction():
            await append(connection, events, self.ids, self.clock.now())
        self.wakeups.notify("outbox")

    async def updates(self, tenant: UUID, client: UUID, first: int, count: int) -> None:
        await self.happen(*(ClientUpdated(tenant, client, n) for n in range(first, first + count)))

    def relay(self, **options: float) -> Relay:
        chosen = RelayOptions(**({"poll": 0.05, "pause": 0.005} | options))  # type: ignore[arg-type]
        leases = Leases(self.pool, self.clock, self.ids.new())
        return Relay(self.pool, self.bus, self.clock, self.wakeups, leases, SHARDS, chosen)

    def processor(self, registry: HandlerRegistry, options: ConsumerOptions = FAST) -> EventProcessor:
        worker = str(self.ids.new())
        return EventProcessor(
            self.pool, self.bus, self.clock, self.ids, registry, SHARDS, worker=worker, options=options
        )

    async def ready(self, consumer: str = "ledger") -> bool:
        """Has the consumer caught up on every shard?"""
        live = await self.pool.fetchval(
            "SELECT count(*) FROM consumer_group WHERE consumer = $1 AND state = 'live'", consumer
        )
        return bool(live == SHARDS)

    async def effects(self) -> list[tuple[UUID, int]]:
        """(client, version) in the order in which they took effect."""
        return [(r[0], r[1]) for r in await self.pool.fetch("SELECT client_id, version FROM toy_effect ORDER BY n")]

    async def dead(self) -> int:
        return int(await self.pool.fetchval("SELECT count(*) FROM dead_letter"))


@pytest.fixture
async def world(clean_database: str, redis_url: str) -> AsyncIterator[World]:
    pool = await open_pool(clean_database, maximum=8)
    redis = open_redis(redis_url, connect_timeout=PATIENCE)
    await pool.execute("CREATE TABLE toy_effect (n bigserial, client_id uuid, version int)")
    try:
        yield World(pool, redis, redis_url)
    finally:
        await pool.execute("DROP TABLE toy_effect")
        await redis.aclose()
        await pool.close()


async def ledger(connection: Connection, events: Sequence[Envelope]) -> None:
    """One row an event, with no constraint that would hide a second one."""
    await connection.executemany(
        "INSERT INTO toy_effect (client_id, version) VALUES ($1, $2)", [(e.key, e.data["version"]) for e in events]
    )


@asynccontextmanager
async def running(*roles: Relay | EventProcessor) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run roles beside the test; at the end they are cancelled as a process is that is told to stop."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(role.run()) for role in roles]
        try:
            yield tasks
        finally:
            for task in tasks:
                task.cancel()


async def unpublished(world: World, count: int) -> bool:
    return bool(await world.pool.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL") == count)


async def settled(world: World, consumer: str = "ledger") -> bool:
    """Nothing unread and nothing unfinished on any shard."""
    states = [await world.bus.state(consumer, shard) for shard in range(SHARDS)]
    return all(state.drained for state in states)


async def until(predicate: Callable[[], Awaitable[T]], *, what: str, timeout: float = PATIENCE) -> T:
    """`eventually` for coroutine functions alone, which a type checker can follow."""
    return cast("T", await eventually(cast("Callable[[], Any]", predicate), what=what, timeout=timeout))


def unpack(fields: Any) -> Envelope:
    """The event in the raw fields of a stream entry."""
    return Packed(fields[b"t"].decode(), fields[b"e"]).event()
