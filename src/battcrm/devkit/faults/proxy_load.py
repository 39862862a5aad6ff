"""Load for one case of the fault table: messages of chats that no other case has."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from battcrm.devkit.bench import plan
from battcrm.devkit.bench.plan import Call
from battcrm.devkit.bench.seed import SECRET
from battcrm.devkit.bench.shift import SPACING, shifted
from battcrm.devkit.bench.world import Bench


@dataclass(frozen=True, slots=True)
class Load:
    """Messages a second for so many seconds. `copies` deliveries of each; `shuffle` seconds of disorder between chats'
    deliveries; `flood` times its share comes from the first tenant."""

    rate: float = 20.0
    seconds: float = 6.0
    copies: int = 1
    shuffle: float = 0.0
    flood: float = 1.0


def calls_of(load: Load, number: int, tenants: int) -> list[Call]:
    """The calls of the case with this number."""
    calls = plan.make_plan(load.rate, load.seconds, tenants=tenants, seed=1000 + number, model_share=0.3)
    if load.flood > 1:
        extra = load.rate / tenants * (load.flood - 1)
        flood = plan.make_plan(extra, load.seconds, tenants=1, seed=5000 + number, model_share=0.3)
        calls += shifted(flood, SPACING // 2)
    moved = shifted(calls, number * SPACING)
    rng = random.Random(number)
    if load.copies > 1:
        again = [
            replace(c, at=c.at + rng.uniform(0, 2.0), duplicate=True) for c in moved for _ in range(load.copies - 1)
        ]
        moved += again
    if load.shuffle:
        moved = [replace(c, at=c.at + rng.uniform(0, load.shuffle)) for c in moved]
    return sorted(moved, key=lambda call: call.at)


async def start(bench: Bench, calls: Sequence[Call], folder: Path) -> asyncio.subprocess.Process:
    """The generator's process; its log is `sent.json` in the folder."""
    plan.save(list(calls), folder / "plan.json")
    (folder / "hooks.json").write_bytes(orjson.dumps([(shop.hook, SECRET) for shop in bench.shops]))
    (folder / "sent.json").unlink(missing_ok=True)
    begin = repr(time.monotonic() + 1.0)
    files = [str(folder / name) for name in ("plan.json", "hooks.json", "sent.json")]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "battcrm.devkit.bench.generator", *files[:2], bench.gateway_url, begin, files[2]
    )
