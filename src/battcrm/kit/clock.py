"""Time as a collaborator: production reads the database's clock, tests move theirs (PROTOCOL G)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Source of "now" for code and, as a parameter, for every SQL statement."""

    def now(self) -> datetime:
        """Aware UTC time, never earlier than the value returned before."""
        ...

    def monotonic(self) -> float:
        """Seconds for measuring durations; unrelated to the calendar."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock's time."""
        ...


class SystemClock:
    """Local monotonic time anchored to a reference clock, so hosts agree and NTP steps do not move time back."""

    def __init__(self) -> None:
        self._anchor_wall = datetime.now(UTC)
        self._anchor_mono = time.monotonic()
        self._last = self._anchor_wall

    def now(self) -> datetime:
        """Aware UTC time, monotonic between and across re-anchorings."""
        value = self._anchor_wall + timedelta(seconds=time.monotonic() - self._anchor_mono)
        self._last = max(self._last, value)
        return self._last

    def monotonic(self) -> float:
        """Seconds of the process's monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep real time."""
        await asyncio.sleep(max(0.0, seconds))

    async def follow(self, read_reference: Callable[[], Awaitable[datetime]]) -> float:
        """Re-anchor to the reference (the database), compensating half the round trip. Returns the offset in seconds."""
        started = time.monotonic()
        reference = await read_reference()
        finished = time.monotonic()
        before = self.now()
        self._anchor_wall = reference + timedelta(seconds=(finished - started) / 2)
        self._anchor_mono = finished
        return (self._anchor_wall - before).total_seconds()


class ManualClock:
    """A clock that moves only when told; sleepers wake in due order."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """The time set by the test."""
        return self._now

    def monotonic(self) -> float:
        """The same time as seconds since the epoch."""
        return self._now.timestamp()

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has moved the clock far enough."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + timedelta(seconds=seconds), future))
        await future

    def advance(self, seconds: float) -> None:
        """Move time (also backwards) and release the sleepers that are due."""
        self._now += timedelta(seconds=seconds)
        due = [s for s in self._sleepers if s[0] <= self._now]
        self._sleepers = [s for s in self._sleepers if s[0] > self._now]
        for _, future in sorted(due, key=lambda s: s[0]):
            if not future.done():
                future.set_result(None)
