"""The AI worker role."""

from __future__ import annotations

import asyncio
from typing import Final

from battcrm.events.tail import Tail
from battcrm.graph.context import GraphContextReader
from battcrm.graph.follow import EVENT_TYPES, forget
from battcrm.infra.health import HEALTH
from battcrm.infra.pace import Muster
from battcrm.kit.errors import Invalid
from battcrm.pipeline.ai_worker import AiWorker
from battcrm.pipeline.presence import Presence
from battcrm.pipeline.turn import Layers, TurnEngine
from battcrm.pipeline.turn_commit import TurnCommitter
from battcrm.pipeline.turn_load import TurnLoader
from battcrm.transport.presence import TypingSignals
from battcrm.workers.layers import core_layers
from battcrm.workers.paces import COMMITS
from battcrm.workers.runtime import Runtime
from battcrm.workers.warm import warm_up

_ROLE: Final = "ai-worker"


def build(runtime: Runtime, layers: Layers, presence: Presence | None = None) -> AiWorker:
    """An AI worker on the runtime's servers."""
    commits = Muster(COMMITS)
    return AiWorker(
        runtime.pool,
        runtime.clock,
        runtime.wakeups,
        TurnEngine(layers, runtime.clock, runtime.ids, commits),
        TurnLoader(runtime.pool, runtime.clock, runtime.configs),
        TurnCommitter(runtime.pool, runtime.clock, runtime.ids, runtime.sends),
        presence=presence,
        buckets=runtime.buckets,
        commits=commits,
        handoff=runtime.turns,
    )


async def run(runtime: Runtime) -> None:
    """Run turns until cancelled; the first is claimed when everything that turns use has been warmed up."""
    HEALTH.starting(_ROLE)
    try:
        async with core_layers(runtime) as layers, asyncio.TaskGroup() as group:
            if runtime.redis is not None and isinstance(layers.graph, GraphContextReader):
                group.create_task(_watch(runtime, layers.graph).run())
            await warm_up(runtime, layers)
            HEALTH.started(_ROLE)
            signals = TypingSignals(
                runtime.channels, runtime.clock, lambda c: runtime.http.for_settings(c.account.settings)
            )
            group.create_task(signals.run())
            await build(runtime, layers, signals).run()
    finally:
        HEALTH.started(_ROLE)


def _watch(runtime: Runtime, reader: GraphContextReader) -> Tail:
    """Events drop what they made stale in this process's cache."""
    redis = runtime.redis
    if redis is None:
        raise Invalid("watching events needs Redis", field="REDIS_URL", remedy="set REDIS_URL")
    shards = runtime.settings.event_shards
    return Tail(redis, runtime.clock, shards, EVENT_TYPES, lambda events: forget(reader, events))
