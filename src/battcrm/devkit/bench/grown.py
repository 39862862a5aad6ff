"""What growth costs: the same load on an empty database and on one that has been in use for half a year, by turns.

Two worlds stand side by side and only one is loaded at a time: phases A on the empty one, B on the full one. The graph is
not filled: it holds what the load itself brings.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from battcrm.devkit.bench import accounting, phase, plan
from battcrm.devkit.bench.phase import Progress
from battcrm.devkit.bench.preload import Size, fill
from battcrm.devkit.bench.shift import SPACING, shifted
from battcrm.devkit.bench.snapshot import held
from battcrm.devkit.bench.world import Bench, Shape, world
from battcrm.infra.postgres import Pool, open_pool
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import Invalid

# What a row and its indexes take, measured; and how much must stay free.
BYTES_A_MESSAGE: Final = 2_200
_SIZE: Final = "SELECT pg_database_size(current_database()) /* all tenants: the server's own view */"
_CHECKPOINT: Final = "CHECKPOINT"


@dataclass(frozen=True, slots=True)
class Options:
    """`size` of the full database; `rate` messages a second for `seconds` in each phase."""

    size: Size = field(default_factory=Size)
    rate: float = 100.0
    seconds: float = 20.0
    warmup: float = 10.0
    seed: int = 1
    model_share: float = 0.3
    phases: str = "ABABA"
    snapshot: bool = False
    """Hold a transaction open on both databases from before the first phase to the end (PROTOCOL I)."""


async def run(options: Options, progress: Progress) -> dict[str, Any]:
    """Fill, play the phases, report: `ratio` is the full database's p95 to the empty one's."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if options.size.messages * BYTES_A_MESSAGE > free * 0.8:
        raise Invalid(
            f"{options.size.messages} messages need about {options.size.messages * BYTES_A_MESSAGE >> 30} GB",
            field="preload",
            remedy="free the disk, name a larger one in TMPDIR, or ask for fewer",
        )
    folder = Path(tempfile.mkdtemp(prefix="battcrm-grown-"))
    try:
        async with AsyncExitStack() as stack:
            progress("starting two worlds", 0.0)
            shape = Shape(tenants=options.size.tenants, model=options.model_share > 0)
            sides: dict[str, tuple[Bench, Pool]] = {}
            for kind in "AB":
                (folder / kind).mkdir()
                bench = await stack.enter_async_context(world(shape, folder / kind))
                pool = await open_pool(bench.servers.postgres_url, maximum=4, name="bench-grown")
                stack.push_async_callback(pool.close)
                sides[kind] = (bench, pool)
            full = sides["B"][1]
            began = SystemClock().monotonic()
            await fill(full, options.size, SystemClock().now(), lambda share: progress("filling", share))
            await full.execute(_CHECKPOINT, timeout=600)
            filled = SystemClock().monotonic() - began
            for _bench, pool in sides.values() if options.snapshot else ():
                await stack.enter_async_context(held(pool))
            phases = await _phases(options, sides, folder, progress)
            return report(options, phases, filled, await full.fetchval(_SIZE))
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _phases(
    options: Options, sides: dict[str, tuple[Bench, Pool]], folder: Path, progress: Progress
) -> list[dict[str, Any]]:
    found = []
    order = ("A", "B", *options.phases)
    for number, kind in enumerate(order):
        warming = number < 2
        progress("warming up" if warming else f"phase {kind}", number / len(order))
        seconds = options.warmup if warming else options.seconds
        tenants, seed = options.size.tenants, options.seed + number // 2
        calls = plan.make_plan(options.rate, seconds, tenants=tenants, seed=seed, model_share=options.model_share)
        bench, pool = sides[kind]
        played = await phase.play(bench, pool, folder / kind, shifted(calls, number * SPACING))
        verdict = played.verdict()
        if not warming:
            counts = {name: getattr(verdict, name) for name in ("accepted", "lost", "duplicated", "unknown")}
            found.append({"kind": kind, **counts, "own_ms": accounting.percentiles(verdict.own_ms)})
    return found


def report(options: Options, phases: Sequence[dict[str, Any]], filled: float, size: int) -> dict[str, Any]:
    """The phases and what they say."""
    p95 = {kind: [p["own_ms"]["p95"] for p in phases if p["kind"] == kind] for kind in "AB"}
    empty, full = (sum(p95[kind]) / max(1, len(p95[kind])) for kind in "AB")
    return {
        "tenants": options.size.tenants,
        "clients": options.size.clients,
        "messages": options.size.messages,
        "fill_seconds": round(filled, 1),
        "database_gb": round(size / 1e9, 2),
        "rate": options.rate,
        "phases": list(phases),
        "p95_empty_ms": round(empty, 2),
        "p95_full_ms": round(full, 2),
        "ratio": round(full / empty, 3) if empty else 0.0,
        "spread_share": round((max(p95["A"]) - min(p95["A"])) / empty, 3) if empty else 0.0,
        "snapshot": options.snapshot,
        "lost": sum(p["lost"] for p in phases),
        "duplicated": sum(p["duplicated"] for p in phases),
    }
