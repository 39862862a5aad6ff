"""One tenant far above its share: do the others feel it? Three phases on one world, A without the flood, B with it, A again."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from battcrm.devkit.bench import accounting, phase, plan
from battcrm.devkit.bench.phase import Progress
from battcrm.devkit.bench.shift import SPACING, shifted
from battcrm.devkit.bench.world import Bench, Shape, world
from battcrm.infra.postgres import Pool, open_pool

ALLOWED: Final = 0.2


@dataclass(frozen=True, slots=True)
class Options:
    """`rate` messages a second over all tenants, of which the first sends `times` its share in the phases B."""

    rate: float = 100.0
    times: float = 20.0
    seconds: float = 25.0
    warmup: float = 8.0
    seed: int = 1
    model_share: float = 0.3
    drain: float = 60.0
    phases: str = "ABA"
    shape: Shape = field(default_factory=lambda: Shape(tenants=100))


async def run(options: Options, progress: Progress) -> dict[str, Any]:
    """Play the phases; `ok` says that nothing was lost and the others' p95 moved by no more than 20 % or the spread."""
    folder = Path(tempfile.mkdtemp(prefix="battcrm-flood-"))
    try:
        progress("starting servers, emulators and roles", 0.0)
        async with world(options.shape, folder) as bench:
            pool = await open_pool(bench.servers.postgres_url, maximum=2, name="bench-flood")
            try:
                # The first phase warms every cache and counts for nothing.
                await _phase(options, bench, pool, folder, 0, options.warmup, "A")
                phases = []
                for number, kind in enumerate(options.phases, 1):
                    progress(f"phase {kind}", number / (len(options.phases) + 1))
                    phases.append(await _phase(options, bench, pool, folder, number, options.seconds, kind))
            finally:
                await pool.close()
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return judged(options, phases)


def judged(options: Options, phases: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The report of the phases."""
    quiet = [phase["others_own_ms"]["p95"] for phase in phases if phase["kind"] == "A"]
    loud = [phase["others_own_ms"]["p95"] for phase in phases if phase["kind"] == "B"]
    base, worst = sum(quiet) / len(quiet), max(loud)
    spread = max(quiet) - min(quiet)
    moved = worst - base
    clean = all(phase["lost"] == phase["duplicated"] == phase["unknown"] == 0 for phase in phases)
    return {
        "rate": options.rate,
        "times": options.times,
        "tenants": options.shape.tenants,
        "phases": list(phases),
        "others_p95_quiet_ms": round(base, 2),
        "others_p95_flood_ms": round(worst, 2),
        "moved_share": round(moved / base, 3) if base else 0.0,
        "spread_share": round(spread / base, 3) if base else 0.0,
        "ok": clean and moved <= max(ALLOWED * base, spread),
    }


def calls_of(options: Options, number: int, seconds: float, kind: str) -> list[plan.Call]:
    """The calls of a phase; the flood's are the first tenant's."""
    tenants, share = options.shape.tenants, options.model_share
    seed = options.seed + number
    calls = plan.make_plan(options.rate, seconds, tenants=tenants, seed=seed, model_share=share)
    if kind == "B":
        extra = options.rate / tenants * (options.times - 1)
        flood = plan.make_plan(extra, seconds, tenants=1, seed=seed + 500, model_share=share)
        calls = sorted([*calls, *shifted(flood, SPACING // 2)], key=lambda call: call.at)
    return shifted(calls, number * SPACING)


async def _phase(
    options: Options, bench: Bench, pool: Pool, folder: Path, number: int, seconds: float, kind: str
) -> dict[str, Any]:
    calls = calls_of(options, number, seconds, kind)
    played = await phase.play(bench, pool, folder, calls, drain=options.drain)
    everybody, flooder = played.verdict(), played.verdict(lambda call: call.tenant == 0)
    others = played.verdict(lambda call: call.tenant != 0)
    return {
        "kind": kind,
        "accepted": everybody.accepted,
        "lost": everybody.lost,
        "duplicated": everybody.duplicated,
        "unknown": everybody.unknown,
        "others_own_ms": accounting.percentiles(others.own_ms),
        "flooder_own_ms": accounting.percentiles(flooder.own_ms),
        "flooder_messages": flooder.accepted,
    }
