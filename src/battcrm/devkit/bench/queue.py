"""The load test of the bridge: tasks pushed to the list as n8n pushes them, counted in the table that n8n reads.

Open loop: the moment of each push is fixed before the run, and latency counts from it. Lost and doubled are computed
from what was pushed, not from our own rows. With `kills` the worker gets that many `kill -9` and is started again.
"""

from __future__ import annotations

import asyncio
import base64
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psutil
from redis.asyncio import Redis

from battcrm.devkit.bench.accounting import percentiles
from battcrm.devkit.bench.mix import MODELS, OPEN, REPAIRS
from battcrm.devkit.bench.runner import machine
from battcrm.devkit.bench.seed import Shop, seed_shops
from battcrm.devkit.bench.world import KEY, environment_of, start_emulator, stop_all
from battcrm.extraction.dispatcher import RuleReader
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.infra import embedded
from battcrm.infra.migrate import upgrade
from battcrm.infra.partitions import maintain
from battcrm.infra.postgres import Pool, open_pool
from battcrm.infra.redis import open_redis
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import Permanent
from battcrm.kit.text import dumps

Progress = Callable[[str, float], None]
_WORKER: Final = "worker"
_DONE: Final = "SELECT task_id, finished_at FROM ai_extraction_result WHERE tenant_id IS NOT NULL"
_WAITING: Final = "SELECT count(*) FROM queue_task WHERE tenant_id IS NOT NULL"
_DEAD: Final = "SELECT count(*) FROM dead_letter WHERE tenant_id IS NOT NULL"
_DEGRADED: Final = "SELECT count(*) FROM ai_extraction_result WHERE tenant_id IS NOT NULL AND failed IS NOT NULL"
_CALLS: Final = "SELECT count(*) FROM llm_call WHERE tenant_id IS NOT NULL"
_SETTINGS: Final = """
SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'server_version')
"""
# A killed worker is known to be dead after half a minute, and its leases run out after a quarter.
_DRAIN_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """What to run. `rate` in tasks a second; `model_share` of them cannot be settled without the model."""

    queue: str = "ai_extraction_queue"
    rate: float = 300.0
    seconds: float = 30.0
    warmup: float = 5.0
    concurrency: int = 400
    tenants: int = 20
    workers: int = 1
    kills: int = 0
    model_share: float = 1.0
    model_ms: tuple[int, int] = (500, 1500)
    pushed: str = "left"
    seed: int = 1
    logs: Path | None = None


@dataclass(slots=True)
class _World:
    options: QueueOptions
    folder: Path
    pool: Pool
    redis: Redis
    shops: list[Shop]
    open_texts: tuple[str, ...]
    env: dict[str, str]
    processes: dict[str, asyncio.subprocess.Process]
    clock: SystemClock = field(default_factory=SystemClock)
    pushed_at: dict[str, datetime] = field(default_factory=dict)
    rss_mb: float = 0.0
    cpu_s: dict[int, float] = field(default_factory=dict)
    killed: int = 0


async def run_queue(options: QueueOptions, progress: Progress) -> dict[str, Any]:
    """Run the load test on throw-away servers and return its report."""
    folder = Path(tempfile.mkdtemp(prefix="battcrm-bench-"))
    try:
        progress("starting servers, emulator and worker", 0.0)
        async with embedded.temporary(embedded.ALL - {"graph"}) as servers:
            return await _on(servers, options, folder, progress)
    finally:
        if options.logs is not None:
            await asyncio.to_thread(shutil.copytree, folder, options.logs, dirs_exist_ok=True)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _on(servers: embedded.Running, options: QueueOptions, folder: Path, progress: Progress) -> dict[str, Any]:
    await upgrade(servers.postgres_url)
    pool = await open_pool(servers.postgres_url, maximum=2, name="bench")
    redis = open_redis(servers.redis_url)
    processes: dict[str, asyncio.subprocess.Process] = {}
    try:
        await maintain(pool, SystemClock().now())
        low, high = options.model_ms
        model = await start_emulator("openai", processes, folder, "--latency-ms", f"{low}-{high}")
        shops = await seed_shops(servers.postgres_url, "http://127.0.0.1:9", base64.b64decode(KEY), options.tenants, 0)
        env = environment_of(servers, model, 0)
        world = _World(options, folder, pool, redis, shops, await asyncio.to_thread(_open_texts), env, processes)
        for number in range(options.workers):
            await _start(world, f"{_WORKER}-{number + 1}")
        return await _measured(world, progress)
    finally:
        await stop_all(processes)
        await redis.aclose()
        await pool.close()


async def _start(world: _World, name: str) -> None:
    """Start a worker and wait until it takes tasks."""
    options = world.options
    command = (str(Path(sys.executable).parent / "battcrm"), "run", "ai-worker", "--queue", options.queue)
    extra = ("--concurrency", str(options.concurrency), "--pushed", options.pushed, "--tenant", "bench-0")
    before = set(await world.redis.keys("*:alive:*"))
    with (world.folder / f"{name}.log").open("ab") as log:
        world.processes[name] = await asyncio.create_subprocess_exec(
            *command, *extra, env=world.env, stdout=log, stderr=log
        )
    async with asyncio.timeout(60):
        while not set(await world.redis.keys("*:alive:*")) - before:
            if world.processes[name].returncode is not None:
                text = (world.folder / f"{name}.log").read_text("utf-8", "replace")[-2000:]
                raise Permanent(f"{name} ended at start: {text}")
            await asyncio.sleep(0.05)


async def _measured(world: _World, progress: Progress) -> dict[str, Any]:
    options = world.options
    total = options.warmup + options.seconds
    start = time.monotonic() + 0.5
    progress("load", 0.0)
    async with asyncio.TaskGroup() as group:
        pushing = group.create_task(_push(world, start, total))
        watching = group.create_task(_watch(world))
        group.create_task(_kill(world, start, total))
        await pushing
        ended = world.clock.now()
        drained = await _drain(world, progress)
        watching.cancel()
    return await _report(world, ended, drained)


async def _push(world: _World, start: float, total: float) -> None:
    """Every task at its moment; those whose moment has passed leave together."""
    options = world.options
    rng = random.Random(options.seed)
    began = world.clock.now() + timedelta(seconds=start - time.monotonic())
    moment, number = 0.0, 0
    while True:
        batch = []
        while moment <= time.monotonic() - start and moment < total:
            raw = dumps(_task(world, rng, number))
            world.pushed_at[str(number)] = began + timedelta(seconds=moment)
            batch.append(raw)
            moment, number = moment + rng.expovariate(options.rate), number + 1
        if batch:
            push = world.redis.lpush if options.pushed == "left" else world.redis.rpush
            await push(options.queue, *batch)
        if moment >= total:
            return
        await asyncio.sleep(0.01)


def _open_texts() -> tuple[str, ...]:
    """Those of the mix that today's rules leave to the model. Permanent when they have learnt all of them."""
    reader = RuleReader(Catalogue.load())
    found = tuple(text for text in OPEN if reader.read((text.format(n=7),)).open_fields)
    if not found:
        raise Permanent("rules settle every text of the mix: write one that they leave open")
    return found


def _task(world: _World, rng: random.Random, number: int) -> dict[str, Any]:
    shop = world.shops[rng.randrange(len(world.shops))]
    if rng.random() < world.options.model_share:
        text = rng.choice(world.open_texts).format(n=number)
    else:
        text = rng.choice(rng.choice(REPAIRS)[1]).format(m=rng.choice(MODELS)[2])
    return {
        "id": number,
        "tenant_id": str(shop.tenant_id),
        "chat_id": number,
        "text": text,
        "execution_id": str(number),
    }


async def _watch(world: _World) -> None:
    """The greatest memory of a worker, and its processor time as long as it lives."""
    while True:
        for name, process in list(world.processes.items()):
            if not name.startswith(_WORKER):
                continue
            try:
                seen = psutil.Process(process.pid)
                world.rss_mb = max(world.rss_mb, seen.memory_info().rss / 1e6)
                times = seen.cpu_times()
                world.cpu_s[process.pid] = times.user + times.system
            except psutil.Error:
                continue
        await asyncio.sleep(0.2)


async def _kill(world: _World, start: float, total: float) -> None:
    rng = random.Random(world.options.seed + 1)
    moments = sorted(rng.uniform(0.1, 1.0) * total for _ in range(world.options.kills))
    for moment in moments:
        await asyncio.sleep(max(0.0, start + moment - time.monotonic()))
        name = f"{_WORKER}-{rng.randrange(world.options.workers) + 1}"
        process = world.processes[name]
        process.kill()
        await process.wait()
        world.killed += 1
        await _start(world, name)


async def _drain(world: _World, progress: Progress) -> float:
    """Seconds until the list, the lists of taken elements and the rows are empty; at most `_DRAIN_S`."""
    began = time.monotonic()
    while time.monotonic() - began < _DRAIN_S:
        progress("draining", 1.0)
        lists = [world.options.queue, *[key async for key in world.redis.scan_iter("*:processing:*")]]
        held = sum([await world.redis.llen(key) for key in lists])
        alive = world.killed == world.options.kills
        if alive and not held and not await world.pool.fetchval(_WAITING):
            break
        await asyncio.sleep(0.2)
    return time.monotonic() - began


async def _report(world: _World, ended: datetime, drained: float) -> dict[str, Any]:
    options = world.options
    finished = {row["task_id"]: row["finished_at"] for row in await world.pool.fetch(_DONE)}
    took = {own: (finished[own] - at).total_seconds() * 1000 for own, at in world.pushed_at.items() if own in finished}
    from_ = ended - timedelta(seconds=options.seconds)
    during = sum(1 for at in finished.values() if from_ <= at <= ended)
    dead, waiting = await world.pool.fetchval(_DEAD), await world.pool.fetchval(_WAITING)
    missing = [own for own in world.pushed_at if own not in finished]
    return {
        "offered_per_s": options.rate,
        "pushed": len(world.pushed_at),
        "done": len(took),
        "lost": max(0, len(missing) - dead - waiting),
        "unasked": len(set(finished) - set(world.pushed_at)),
        "dead": dead,
        "waiting": waiting,
        "done_per_s": round(during / options.seconds, 1),
        "latency_ms": percentiles(sorted(took.values())),
        "degraded": await world.pool.fetchval(_DEGRADED),
        "llm_calls": await world.pool.fetchval(_CALLS),
        "kills": world.killed,
        "worker_rss_mb": round(world.rss_mb, 1),
        "worker_cpu_ms_per_task": round(sum(world.cpu_s.values()) * 1000 / max(1, len(took)), 3),
        "drain_seconds": round(drained, 1),
        "machine": machine(),
        "settings": {
            **{row["name"]: row["setting"] for row in await world.pool.fetch(_SETTINGS)},
            "queue": options.queue,
            "pushed": options.pushed,
            "concurrency": options.concurrency,
            "workers": options.workers,
            "tenants": options.tenants,
            "model_share": options.model_share,
            "model_ms": list(options.model_ms),
            "seed": options.seed,
            "warmup_s": options.warmup,
        },
    }
