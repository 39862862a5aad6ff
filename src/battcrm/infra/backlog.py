"""How much waits and for how long, sampled from the tables: each role exports the queues that it serves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from battcrm.infra.due import ALL_BUCKETS
from battcrm.infra.postgres import UNAVAILABLE, Pool
from battcrm.infra.telemetry import METRICS
from battcrm.kit.clock import Clock

log = structlog.get_logger(__name__)
COUNTED: Final = 10_000
_EVERY: Final = 5.0
_LATE: Final = 5.0
_LONGEST_REST: Final = 20.0

# Each looks at no more than $3 rows and finds them by a partial index; rows that are not due yet do not wait.
QUERIES: Final[Mapping[str, str]] = {
    "inbox": """
SELECT count(*) AS rows, min(at) AS oldest FROM (
  SELECT received_at AS at FROM inbox WHERE bucket = ANY($1) AND ready_at <= $2 LIMIT $3) q
""",
    "client_work": """
SELECT count(*) AS rows, min(at) AS oldest FROM (
  SELECT due_at AS at FROM client_work WHERE due_at <= $2 AND bucket = ANY($1) ORDER BY due_at LIMIT $3) q
""",
    "outgoing": """
SELECT count(*) AS rows, min(at) AS oldest FROM (
  SELECT due_at AS at FROM outgoing WHERE due_at <= $2 AND bucket = ANY($1) ORDER BY due_at LIMIT $3) q
""",
    "outbox": """
SELECT count(*) AS rows, min(at) AS oldest FROM (
  SELECT occurred_at AS at FROM outbox WHERE published_at IS NULL AND occurred_at <= $2 AND bucket = ANY($1)
  ORDER BY seq LIMIT $3) q
""",
    "media": """
SELECT count(*) AS rows, min(at) AS oldest FROM (
  SELECT due_at AS at FROM due_work WHERE kind = 'media' AND due_at <= $2 AND bucket = ANY($1)
  ORDER BY due_at LIMIT $3) q
""",
    "due_work": """
SELECT count(*) AS rows, min(at) AS oldest FROM (
  SELECT due_at AS at FROM due_work WHERE kind <> 'media' AND due_at <= $2 AND bucket = ANY($1)
  ORDER BY due_at LIMIT $3) q
""",
    "queue_task": """
SELECT count(*) AS rows, min(at) AS oldest FROM (
  SELECT due_at AS at FROM queue_task WHERE due_at <= $2 AND bucket = ANY($1) ORDER BY due_at LIMIT $3) q
""",
    "outgoing_intent": """
SELECT count(*) AS rows, min(at) AS oldest FROM (
  SELECT due_at AS at FROM outgoing_intent WHERE due_at <= $2 AND bucket = ANY($1) ORDER BY due_at LIMIT $3) q
""",
}
SERVED: Final[Mapping[str, tuple[str, ...]]] = {
    "gateway": ("inbox",),
    "poller": ("inbox",),
    "processor": ("inbox",),
    "ai-worker": ("client_work",),
    "ai-queue": ("queue_task",),
    "out-worker": ("outgoing",),
    "relay": ("outbox",),
    "caretaker": ("media", "due_work", "outgoing_intent"),
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queue: rows that could be taken now (at most 10,000 are counted) and the age of the oldest in seconds."""

    queue: str
    rows: int
    oldest_s: float


def queues_of(roles: Collection[str]) -> tuple[str, ...]:
    """The queues that these roles serve."""
    return tuple(dict.fromkeys(queue for role in roles for queue in SERVED.get(role, ())))


async def look(pool: Pool, clock: Clock, queues: Sequence[str], buckets: Sequence[int] = ALL_BUCKETS) -> list[Waiting]:
    """The queues as they are now. Raises what the database raises."""
    now = clock.now()
    found = []
    async with pool.acquire() as connection:
        for queue in queues:
            row: Any = await connection.fetchrow(QUERIES[queue], list(buckets), now, COUNTED)
            age = (now - row["oldest"]).total_seconds() if row["oldest"] else 0.0
            found.append(Waiting(queue, row["rows"], max(0.0, age)))
    return found


class Pressure:
    """How long a reader that may take its time rests while a queue is late: platforms keep what is not fetched."""

    def __init__(self) -> None:
        self._ages: dict[str, float] = {}

    def note(self, waiting: Waiting) -> None:
        """The queue as it was seen last."""
        self._ages[waiting.queue] = waiting.oldest_s

    def rest(self, queue: str) -> float:
        """Seconds to rest: none up to five seconds of lateness, then half of it, at most twenty."""
        age = self._ages.get(queue, 0.0)
        return min(_LONGEST_REST, age / 2) if age > _LATE else 0.0


PRESSURE: Final = Pressure()


async def export(pool: Pool, clock: Clock, roles: Collection[str], buckets: Sequence[int] = ALL_BUCKETS) -> None:
    """Keep the gauges of these roles' queues fresh until cancelled. A database that is away leaves the last values."""
    queues = queues_of(roles)
    while True:
        try:
            for waiting in await look(pool, clock, queues, buckets):
                METRICS.queue_rows.labels(waiting.queue).set(waiting.rows)
                METRICS.queue_age.labels(waiting.queue).set(waiting.oldest_s)
                PRESSURE.note(waiting)
            METRICS.database.set(1)
        except UNAVAILABLE as error:
            METRICS.database.set(0)
            log.warning("backlog.database", error=type(error).__name__)
        await clock.sleep(_EVERY)
