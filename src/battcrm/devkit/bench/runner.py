"""One run from start to report."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import orjson
import psutil

from battcrm.devkit.bench import accounting, outage, plan, profile, usage
from battcrm.devkit.bench.mix import mix_hash
from battcrm.devkit.bench.seed import SECRET
from battcrm.devkit.bench.world import Bench, Shape, check_alive, world
from battcrm.infra.http import AioHttp
from battcrm.infra.postgres import Pool, open_pool

Progress = Callable[[str, float], None]
_SETTLED: Final = """
SELECT (SELECT count(*) FROM inbox WHERE tenant_id IS NOT NULL)
     + (SELECT count(*) FROM client_work WHERE due_at IS NOT NULL AND tenant_id IS NOT NULL)
     + (SELECT count(*) FROM outgoing WHERE due_at IS NOT NULL AND tenant_id IS NOT NULL)
"""
SETTINGS: Final = """
SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers',
  'max_connections', 'server_version') /* all tenants: the server's settings */
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What to run. `rate` in messages a second, `seconds` of load after `warmup`; the graph dies for `graph_outage` s."""

    rate: float
    seconds: float
    seed: int = 1
    shape: Shape = field(default_factory=Shape)
    model_share: float = 0.3
    warmup: float = 5.0
    drain: float = 30.0
    profile: Path | None = None
    logs: Path | None = None
    graph_outage: float = 0.0

    def stretched(self) -> Options:
        """The same, long enough for the outage it asks for."""
        least = outage.BEFORE + self.graph_outage + outage.AFTER if self.graph_outage else 0.0
        return replace(self, seconds=max(self.seconds, least))


async def run(options: Options, progress: Progress) -> dict[str, Any]:
    """Run the load test and return its report."""
    profile.check(options.profile)
    folder = Path(tempfile.mkdtemp(prefix="battcrm-bench-"))
    try:
        progress("starting servers, emulators and roles", 0.0)
        async with world(options.shape, folder) as bench:
            return await _measured(options, bench, folder, progress)
    finally:
        if options.logs is not None:
            await asyncio.to_thread(shutil.copytree, folder, options.logs, dirs_exist_ok=True)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _measured(options: Options, bench: Bench, folder: Path, progress: Progress) -> dict[str, Any]:
    share = options.model_share if options.shape.model else 0.0
    seconds = options.warmup + options.seconds
    calls = plan.make_plan(options.rate, seconds, tenants=len(bench.shops), seed=options.seed, model_share=share)
    plan.save(calls, folder / "plan.json")
    (folder / "hooks.json").write_bytes(orjson.dumps([(shop.hook, SECRET) for shop in bench.shops]))
    pool = await open_pool(bench.servers.postgres_url, maximum=2, name="bench")
    try:
        start = time.monotonic() + 1.5
        generator = await _generate(bench, folder, start)
        bench.processes["generator"] = generator
        await asyncio.sleep(max(0.0, start + options.warmup - time.monotonic()))
        before = usage.sample(bench)
        async with asyncio.TaskGroup() as tasks:
            away = options.graph_outage
            tasks.create_task(profile.record(bench, options.profile, options.seconds))
            dying = tasks.create_task(outage.interrupt(bench, pool, away, progress)) if away else None
            await _watch(bench, folder, start + options.warmup, options.seconds, progress)
            after = usage.sample(bench)
            await generator.wait()
            backlog = await pool.fetchval(_SETTLED)
            drained = await drain(pool, options.drain, progress)
        report = await _report(options, bench, folder, pool, calls, (before, after), (backlog, drained))
        return report | {"graph_outage": await outage.report(pool, dying.result())} if dying else report
    finally:
        await pool.close()


async def _generate(bench: Bench, folder: Path, start: float) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "battcrm.devkit.bench.generator",
        str(folder / "plan.json"),
        str(folder / "hooks.json"),
        bench.gateway_url,
        repr(start),
        str(folder / "sent.json"),
    )


async def _watch(bench: Bench, folder: Path, begin: float, seconds: float, progress: Progress) -> None:
    while time.monotonic() < begin + seconds:
        check_alive(bench, folder)
        progress("load", min(1.0, (time.monotonic() - begin) / seconds))
        await asyncio.sleep(0.25)


async def drain(pool: Pool, limit: float, progress: Progress) -> float:
    """Seconds until nothing waits any more; at most `limit`."""
    began = time.monotonic()
    quiet = 0
    while time.monotonic() - began < limit and quiet < 3:
        progress("draining", 1.0)
        quiet = quiet + 1 if await pool.fetchval(_SETTLED) == 0 else 0
        await asyncio.sleep(0.3)
    return round(time.monotonic() - began, 2)


async def received_log(telegram_url: str) -> dict[accounting.Chat, list[dict[str, Any]]]:
    """What the emulated messenger showed, by chat, in order."""
    found: dict[accounting.Chat, list[dict[str, Any]]] = defaultdict(list)
    position = 0
    async with AioHttp(allow_private=True) as http:
        while True:
            answer = await http.request("GET", f"{telegram_url}/_control/log?after={position}", idempotent=True)
            items = orjson.loads(answer.body)
            for item in items:
                if item["method"].lower().startswith("send"):
                    found[item["account"], item["chat"]].append(item)
            position += len(items)
            if not items:
                return found


async def _report(
    options: Options,
    bench: Bench,
    folder: Path,
    pool: Pool,
    calls: list[plan.Call],
    samples: tuple[usage.Sample, usage.Sample],
    queue: tuple[int, float],
) -> dict[str, Any]:
    sent_log = orjson.loads((folder / "sent.json").read_bytes())
    messages, turns, outgoing = await accounting.read_tables(pool)
    received = await received_log(bench.telegram_url)
    verdict = accounting.judge(accounting.Evidence(calls, bench.shops, sent_log, received, messages, turns, outgoing))
    ledger = await pool.fetchval("SELECT count(*) FROM llm_call WHERE tenant_id IS NOT NULL")
    cpu = usage.per_message(*samples, round(options.rate * options.seconds))
    return {
        **_counts(options, verdict),
        "llm_calls": ledger,
        "decisions": await accounting.decisions(pool),
        "cpu_ms_per_message": usage.ours(cpu),
        "cpu_ms_per_message_by_process": cpu,
        "rss_mb_by_process": {name: round(value, 1) for name, value in samples[1].rss_mb.items()},
        "backlog_at_end_of_load": queue[0],
        "drain_seconds": queue[1],
        "machine": machine(),
        "settings": await _settings(options, pool),
    }


def _counts(options: Options, verdict: accounting.Verdict) -> dict[str, Any]:
    return {
        "offered_per_s": options.rate,
        "sent": verdict.sent,
        "accepted": verdict.accepted,
        "covered": verdict.covered,
        "silent": verdict.silent,
        "replied": verdict.replied,
        "lost": verdict.lost,
        "duplicated": verdict.duplicated,
        "unknown": verdict.unknown,
        "waiting": verdict.waiting,
        "refused": verdict.refused,
        "covered_per_s": round(verdict.covered / (options.warmup + options.seconds), 1),
        "llm_turn_share": round(verdict.llm_turns / max(1, verdict.turns), 3),
        "ack_ms": accounting.percentiles(verdict.ack_ms),
        "own_ms": accounting.percentiles(verdict.own_ms),
        "own_ms_by_second": accounting.by_second(verdict.own_since),
        "end_to_end_ms": accounting.percentiles(verdict.end_to_end_ms),
        "stages_ms": {name: accounting.percentiles(values) for name, values in verdict.stages_ms.items()},
        "lost_examples": verdict.lost_examples,
    }


def machine() -> dict[str, Any]:
    """What it ran on."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


async def _settings(options: Options, pool: Pool) -> dict[str, Any]:
    read_back = {row["name"]: row["setting"] for row in await pool.fetch(SETTINGS)}
    shape = options.shape
    return {
        **read_back,
        "graph": shape.graph,
        "debounce": shape.debounce,
        "tenants": shape.tenants,
        "workers": shape.workers,
        "model_ms": list(shape.model_ms) if shape.model else None,
        "llm_share_offered": options.model_share if shape.model else 0.0,
        "seed": options.seed,
        "mix": mix_hash(),
        "duplicates": plan.DUPLICATES,
        "warmup_s": options.warmup,
    }
