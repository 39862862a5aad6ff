"""Pacing of loops that take batches: a round begins no sooner than a few milliseconds after the one before.

Statements cost the same for one row and for ten. An idle loop starts at once; a busy one finds what gathered meanwhile,
and spends less on each row.
"""

from __future__ import annotations

import asyncio


class Pace:
    """Keeps starts at least `seconds` apart."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self._next = 0.0

    async def start(self) -> None:
        """Wait for the next allowed start and take it."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._next)
        self._next = at + self._seconds
        if at > now:
            await asyncio.sleep(at - now)
