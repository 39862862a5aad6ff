"""When a batch leaves. Statements cost the same for one row and for ten, so it pays to wait for company, but not long.

`Pace`: a round begins no sooner than a few milliseconds after the one before. An idle loop starts at once; a busy one
finds what gathered meanwhile, and spends less on each row. `Muster`: a batch waits for those who are known to come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


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


class Muster:
    """Who is about to join the next batch. It waits for them, but at most `seconds`."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self._coming = 0
        self._all_here = asyncio.Event()
        self._all_here.set()

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Around work that ends, soon, with joining the batch."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    @contextmanager
    def late(self) -> Iterator[None]:
        """Around the part of that work for which nobody is to wait."""
        self._count(-1)
        try:
            yield
        finally:
            self._count(1)

    async def all_here(self) -> None:
        """Return when nobody is coming any more, or the time is over."""
        if self._coming and self._seconds:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._all_here.wait()

    def _count(self, by: int) -> None:
        self._coming += by
        if self._coming:
            self._all_here.clear()
        else:
            self._all_here.set()
