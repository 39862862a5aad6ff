"""A database that has been in use for half a year: clients, dialogues, messages and what they left, made by the server itself.

Rows are generated in SQL, tenant by tenant, so that nothing but statements crosses the wire. Nothing is due: whoever works
on such a database meets only its size.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from battcrm.infra.postgres import Pool
from battcrm.kit.ids import uuid7_floor

Progress = Callable[[float], None]
DAYS: Final = 180
_MONTHS: Final = (
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'message'::regclass /* all tenants: shared */"
)
_CHANNELS: Final = """
SELECT DISTINCT ON (c.tenant_id) c.tenant_id, c.channel_id, t.bucket FROM channel c
JOIN tenant t ON t.tenant_id = c.tenant_id ORDER BY c.tenant_id, c.channel_id LIMIT $1
"""
# $1 tenant, $2 channel, $3 bucket, $4 clients, $5 messages of each, $6 the moment now, $7 days back. Ids are a hash of what
# they stand for, and messages' begin with their moment, as UUIDv7 do.
_SHAPE: Final = """
WITH /* rows of the tenant_id in $1 */ person AS MATERIALIZED (
  SELECT n, md5($1::uuid::text || 'c' || n)::uuid AS client_id, md5($1::uuid::text || 'i' || n)::uuid AS identity_id,
         md5($1::uuid::text || 'd' || n)::uuid AS dialog_id, md5($1::uuid::text || 'a' || n)::uuid AS appeal_id,
         md5($1::uuid::text || 'e' || n)::uuid AS episode_id,
         $6::timestamptz - make_interval(secs => ($7::float8 * 86400 * (1 - n::float8 / ($4::int + 1)))) AS since
  FROM generate_series(1, $4::int) AS n
), said AS MATERIALIZED (
  SELECT p.*, k, p.since + make_interval(secs => k * 240.0) AS at, md5($1::uuid::text || 'm' || n || '/' || k) AS hash
  FROM person p CROSS JOIN generate_series(1, $5::int) AS k
), message_ids AS MATERIALIZED (
  SELECT s.*, (lpad(to_hex((extract(epoch FROM s.at) * 1000)::bigint), 12, '0') || '7' || substr(hash, 1, 3) || '8'
               || substr(hash, 4, 15))::uuid AS message_id
  FROM said s WHERE s.at < $6::timestamptz - interval '1 hour'
),
"""
_PEOPLE: Final = (
    _SHAPE  # noqa: S608 - two constants
    + """
clients AS (
  INSERT INTO client (tenant_id, client_id, display_name, created_at)
  SELECT $1::uuid, client_id, 'Client ' || n, since FROM person
), identities AS (
  INSERT INTO identity (tenant_id, identity_id, channel_id, external_user_id, client_id, created_at)
  SELECT $1::uuid, identity_id, $2::uuid, (900000000 + n)::text, client_id, since FROM person
), works AS (
  INSERT INTO client_work (tenant_id, client_id, bucket, token) SELECT $1::uuid, client_id, $3::smallint, 3 FROM person
), dialogs AS (
  INSERT INTO dialog (tenant_id, dialog_id, channel_id, external_chat_id, type, identity_id, version, last_seq,
                      answered_seq, last_out, created_at, last_inbound_at)
  SELECT $1::uuid, dialog_id, $2::uuid, (900000000 + n)::text, 'private', identity_id, $5::int, $5::int, $5::int, $5::int / 2, since, since FROM person
), appeals AS (
  INSERT INTO appeal (tenant_id, appeal_id, client_id, dialog_id, episode_id, number, status, appeal_type, brand, model,
                      repair_types, opened_at, touched_at, closed_at)
  SELECT $1::uuid, appeal_id, client_id, dialog_id, episode_id, n, 'done', 'repair', 'Apple', 'iPhone ' || (11 + n % 5),
         ARRAY['screen'], since, since + interval '1 day', since + interval '2 days' FROM person
), episodes AS (
  INSERT INTO episode (tenant_id, episode_id, appeal_id, started_as, started_at, ended_at)
  SELECT $1::uuid, episode_id, appeal_id, 'new', since, since + interval '2 days' FROM person
), numbered AS (
  INSERT INTO tenant_counter AS c (tenant_id, name, value) VALUES ($1::uuid, 'appeal', $4::int)
  ON CONFLICT (tenant_id, name) DO UPDATE SET value = greatest(c.value, excluded.value)
)
SELECT count(*) FROM person
"""
)
_TALK: Final = (
    _SHAPE  # noqa: S608 - two constants
    + """
turns AS (
  INSERT INTO turn (tenant_id, turn_id, client_id, dialog_id, appeal_id, episode_id, state, from_seq, to_seq, started_at,
                    finished_at)
  SELECT $1::uuid, md5(hash || 't')::uuid, client_id, dialog_id, appeal_id, episode_id, 'posted', k - 1, k, at, at
  FROM message_ids WHERE k % 2 = 1
), decisions AS (
  INSERT INTO decision (tenant_id, decision_id, turn_id, client_id, dialog_id, appeal_id, action, reason, created_at)
  SELECT $1::uuid, md5(hash || 'x')::uuid, md5(hash || 't')::uuid, client_id, dialog_id, appeal_id, 'auto', 'quote', at
  FROM message_ids WHERE k % 2 = 1
), outgoings AS (
  INSERT INTO outgoing (tenant_id, outgoing_id, bucket, dialog_id, channel_id, seq, turn_id, covered_seq, part, author,
                        state, payload, message_id, created_at, finished_at)
  SELECT $1::uuid, md5(hash || 'o')::uuid, $3::smallint, dialog_id, $2::uuid, k / 2, md5(hash || 't')::uuid, k - 1, 0, 'bot', 'sent',
         jsonb_build_object('chat', (900000000 + n)::text, 'text', 'Замена экрана: от 9 900 до 12 400 рублей'), message_id,
         at, at
  FROM message_ids WHERE k % 2 = 0
), doors AS (
  INSERT INTO seen (channel_id, dedup_key, tenant_id, seen_at)
  SELECT $2::uuid, (900000000 + n)::text || ':' || k, $1::uuid, at FROM message_ids
  WHERE k % 2 = 1 AND at > $6::timestamptz - interval '30 days'
)
INSERT INTO message (tenant_id, message_id, dialog_id, identity_id, seq, direction, author, kind, external_id, text,
                     state, appeal_id, received_at)
SELECT $1::uuid, message_id, dialog_id, identity_id, k, CASE k % 2 WHEN 1 THEN 'in' ELSE 'out' END,
       CASE k % 2 WHEN 1 THEN 'client' ELSE 'bot' END, 'message', k::text,
       'Здравствуйте, сколько стоит заменить экран на айфон 13 про? ' || k, 'received', appeal_id, at
FROM message_ids
"""
)
_ANALYZE: Final = "ANALYZE"


@dataclass(frozen=True, slots=True)
class Size:
    """How much: of the tenants that are there, clients and messages in all."""

    tenants: int = 1000
    clients: int = 1_000_000
    messages: int = 10_000_000

    @property
    def each(self) -> tuple[int, int]:
        """Clients of a tenant, messages of a client."""
        return max(1, self.clients // self.tenants), max(1, self.messages // self.clients)


async def fill(pool: Pool, size: Size, now: datetime, progress: Progress, *, lanes: int = 2) -> None:
    """Write the rows, each tenant in one transaction, and let the planner know. Needs tenants with a channel each.

    `pool` must belong to the schema's owner, who makes the past's partitions.
    """
    await _past_partitions(pool, now)
    rows = await pool.fetch(_CHANNELS, size.tenants)
    waiting = [(row["tenant_id"], row["channel_id"], row["bucket"]) for row in rows]
    total = len(waiting)

    async def lane() -> None:
        while waiting:
            await _tenant(pool, waiting.pop(), size, now)
            progress(1 - len(waiting) / total)

    async with asyncio.TaskGroup() as group:
        for _ in range(lanes):
            group.create_task(lane())
    await pool.execute(_ANALYZE, timeout=600)


async def _tenant(pool: Pool, key: tuple[UUID, UUID, int], size: Size, now: datetime) -> None:
    arguments: Sequence[object] = (*key, *size.each, now, float(DAYS))
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL synchronous_commit = off /* all tenants: a throw-away database */")
        await connection.execute(_PEOPLE, *arguments, timeout=600)
        await connection.execute(_TALK, *arguments, timeout=600)


async def _past_partitions(pool: Pool, now: datetime) -> None:
    """Months that the product would have made in time."""
    known = {row[0] for row in await pool.fetch(_MONTHS)}
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(DAYS // 28 + 1):
        following, month = month, (month - timedelta(days=1)).replace(day=1)
        name = f"message_p{month:%Y%m}"
        if name not in known:
            await _partition(pool, name, month, following)


async def _partition(pool: Pool, name: str, start: datetime, end: datetime) -> None:
    statement = await pool.fetchval(
        "SELECT format('CREATE TABLE IF NOT EXISTS %I PARTITION OF message FOR VALUES FROM (%L) TO (%L)', $1::text, "
        "$2::uuid, $3::uuid) /* all tenants: DDL */",
        name,
        uuid7_floor(start),
        uuid7_floor(end),
    )
    await pool.execute(statement)
