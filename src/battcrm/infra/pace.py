"""Pacing of loops that take batches: a round begins no sooner than a few milliseconds after the one before.

Statements cost the same for one row and for ten. An idle loop starts at once; a busy one finds what gathered meanwhile,
and spends less on each row.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Pace:
    """Keeps starts at least `seconds` apart."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self._next = 0.0

    async def start(self, early: asyncio.Event | None = None) -> None:
        """Wait for the next allowed start and take it, or for `early`: then there is nothing left to wait for."""
        loop = asyncio.get_running_loop()
        at = max(loop.time(), self._next)
        self._next = at + self._seconds
        if at <= loop.time():
            return
        if early is None:
            await asyncio.sleep(at - loop.time())
            return
        with suppress(TimeoutError):
            async with asyncio.timeout_at(at):
                await early.wait()
                self._next = loop.time() + self._seconds
