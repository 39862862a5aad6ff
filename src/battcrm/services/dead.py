"""Dead letters: see what was given up, give it another chance, or let it go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from battcrm.events.bus import EventBus, Packed
from battcrm.events.catalogue import Envelope
from battcrm.infra.postgres import Connection, Pool
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Conflict, Invalid
from battcrm.kit.ids import bucket_of
from battcrm.models.unified import UnifiedMessage
from battcrm.models.unified_codec import decode
from battcrm.transport.accounts import ChannelDirectory
from battcrm.transport.door import Door
from battcrm.transport.registry import manifest_of

EVENT: Final = "event:"
QUEUE: Final = "queue:"

_LIST: Final = """
SELECT tenant_id, dead_id, source, reason, context, created_at, settled_at, settled_as, octet_length(payload) AS size
FROM dead_letter
WHERE tenant_id = $1 AND ($2::text IS NULL OR source = $2) AND ($3 OR settled_at IS NULL)
  AND ($4::uuid IS NULL OR dead_id < $4)
ORDER BY dead_id DESC LIMIT $5
"""
_GET: Final = """
SELECT tenant_id, dead_id, source, reason, context, created_at, settled_at, settled_as, octet_length(payload) AS size,
  payload
FROM dead_letter WHERE tenant_id = $1 AND dead_id = $2
"""
_SETTLE: Final = """
UPDATE dead_letter SET settled_at = $3, settled_as = $4
WHERE tenant_id = $1 AND dead_id = $2 AND settled_at IS NULL RETURNING dead_id
"""
_TO_INBOX: Final = """
INSERT INTO inbox (tenant_id, bucket, channel_id, event_id, raw_id, payload, received_at, ready_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
"""
_FORGET_EFFECT: Final = "DELETE FROM processed WHERE consumer = $1 AND event_id = $2 AND tenant_id = $3"
_FOLLOWS: Final = """
SELECT 1 FROM consumer_group WHERE consumer = $1 LIMIT 1 /* all tenants: does the consumer exist */
"""
_MAKE_DUE: Final = """
UPDATE client_work SET due_at = $3, lease_until = NULL, token = token + 1, attempts = 0, last_error = NULL
WHERE tenant_id = $1 AND client_id = $2 RETURNING client_id
"""
_TO_QUEUE: Final = """
INSERT INTO queue_task (tenant_id, task_key, bucket, lane, raw, received_at, due_at) VALUES ($1, $2, $3, $4, $5, $6, $6)
"""
_TENANT: Final = "SELECT tenant_id FROM tenant WHERE tenant_id::text = lower($1) OR slug = $1"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One item given up. `size` in bytes; `payload` only where it was asked for: it may hold what people wrote."""

    tenant_id: UUID
    dead_id: UUID
    source: str
    reason: str
    context: dict[str, Any]
    size: int
    created_at: datetime
    settled_at: datetime | None
    settled_as: str | None
    payload: bytes | None = None


async def find_tenant(pool: Pool, name: str) -> UUID:
    """The tenant of a slug or an id. Invalid if there is none."""
    found: UUID | None = await pool.fetchval(_TENANT, name)
    if found is None:
        raise Invalid(f"no tenant {name!r}", field="tenant", remedy="battcrm tenant list shows them")
    return found


class DeadLetters:
    """Sources: `door` (unreadable body), `inbox` (failed processing), `orphan` (refers to a message that never came),
    `turn` (a client's turn), `event:<consumer>` (an event one consumer could not handle), `queue:<list>` (a task of a list
    shared with another system)."""

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        *,
        door: Door,
        channels: ChannelDirectory,
        bus: EventBus | None,
        shards: int,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._door = door
        self._channels = channels
        self._bus = bus
        self._shards = shards

    async def list(
        self,
        tenant_id: UUID,
        *,
        source: str | None = None,
        settled: bool = False,
        before: UUID | None = None,
        limit: int = 100,
    ) -> Sequence[DeadLetter]:
        """The newest first, without payloads; `before` continues after the last one of a page."""
        rows = await self._pool.fetch(_LIST, tenant_id, source, settled, before, limit)
        return [DeadLetter(**row) for row in rows]

    async def get(self, tenant_id: UUID, dead_id: UUID) -> DeadLetter:
        """One of them, with its payload. Invalid if this tenant has none of that id."""
        row = await self._pool.fetchrow(_GET, tenant_id, dead_id)
        if row is None:
            raise Invalid(f"no dead letter {dead_id}", field="id", remedy="battcrm dead list shows them")
        return DeadLetter(**row)

    async def drop(self, tenant_id: UUID, dead_id: UUID) -> None:
        """Let it go; it stays on record. Conflict if it was settled already."""
        await self.get(tenant_id, dead_id)
        async with self._pool.acquire() as connection:
            await self._settle(connection, tenant_id, dead_id, "dropped")

    async def replay(self, tenant_id: UUID, dead_id: UUID) -> None:
        """Give it another chance where it failed; a new failure makes a new dead letter.

        Conflict if it was settled already, Invalid (naming the remedy) if it cannot be replayed, Transient if a server
        is away; it then stays as it was.
        """
        letter = await self.get(tenant_id, dead_id)
        if letter.settled_at is not None:
            raise Conflict(f"{dead_id} was {letter.settled_as} already")
        if letter.source == "door":
            await self._through_the_door(letter)
        async with self._pool.acquire() as connection, connection.transaction():
            await self._settle(connection, tenant_id, dead_id, "replayed")
            if letter.source in ("inbox", "orphan"):
                await self._to_inbox(connection, letter)
            elif letter.source == "turn":
                await self._make_due(connection, letter)
            elif letter.source.startswith(QUEUE):
                await self._to_queue(connection, letter)
            elif letter.source.startswith(EVENT):
                await self._to_consumer(connection, letter)
            elif letter.source != "door":
                raise _cannot(letter, f"nobody replays the source {letter.source!r}")

    async def _settle(self, connection: Connection, tenant_id: UUID, dead_id: UUID, how: str) -> None:
        if await connection.fetchval(_SETTLE, tenant_id, dead_id, self._clock.now(), how) is None:
            raise Conflict(f"{dead_id} was settled by somebody else")

    async def _through_the_door(self, letter: DeadLetter) -> None:
        """Parsed anew, by a parser that has been mended meanwhile; what it had accepted, the door drops as known."""
        payload = letter.payload or b""
        if letter.context.get("size") != len(payload):
            raise _cannot(letter, "only the first 64 kB of the body were kept")
        connected = await self._channels.find(UUID(letter.context["channel_id"]))
        if connected is None or connected.account.tenant_id != letter.tenant_id:
            raise _cannot(letter, "its channel is gone")
        account = connected.account
        try:
            messages = manifest_of(account.kind).parse(payload, account)
        except Exception as error:  # it is here because a parser failed on it, in whatever way
            raise _cannot(letter, f"it still cannot be read ({type(error).__name__})") from error
        await self._door.accept(account, messages, payload)

    async def _to_inbox(self, connection: Connection, letter: DeadLetter) -> None:
        message = _message(letter)
        channel = letter.context.get("channel_id") or message.channel_id
        if channel is None:
            raise _cannot(letter, "it does not say which channel it came through")
        await connection.execute(
            _TO_INBOX,
            letter.tenant_id,
            bucket_of(letter.tenant_id),
            UUID(str(channel)),
            message.event_id,
            UUID(letter.context.get("raw_id") or str(message.event_id)),
            letter.payload,
            self._clock.now(),
        )

    async def _make_due(self, connection: Connection, letter: DeadLetter) -> None:
        client = letter.context.get("client_id")
        if client is None or not await connection.fetchval(
            _MAKE_DUE, letter.tenant_id, UUID(client), self._clock.now()
        ):
            raise _cannot(letter, "its client is gone")

    async def _to_queue(self, connection: Connection, letter: DeadLetter) -> None:
        """To the workers of that list, who read it anew; the list itself is not touched."""
        payload = letter.payload or b""
        if letter.context.get("size") != len(payload):
            raise _cannot(letter, "only the first 64 kB of the task were kept")
        lane, bucket = letter.source.removeprefix(QUEUE), bucket_of(letter.tenant_id)
        values = (letter.tenant_id, letter.dead_id, bucket, lane, payload, self._clock.now())
        await connection.execute(_TO_QUEUE, *values)

    async def _to_consumer(self, connection: Connection, letter: DeadLetter) -> None:
        """To that consumer alone. It waits for this transaction before it decides whether the event is new to it."""
        consumer = letter.source.removeprefix(EVENT)
        event = _event(letter)
        if self._bus is None:
            raise _cannot(letter, "events need Redis; set REDIS_URL")
        if not await connection.fetchval(_FOLLOWS, consumer):
            raise _cannot(letter, f"no consumer is called {consumer!r}")
        await connection.execute(_FORGET_EFFECT, consumer, event.event_id, letter.tenant_id)
        packed = Packed(event.type, letter.payload or b"", only=consumer)
        await self._bus.publish(event.bucket % self._shards, [packed])


def _message(letter: DeadLetter) -> UnifiedMessage:
    try:
        return decode(letter.payload or b"")
    except (ValueError, KeyError, TypeError) as error:
        raise _cannot(letter, "it is no message of this version") from error


def _event(letter: DeadLetter) -> Envelope:
    try:
        return Packed(letter.context["type"], letter.payload or b"").event()
    except (ValueError, KeyError, TypeError) as error:
        raise _cannot(letter, "it is no event of this version") from error


def _cannot(letter: DeadLetter, why: str) -> Invalid:
    return Invalid(f"{letter.dead_id} cannot be replayed: {why}", field="id", remedy="battcrm dead drop lets it go")
