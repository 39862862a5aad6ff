"""The out worker role."""

from __future__ import annotations

from battcrm.transport.accounts import Connected
from battcrm.transport.base import HttpClient
from battcrm.transport.outbox_store import SendStore
from battcrm.transport.sender import OutWorker
from battcrm.workers.paces import OUTCOMES
from battcrm.workers.runtime import Runtime


def build(runtime: Runtime) -> OutWorker:
    """An out worker on the runtime's servers."""

    def http_for(connected: Connected) -> HttpClient:
        return runtime.http.for_settings(connected.account.settings)

    store = SendStore(runtime.pool, runtime.clock, runtime.ids)
    return OutWorker(
        runtime.pool,
        runtime.clock,
        runtime.wakeups,
        runtime.channels,
        store,
        http_for,
        buckets=runtime.buckets,
        outcome_pace=OUTCOMES,
        handoff=runtime.sends,
    )


async def run(runtime: Runtime) -> None:
    """Send until cancelled."""
    await build(runtime).run()
