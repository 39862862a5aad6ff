"""The relay role."""

from __future__ import annotations

import asyncio

import structlog

from battcrm.events.bus import RedisBus
from battcrm.events.lease import Leases
from battcrm.events.relay import Relay
from battcrm.kit.errors import Invalid
from battcrm.workers.runtime import Runtime

log = structlog.get_logger(__name__)


def bus_of(runtime: Runtime) -> RedisBus:
    """The event bus on the runtime's Redis. Invalid when none is configured."""
    if runtime.redis is None:
        raise Invalid("this role needs Redis", field="REDIS_URL", remedy="set REDIS_URL, or run `battcrm up`")
    url = runtime.endpoints.redis_url or ""
    return RedisBus(runtime.redis, spread="+cluster" in url)


def build(runtime: Runtime) -> Relay:
    """A relay on the runtime's servers."""
    leases = Leases(runtime.pool, runtime.clock, runtime.ids.new())
    shards = runtime.settings.event_shards
    return Relay(runtime.pool, bus_of(runtime), runtime.clock, runtime.wakeups, leases, shards)


async def run(runtime: Runtime) -> None:
    """Publish until cancelled. Without Redis events wait in the outbox and the other roles go on."""
    if runtime.redis is None:
        log.warning("relay.no_redis", remedy="set REDIS_URL")
        await asyncio.Event().wait()
    await build(runtime).run()
