"""The processor role."""

from __future__ import annotations

from battcrm.pipeline.processor import Processor
from battcrm.transport.registry import kinds, manifest_of
from battcrm.workers.runtime import Runtime


def build(runtime: Runtime) -> Processor:
    """A processor on the runtime's servers."""
    ordered = frozenset(k for k in kinds() if manifest_of(k).capabilities.ordered_by_platform)
    hydrated = frozenset(k for k in kinds() if manifest_of(k).hydrator is not None)
    return Processor(
        runtime.pool,
        runtime.clock,
        runtime.ids,
        runtime.wakeups,
        runtime.configs,
        ordered_kinds=ordered,
        hydrated_kinds=hydrated,
        turns=runtime.turns,
        buckets=runtime.buckets,
    )


async def run(runtime: Runtime) -> None:
    """Process until cancelled."""
    await build(runtime).run()
