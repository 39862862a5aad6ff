"""The caretaker role: intents of other layers, and due-work that is nobody's turn."""

from __future__ import annotations

import asyncio

from battcrm.pipeline.caretaker import Caretaker
from battcrm.pipeline.intents import IntentWorker
from battcrm.workers.runtime import Runtime


async def run(runtime: Runtime) -> None:
    """Work until cancelled."""
    base = (runtime.pool, runtime.clock, runtime.ids, runtime.wakeups)
    async with asyncio.TaskGroup() as group:
        group.create_task(Caretaker(*base, buckets=runtime.buckets).run())
        group.create_task(IntentWorker(*base, runtime.configs, buckets=runtime.buckets).run())
