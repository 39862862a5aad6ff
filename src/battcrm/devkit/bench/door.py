"""The door alone: one gateway process beside PostgreSQL takes webhooks as fast as so many connections send them."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from battcrm.devkit.bench import accounting, usage
from battcrm.devkit.bench.generator import Sockets
from battcrm.devkit.bench.plan import update_body
from battcrm.devkit.bench.runner import SETTINGS, Progress, machine
from battcrm.devkit.bench.seed import SECRET
from battcrm.devkit.bench.world import Bench, Shape, world
from battcrm.infra.postgres import open_pool

_TEXT: Final = "Здравствуйте, разбил экран на айфоне 13, сколько будет стоить и как долго делать?"
_STORED: Final = "SELECT count(*) FROM inbox WHERE tenant_id IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Load:
    """`seconds` of load by `connections` that each send the next webhook when the last is answered."""

    seconds: float = 20.0
    connections: int = 32
    tenants: int = 200


async def run(load: Load, progress: Progress) -> dict[str, Any]:
    """Measure; the report. `lost` counts webhooks that were acknowledged and are not stored."""
    folder = Path(tempfile.mkdtemp(prefix="battcrm-door-"))
    try:
        progress("starting servers and the gateway", 0.0)
        async with world(Shape(load.tenants, graph=False, model=False, workers=0), folder) as bench:
            return await _measured(load, bench, folder, progress)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _measured(load: Load, bench: Bench, folder: Path, progress: Progress) -> dict[str, Any]:
    hooks, out = folder / "hooks.json", folder / "acks.json"
    hooks.write_bytes(orjson.dumps([shop.hook for shop in bench.shops]))
    before = usage.sample(bench)
    arguments = (str(hooks), bench.gateway_url, str(load.seconds), str(load.connections), str(out))
    sender = await asyncio.create_subprocess_exec(sys.executable, "-m", "battcrm.devkit.bench.door", *arguments)
    bench.processes["generator"] = sender
    began = time.monotonic()
    while sender.returncode is None:
        progress("load", min(1.0, (time.monotonic() - began) / load.seconds))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(sender.wait(), 0.25)
    after = usage.sample(bench)
    sent = orjson.loads(out.read_bytes())
    pool = await open_pool(bench.servers.postgres_url, maximum=1, name="bench")
    try:
        stored = await pool.fetchval(_STORED)
        settings = {row["name"]: row["setting"] for row in await pool.fetch(SETTINGS)}
    finally:
        await pool.close()
    accepted = len(sent["ack_ms"])
    return {
        "accepted": accepted,
        "refused": sent["refused"],
        "stored": stored,
        "lost": max(0, accepted - stored),
        "duplicated": max(0, stored - accepted - sent["unanswered"]),
        "accepted_per_s": round(accepted / sent["seconds"], 1),
        "ack_ms": accounting.percentiles(sent["ack_ms"]),
        "cpu_ms_per_message_by_process": usage.per_message(before, after, accepted),
        "rss_mb_by_process": {name: round(value, 1) for name, value in after.rss_mb.items()},
        "machine": machine(),
        "settings": {**settings, "connections": load.connections, "tenants": load.tenants},
    }


async def _send(hooks: list[str], base: str, seconds: float, connections: int) -> dict[str, Any]:
    parts = urlsplit(base)
    sockets = Sockets(parts.hostname or "127.0.0.1", parts.port or 80)
    acks: list[float] = []
    counts = {"refused": 0, "unanswered": 0}
    end = time.monotonic() + seconds

    async def connection(number: int) -> None:
        update = number * 10_000_000
        while (began := time.monotonic()) < end:
            update += 1
            # A chat writes three messages, as people do.
            body = update_body(update, 1_000_000 + update // 3, update, _TEXT)
            try:
                status = await sockets.post(hooks[update % len(hooks)], body, SECRET)
            except (OSError, asyncio.IncompleteReadError):
                counts["unanswered"] += 1
                continue
            if 200 <= status < 300:
                acks.append((time.monotonic() - began) * 1000)
            else:
                counts["refused"] += 1

    began = time.monotonic()
    await asyncio.gather(*(connection(number + 1) for number in range(connections)))
    took = time.monotonic() - began
    sockets.close()
    return {"seconds": took, "ack_ms": acks, **counts}


def main() -> None:
    """`python -m battcrm.devkit.bench.door HOOKS BASE SECONDS CONNECTIONS OUT`."""
    import uvloop

    hooks, base, seconds, connections, out = sys.argv[1:6]
    result = uvloop.run(_send(orjson.loads(Path(hooks).read_bytes()), base, float(seconds), int(connections)))
    Path(out).write_bytes(orjson.dumps(result))


if __name__ == "__main__":
    main()
