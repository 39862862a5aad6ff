"""The poller role: channels without a public address are read by long polling, one poller a channel (PROTOCOL A2)."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

import structlog

from battcrm.events.lease import Leases
from battcrm.infra.backlog import PRESSURE
from battcrm.infra.postgres import UNAVAILABLE
from battcrm.kit.errors import AuthExpired, BattError, Conflict
from battcrm.transport.accounts import Connected
from battcrm.transport.door import Door
from battcrm.transport.registry import kinds, manifest_of
from battcrm.workers.runtime import Runtime

log = structlog.get_logger(__name__)
_LEASE: Final = 60.0
_LOOK: Final = 5.0

_OFFSET: Final = "SELECT poll_offset FROM channel WHERE tenant_id = $1 AND channel_id = $2"
_SAVE: Final = "UPDATE channel SET poll_offset = $3 WHERE tenant_id = $1 AND channel_id = $2"


async def run(runtime: Runtime) -> None:
    """Poll every active channel whose settings say `"mode": "poll"`, until cancelled."""
    door = Door(runtime.pool, runtime.clock, runtime.ids, runtime.wakeups)
    pollable = [kind for kind in kinds() if manifest_of(kind).poller is not None]
    running: dict[UUID, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as group:
        while True:
            for kind in pollable:
                for connected in await _wanted(runtime, kind):
                    channel = connected.account.channel_id
                    if channel not in running or running[channel].done():
                        running[channel] = group.create_task(_poll(runtime, door, connected))
            await asyncio.sleep(_LOOK)


async def _wanted(runtime: Runtime, kind: str) -> list[Connected]:
    try:
        return [c for c in await runtime.channels.of_kind(kind) if c.account.settings.get("mode") == "poll"]
    except UNAVAILABLE as error:
        log.warning("poller.database", error=type(error).__name__)
        return []


async def _poll(runtime: Runtime, door: Door, connected: Connected) -> None:
    """Read one channel while holding its lease; ends when the lease is lost or the platform refuses."""
    account = connected.account
    leases = Leases(runtime.pool, runtime.clock, runtime.ids.new())
    name = f"poll:{account.channel_id}"
    manifest = manifest_of(account.kind)
    if manifest.poller is None:
        return
    try:
        if name not in await leases.acquire([name], _LEASE):
            return
        offset = await runtime.pool.fetchval(_OFFSET, account.tenant_id, account.channel_id)
        poller = manifest.poller(account, runtime.http.for_settings(account.settings))
        async for messages, raws, following in poller.batches(offset):
            await door.accept(account, messages, b"[" + b",".join(raws) + b"]")
            await runtime.pool.execute(_SAVE, account.tenant_id, account.channel_id, following)
            # The platform keeps what is not fetched; who calls us does not wait behind what we fetch.
            await runtime.clock.sleep(PRESSURE.rest("inbox"))
            if name not in await leases.acquire([name], _LEASE):
                return
    except AuthExpired as error:
        await runtime.channels.set_state(account, "auth_expired", error.text)
    except Conflict as error:
        log.warning("poller.conflict", channel_id=str(account.channel_id), code=error.code)
        await asyncio.sleep(10)
    except (BattError, *UNAVAILABLE) as error:
        log.warning("poller.pause", channel_id=str(account.channel_id), error=type(error).__name__)
        await asyncio.sleep(2)
    finally:
        await _release(leases, name)


async def _release(leases: Leases, name: str) -> None:
    """Let another have it at once; without the database it runs out by itself."""
    try:
        await leases.release([name])
    except UNAVAILABLE as error:
        log.warning("poller.not_released", error=type(error).__name__)
