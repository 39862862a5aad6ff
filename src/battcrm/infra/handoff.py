"""Direct handoff: work that is claimed as it is written, because its worker runs in the same process.

Whoever makes a row due leases it in the same transaction and hands it over when that has been committed; nobody has to
look for it. It is a claim like any other: what is lost on the way is found again when its lease has run out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from battcrm.infra.due import Claim


class Taker(Protocol):
    """A worker that can be given claimed rows. `lease` is in seconds."""

    lease: float

    def room(self) -> int:
        """How many more rows it would begin now; less than none when it has too many."""
        ...

    def room_of(self, share: UUID) -> int:
        """The same for rows of one tenant (turns) or channel (replies)."""
        ...

    def take(self, claims: Sequence[Claim]) -> None:
        """Begin what was claimed for this worker. Returns at once, never fails."""
        ...


class Offer:
    """What one batch hands over: no more than there is room for."""

    def __init__(self, taker: Taker | None) -> None:
        self._taker = taker
        self._taken: Counter[UUID] = Counter()

    def accepts(self, share: UUID, rows: int = 1) -> bool:
        """May so many more rows of this tenant or channel be leased as they are written? They then count as taken."""
        if self._taker is None or self._taken.total() + rows > self._taker.room():
            return False
        if self._taken[share] + rows > self._taker.room_of(share):
            return False
        self._taken[share] += rows
        return True


class Handoff:
    """Between a writer and a worker of one process; while nobody takes, everything is left to be claimed."""

    def __init__(self) -> None:
        self._taker: Taker | None = None

    @contextmanager
    def to(self, taker: Taker) -> Iterator[None]:
        """Hand over to this worker inside the block."""
        self._taker = taker
        try:
            yield
        finally:
            self._taker = None

    def offer(self) -> Offer:
        """For the rows of one batch."""
        return Offer(self._taker)

    def until(self, now: datetime) -> datetime:
        """The end of a lease that begins `now`."""
        return now + timedelta(seconds=self._taker.lease if self._taker is not None else 0.0)

    def give(self, claims: Sequence[Claim]) -> None:
        """Hand over what has been committed; a worker that stopped meanwhile leaves it to the end of the lease.

        Where nobody can know whether it has been committed it is handed over as well: the token decides.
        """
        if claims and self._taker is not None:
            self._taker.take(claims)
