"""Every process sees the events that concern its caches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from battcrm.events.bus import Packed, RedisBus, pack
from battcrm.events.catalogue import Envelope, PriceChanged
from battcrm.events.tail import Tail
from battcrm.infra.redis import open_redis
from battcrm.kit.clock import ManualClock, SystemClock
from battcrm.kit.ids import IdFactory
from tests.support.waiting import PATIENCE


def envelope(kind: str, ids: IdFactory) -> Envelope:
    price = PriceChanged(UUID(int=7), ids.new(), ids.new(), 3)
    return Envelope(ids.new(), price.tenant_id, kind, 1, price.client_id, price.data(), ManualClock().now())


async def test_each_of_two_watchers_sees_what_it_asked_for_and_nothing_else(redis_url: str) -> None:
    redis = open_redis(redis_url, connect_timeout=PATIENCE)
    bus, ids = RedisBus(redis), IdFactory(SystemClock())
    seen: list[list[str]] = [[], []]

    def into(place: list[str]) -> Callable[[Sequence[Packed]], None]:
        return lambda events: place.extend(event.type for event in events)

    tails = [Tail(redis, SystemClock(), 2, ["price.changed"], into(place)) for place in seen]
    try:
        # The first read fixes "from now on": what was there before is not seen, a stream that is empty then is.
        await bus.publish(0, [pack(envelope("price.changed", ids))])
        for tail in tails:
            assert await tail.step(10) == 0
        await bus.publish(0, [pack(envelope("price.changed", ids)), pack(envelope("client.created", ids))])
        await bus.publish(1, [pack(envelope("price.changed", ids))])
        for tail in tails:
            await tail.step(100)
    finally:
        await redis.aclose()
    assert seen == [["price.changed"] * 2] * 2
