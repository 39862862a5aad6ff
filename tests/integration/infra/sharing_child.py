"""A worker process for test_sharing: claims client work of its buckets until none is left, tells what it got.

`python -m tests.integration.infra.sharing_child URL BUCKETS`; begins when a line comes in.
"""

from __future__ import annotations

import asyncio
import json
import sys

from battcrm.infra.due import CLIENT_WORK, DueQueue
from battcrm.infra.postgres import open_pool
from battcrm.kit.clock import SystemClock
from battcrm.settings import parse_buckets


async def work(url: str, buckets: str) -> None:
    pool = await open_pool(url, maximum=2, name="sharing")
    queue = DueQueue(pool, CLIENT_WORK, SystemClock(), sorted(parse_buckets(buckets)))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    got: list[tuple[str, int]] = []
    while claims := await queue.claim(20, lease=60.0, per_tenant=5):
        got += [(str(claim.key), claim.row["bucket"]) for claim in claims]
        done = await queue.done(claims)
        assert done == {claim.key for claim in claims}
    await pool.close()
    sys.stdout.write(json.dumps(got) + "\n")


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:3]))
