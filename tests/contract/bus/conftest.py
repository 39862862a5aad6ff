"""One suite over every bus: a real server, the same server used as a cluster asks for, and the double."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from battcrm.events.bus import EventBus, RedisBus, stream
from battcrm.events.memory_bus import MemoryBus
from battcrm.infra.redis import open_redis
from battcrm.kit.clock import SystemClock
from tests.support.waiting import PATIENCE


@dataclass
class BusUnderTest:
    bus: EventBus
    wipe: Callable[[], Awaitable[object]]
    destroy_group: Callable[[str, int], Awaitable[object]]


@pytest.fixture(params=["redis", "redis-spread", "memory"])
async def under_test(request: pytest.FixtureRequest) -> AsyncIterator[BusUnderTest]:
    if request.param == "memory":
        memory = MemoryBus(SystemClock())
        yield BusUnderTest(memory, memory.wipe, memory.destroy_group)
        return
    redis = open_redis(request.getfixturevalue("redis_url"), connect_timeout=PATIENCE)
    try:
        yield BusUnderTest(
            RedisBus(redis, spread=request.param == "redis-spread"),
            redis.flushdb,
            lambda group, shard: redis.xgroup_destroy(stream(shard), group),
        )
    finally:
        await redis.aclose()


@pytest.fixture
def bus(under_test: BusUnderTest) -> EventBus:
    return under_test.bus
