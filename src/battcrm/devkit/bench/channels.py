"""`bench --channels all`: every channel at once on real processes, with duplicates, platform errors and outages."""

from __future__ import annotations

import asyncio
import base64
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from battcrm.devkit.bench import channels_plan, runner, usage
from battcrm.devkit.bench.channels_judge import judge, read_tables
from battcrm.devkit.bench.channels_plan import KINDS, PLATFORMS, Plan
from battcrm.devkit.bench.channels_report import report
from battcrm.devkit.bench.mix import mix_hash
from battcrm.devkit.bench.seed import Shop, seed_shops
from battcrm.devkit.bench.world import (
    KEY,
    WORKER_ROLES,
    Bench,
    environment_of,
    start_emulator,
    start_role,
    stop_all,
    wait_ready,
)
from battcrm.infra import embedded
from battcrm.infra.embedded.process import free_port
from battcrm.infra.migrate import upgrade
from battcrm.infra.partitions import maintain
from battcrm.infra.postgres import open_pool
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import Permanent
from battcrm.kit.text import dumps, loads
from battcrm.services.channels import Channels
from battcrm.services.channels_life import ChannelLife
from battcrm.services.channels_view import ChannelBook
from battcrm.settings import load_settings
from battcrm.transport.health_rows import HealthRows
from battcrm.workers.caretaker import health_job
from battcrm.workers.runtime import Runtime, connect

_LINE: Final = 64 * 1024 * 1024
_SLACK: Final = 300.0
_TRIES: Final = 8


@dataclass(frozen=True, slots=True)
class Options:
    """What to run: `rate` messages a second over all channels for `seconds`; one platform away for `outage` seconds in
    each two minutes; a share `errors` of sends refused or unanswered."""

    rate: float = 24.0
    seconds: float = 120.0
    seed: int = 1
    tenants: int = 4
    graph: bool = True
    model_share: float = 0.3
    outage: float = channels_plan.OUTAGE
    errors: float = channels_plan.ERRORS
    drain: float = 180.0
    logs: Path | None = None


@dataclass(slots=True)
class _Stage:
    """A world with its platforms."""

    bench: Bench
    platforms: asyncio.subprocess.Process
    accounts: dict[str, list[dict[str, Any]]]
    evidence: Path


async def run(options: Options, progress: runner.Progress) -> dict[str, Any]:
    """Run it and return the report: the load test's with `channels`, `unknown_causes` and `outage` beside."""
    folder = Path(tempfile.mkdtemp(prefix="battcrm-channels-"))
    share = options.model_share
    plan = channels_plan.make_plan(
        options.rate,
        options.seconds,
        tenants=options.tenants,
        seed=options.seed,
        model_share=share,
        outage=options.outage,
        errors=options.errors,
    )
    try:
        progress("starting servers, platforms and roles", 0.0)
        async with _staged(options, plan, folder) as stage:
            return await _performed(options, plan, stage, progress)
    finally:
        if options.logs is not None:
            await asyncio.to_thread(shutil.copytree, folder, options.logs, dirs_exist_ok=True)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


@asynccontextmanager
async def _staged(options: Options, plan: Plan, folder: Path) -> AsyncIterator[_Stage]:
    """Servers, the platforms' process, our roles."""
    async with AsyncExitStack() as stack:
        which = embedded.ALL if options.graph else embedded.ALL - {"graph"}
        servers = await stack.enter_async_context(embedded.temporary(which))
        await upgrade(servers.postgres_url)
        owner = await open_pool(servers.postgres_url, maximum=2, name="bench-owner")
        await maintain(owner, SystemClock().now())
        await owner.close()
        processes: dict[str, asyncio.subprocess.Process] = {}
        stack.push_async_callback(stop_all, processes)
        model = await start_emulator("openai", processes, folder, "--latency-ms", "500-1500")
        shops = await seed_shops(servers.postgres_url, None, base64.b64decode(KEY), options.tenants, 0.0)
        port = free_port()
        gateway = f"http://127.0.0.1:{port}"
        env = environment_of(servers, model, port) | {"BATTCRM_PUBLIC_URL": gateway}
        evidence = folder / "evidence.json"
        platforms, accounts = await _platforms(plan, options.tenants, evidence, processes, folder)
        await start_role("gateway", "gateway", env, processes, folder)
        await start_role("worker", WORKER_ROLES, env, processes, folder)
        bench = Bench(servers.postgres_url, gateway, "", model, shops, servers, processes, env)
        await wait_ready(bench)
        yield _Stage(bench, platforms, accounts, evidence)


async def _platforms(
    plan: Plan, tenants: int, evidence: Path, processes: dict[str, asyncio.subprocess.Process], folder: Path
) -> tuple[asyncio.subprocess.Process, dict[str, list[dict[str, Any]]]]:
    (folder / "plan.json").write_bytes(dumps(plan.document()))
    command = (sys.executable, "-m", "battcrm.devkit.bench.channels_platforms")
    with (folder / "platforms.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            str(folder / "plan.json"),
            str(tenants),
            str(evidence),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            limit=_LINE,
        )
    processes["emulator-platforms"] = process
    return process, await _answer(process, _SLACK)


async def _answer(process: asyncio.subprocess.Process, patience: float) -> Any:
    """The next line of the platforms' process. Permanent if it ended."""
    if process.stdout is None:
        raise Permanent("the platforms have no output")
    async with asyncio.timeout(patience):
        line = await process.stdout.readline()
    if not line:
        raise Permanent("the platforms ended; their log tells why (--logs)")
    return loads(line)


async def _order(process: asyncio.subprocess.Process, document: Any) -> None:
    if process.stdin is None:
        raise Permanent("the platforms take no orders")
    process.stdin.write(dumps(document) + b"\n")
    await process.stdin.drain()


async def _connected(stage: _Stage) -> list[str]:
    """Connect every account as its owner would; the chats' channel ids by tenant."""
    env = stage.bench.environment
    names = ("DATABASE_URL", "REDIS_URL", "BATTCRM_SECRET_KEYS", "BATTCRM_GATEWAY_PORT", "BATTCRM_PUBLIC_URL")
    chats = []
    async with connect(load_settings(**{name: env[name] for name in names}), name="bench") as runtime:
        life = _life(runtime)
        for number, shop in enumerate(stage.bench.shops):
            for kind in PLATFORMS:
                await _join(life, shop, kind, stage.accounts[kind][number])
            chats.append(await _chat(life, shop))
        await runtime.wakeups.flush()
    return chats


def _life(runtime: Runtime) -> ChannelLife:
    channels = Channels(runtime.pool, runtime.vault, runtime.clock, runtime.ids, runtime.wakeups)
    book, job = ChannelBook(runtime.pool, runtime.channels), health_job(runtime)
    rows = HealthRows(runtime.pool, runtime.ids)
    return ChannelLife(runtime.pool, runtime.clock, channels, runtime.channels, book, rows, job.probe, job)


async def _join(life: ChannelLife, shop: Shop, kind: str, account: dict[str, Any]) -> None:
    """Platforms give the gateway seconds to answer; a busy machine may need another try."""
    problem: str | None = None
    for _ in range(_TRIES):
        problem = (await life.add(shop.tenant_id, kind, **account)).problem
        if problem is None:
            return
        await asyncio.sleep(1.0)
    raise Permanent(f"{kind} could not be connected: {problem}")


async def _chat(life: ChannelLife, shop: Shop) -> str:
    joined = await life.add(shop.tenant_id, KINDS[-1])
    return str(joined.view.channel_id)


async def _performed(options: Options, plan: Plan, stage: _Stage, progress: runner.Progress) -> dict[str, Any]:
    chats = await _connected(stage)
    pool = await open_pool(stage.bench.servers.postgres_url, maximum=2, name="bench")
    try:
        before = usage.sample(stage.bench)
        start = time.monotonic() + 1.0
        await _order(stage.platforms, {"start": start, "gateway": stage.bench.gateway_url, "webchat": chats})
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch(start, plan.warmup + options.seconds, progress))
            await _answer(stage.platforms, plan.warmup + options.seconds + _SLACK)
            watching.cancel()
        after = usage.sample(stage.bench)
        drained = await runner.drain(pool, options.drain, progress)
        await _order(stage.platforms, {})
        async with asyncio.timeout(_SLACK):
            await stage.platforms.wait()
        evidence = loads(stage.evidence.read_bytes())
        verdict = judge(evidence, await read_tables(pool))
        cpu = usage.per_message(before, after, len(evidence["said"]))
        ledger = await pool.fetchval("SELECT count(*) FROM llm_call WHERE tenant_id IS NOT NULL")
        return {
            **report(verdict, evidence, plan, start),
            "llm_calls": ledger,
            "offered_per_s": options.rate,
            "cpu_ms_per_message": usage.ours(cpu),
            "cpu_ms_per_message_by_process": cpu,
            "rss_mb_by_process": {name: round(value, 1) for name, value in after.rss_mb.items()},
            "drain_seconds": drained,
            "machine": runner.machine(),
            "settings": _settings(options),
        }
    finally:
        await pool.close()


async def _watch(begin: float, seconds: float, progress: runner.Progress) -> None:
    while True:
        progress("people write", min(1.0, max(0.0, (time.monotonic() - begin) / seconds)))
        await asyncio.sleep(0.25)


def _settings(options: Options) -> dict[str, Any]:
    kinds: Sequence[str] = KINDS
    return {
        "channels": list(kinds),
        "tenants": options.tenants,
        "seconds": options.seconds,
        "warmup_s": channels_plan.WARMUP,
        "seed": options.seed,
        "graph": options.graph,
        "debounce": 0.0,
        "llm_share_offered": options.model_share,
        "mix": mix_hash(),
        "duplicates": channels_plan.DUPLICATES,
        "errors": options.errors,
        "outage": options.outage,
    }
