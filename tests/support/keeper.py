"""Keeps the servers of one test run until its last process is gone, also when that process is killed.

Run as a program with the run's folder: every test process holds a shared lock on `users.lock` there, which the
kernel drops with the process; the keeper waits to have the lock alone. The servers die with the keeper.
"""

from __future__ import annotations

import asyncio
import dataclasses
import fcntl
import json
import os
import shutil
import sys
from pathlib import Path

from battcrm.infra import embedded
from battcrm.infra.embedded.home import write_private


async def keep(folder: Path) -> None:
    running = await embedded.start(folder / "home")
    try:
        known = {f.name: getattr(running, f.name) for f in dataclasses.fields(running) if f.type in ("str", str)}
        write_private(folder / "ready.json", json.dumps(known))
        users = os.open(folder / "users.lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(users, fcntl.LOCK_EX)
    finally:
        await running.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(keep(Path(sys.argv[1])))
