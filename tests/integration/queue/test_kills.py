"""The real process, killed again and again: every task that was pushed ends as one row."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from battcrm.devkit.emulators.openai import OpenAiEmulator
from battcrm.settings import Settings
from tests.integration.queue.conftest import KEY, OPEN, PLAIN, QUEUE, Place
from tests.support.waiting import eventually

_TASKS = 400
_COMMAND = (str(Path(sys.executable).parent / "battcrm"), "run", "ai-worker", "--queue", QUEUE, "--tenant", "lavka")


@asynccontextmanager
async def worker(settings: Settings, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    env = os.environ | {
        "DATABASE_URL": settings.database_url or "",
        "REDIS_URL": settings.redis_url or "",
        "BATTCRM_SECRET_KEYS": KEY,
        "OPENAI_API_KEY": "test",
        "OPENAI_BASE_URL": settings.openai_base_url or "",
        "NEO4J_URL": "bolt://127.0.0.1:9",
        "NEO4J_PASSWORD": "unused",
        "BATTCRM_LOG_LEVEL": "warning",
    }
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(*_COMMAND, env=env, stdout=output, stderr=output)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def time_passes(place: Place) -> None:
    """Half a minute later: the dead are known to be dead, and their leases have run out."""
    for key in await place.keys():
        if b":alive:" in key:
            await place.redis.delete(key)
    await place.runtime.pool.execute("UPDATE queue_task SET lease_until = received_at WHERE lease_until IS NOT NULL")


async def test_nothing_is_lost(place: Place, settings: Settings, provider: OpenAiEmulator, tmp_path: Path) -> None:
    provider.set_latency(50, 200)
    log = tmp_path / "worker.log"
    await place.push(*({"id": n, "text": PLAIN if n % 2 else f"{OPEN} {n}"} for n in range(_TASKS)))
    # Before anything is done, in the middle of the work, and when half of it is done.
    for reached in (1, _TASKS // 4, _TASKS // 2):
        async with worker(settings, log) as process:
            await _until(place, reached, log)
            process.kill()
        await place.push({"id": f"after-{reached}", "text": PLAIN})
        await time_passes(place)
    async with worker(settings, log) as process:
        await eventually(lambda: _all(place), what="every task is done")
        process.terminate()
        assert await process.wait() == 0
    rows = {row["task_id"] for row in await place.rows()}
    assert rows == {str(n) for n in range(_TASKS)} | {f"after-{n}" for n in (1, _TASKS // 4, _TASKS // 2)}
    assert await place.dead() == []
    assert not [key for key in await place.keys() if b":processing:" in key]


async def _until(place: Place, wanted: int, log: Path) -> None:
    query = "SELECT count(*) >= $1 FROM ai_extraction_result"
    await eventually(
        lambda: place.runtime.pool.fetchval(query, wanted), what=f"{wanted} results; the worker says: {log}"
    )


async def _all(place: Place) -> Any:
    held = [key for key in await place.keys() if b":processing:" in key]
    return not held and await place.redis.llen(QUEUE) == 0 and await place.waiting() == 0
