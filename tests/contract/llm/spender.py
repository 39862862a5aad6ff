"""A process that says it is ready, waits for a line, reserves one tenant's money and prints how often it was let."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, date, datetime
from uuid import UUID

from battcrm.infra.llm.budget import PostgresBudget, Wish
from battcrm.infra.llm.later import Later
from battcrm.infra.postgres import open_pool
from battcrm.kit.clock import SystemClock


async def spend(url: str, tenant: str, times: int, amount: int, most: int) -> int:
    day: date = datetime.now(UTC).date()
    pool = await open_pool(url, maximum=3)
    try:
        book = PostgresBudget(pool, Later(SystemClock()))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)  # both start at once, however long either took to get here
        granted = 0
        for _ in range(times // 5):
            wishes = [book.reserve(Wish(UUID(tenant), day, amount, most)) for _ in range(5)]
            granted += sum(await asyncio.gather(*wishes))
        return granted
    finally:
        await pool.close()


if __name__ == "__main__":
    url, tenant, *numbers = sys.argv[1:]
    sys.stdout.write(str(asyncio.run(spend(url, tenant, *map(int, numbers)))))
