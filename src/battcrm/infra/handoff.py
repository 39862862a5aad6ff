"""Direct handoff: work that is claimed as it is written, because its worker runs in the same process.

Whoever makes a row due leases it in the same transaction and hands it over when that has been committed; nobody has to
look for it. It is a claim like any other: what is lost on the way is found again when its lease has run out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from battcrm.infra.due import Claim


class Taker(Protocol):
    """A worker that can be given claimed rows. `lease` is in seconds."""

    lease: float

    def accepts(self, share: UUID) -> bool:
        """Is there room now for one more row of this tenant (turns) or channel (replies)?"""
        ...

    def take(self, claims: Sequence[Claim]) -> None:
        """Begin what was claimed for this worker. Returns at once, never fails."""
        ...


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

    def accepts(self, share: UUID) -> bool:
        """May a row of this tenant or channel be leased as it is written?"""
        return self._taker is not None and self._taker.accepts(share)

    def until(self, now: datetime) -> datetime:
        """The end of a lease that begins `now`."""
        return now + timedelta(seconds=self._taker.lease if self._taker is not None else 0.0)

    def give(self, claims: Sequence[Claim]) -> None:
        """Hand over what has been committed; a worker that stopped meanwhile leaves it to the end of the lease.

        Where nobody can know whether it has been committed it is handed over as well: the token decides.
        """
        if claims and self._taker is not None:
            self._taker.take(claims)
