"""The AI worker role."""

from __future__ import annotations

from battcrm.pipeline.ai_worker import AiWorker
from battcrm.pipeline.turn import Layers, TurnEngine
from battcrm.pipeline.turn_commit import TurnCommitter
from battcrm.pipeline.turn_load import TurnLoader
from battcrm.workers.layers import core_layers
from battcrm.workers.runtime import Runtime


def build(runtime: Runtime, layers: Layers) -> AiWorker:
    """An AI worker on the runtime's servers."""
    return AiWorker(
        runtime.pool,
        runtime.clock,
        runtime.wakeups,
        TurnEngine(layers, runtime.clock, runtime.ids),
        TurnLoader(runtime.pool, runtime.clock, runtime.configs),
        TurnCommitter(runtime.pool, runtime.clock, runtime.ids),
        buckets=runtime.buckets,
    )


async def run(runtime: Runtime) -> None:
    """Run turns until cancelled."""
    async with core_layers(runtime) as layers:
        await build(runtime, layers).run()
