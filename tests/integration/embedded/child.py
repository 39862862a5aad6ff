"""A process that starts servers and waits: `child.py HOME owned|detached [ordinary]`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg
from redis.asyncio import Redis

from battcrm.infra import embedded

_LOADED = (asyncpg, Redis())  # what is imported at first use: an ordinary user may not reach the interpreter's folder


async def main(home: Path, mode: str) -> None:
    running = await embedded.start(home, detached=mode == "detached")
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    print("up", flush=True)  # noqa: T201 - read by the test
    await asked.wait()
    await running.stop()


if __name__ == "__main__":
    if "ordinary" in sys.argv and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        os.chdir("/")
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
