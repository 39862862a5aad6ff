"""Writes that nobody waits for: owned, bounded, and finished before the process ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from battcrm.infra.postgres import UNAVAILABLE
from battcrm.kit.clock import Clock

log = structlog.get_logger(__name__)
_MOST: Final = 20_000
_PAUSES_S: Final = (0.5, 2.0, 5.0)


class Later:
    """Runs writes in the background; a database that is away is tried again for some seconds, then the loss is logged."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def post(self, write: Callable[[], Awaitable[Any]], what: str) -> None:
        """Start the write. Never raises and never waits."""
        if len(self._tasks) >= _MOST:
            log.error("write_dropped", what=what, reason="too many are waiting")
            return
        task = asyncio.get_running_loop().create_task(self._run(write, what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Wait for everything posted so far."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    async def _run(self, write: Callable[[], Awaitable[Any]], what: str) -> None:
        for pause in (*_PAUSES_S, None):
            try:
                await write()
            except UNAVAILABLE as error:
                if pause is None:
                    log.error("write_lost", what=what, error=type(error).__name__)
                    return
                await self._clock.sleep(pause)
            except Exception as error:  # noqa: BLE001 - bookkeeping must not end the process it serves
                log.error("write_failed", what=what, error=type(error).__name__)
                return
            else:
                return
