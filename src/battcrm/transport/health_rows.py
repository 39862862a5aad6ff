"""The database side of channels' health."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.infra.due import Claim
from battcrm.infra.postgres import Pool
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.models.unified import rfc3339
from battcrm.transport.accounts import ChannelDirectory, Connected
from battcrm.transport.base import ChannelAccount

_LOCK: Final = "SELECT health FROM channel WHERE tenant_id = $1 AND channel_id = $2 FOR UPDATE"
_STORE: Final = "UPDATE channel SET health = $3 WHERE tenant_id = $1 AND channel_id = $2"
_REVIVE: Final = """
WITH revived AS (
  UPDATE channel SET state = 'active', state_reason = NULL, gate_until = NULL, version = version + 1
  WHERE tenant_id = $1 AND channel_id = $2 AND state = 'auth_expired' RETURNING channel_id
)
UPDATE outgoing o SET due_at = $3 FROM revived r
WHERE o.tenant_id = $1 AND o.channel_id = r.channel_id AND o.state = 'pending' AND o.due_at > $3
  AND o.lease_until IS NULL
"""
_OFFSET: Final = "SELECT poll_offset FROM channel WHERE tenant_id = $1 AND channel_id = $2"
_SAVE_OFFSET: Final = "UPDATE channel SET poll_offset = $3 WHERE tenant_id = $1 AND channel_id = $2"
_UNWATCHED: Final = """
SELECT c.tenant_id, c.channel_id FROM channel c
WHERE c.state IN ('active', 'auth_expired') AND NOT EXISTS (
  SELECT 1 FROM due_work w WHERE w.tenant_id = c.tenant_id AND w.kind = 'channel.health'
    AND w.dedupe_key = c.channel_id::text AND w.due_at IS NOT NULL)
ORDER BY c.tenant_id, c.channel_id LIMIT 1000
"""
_WATCH: Final = """
INSERT INTO due_work (tenant_id, work_id, bucket, kind, dedupe_key, payload, due_at, created_at)
VALUES ($1, $2, $3, 'channel.health', $4, $5, $6, $7)
ON CONFLICT (tenant_id, kind, dedupe_key) DO UPDATE SET due_at = excluded.due_at, done_at = NULL, lease_until = NULL,
  attempts = 0, token = due_work.token + 1
"""
_SPREAD: Final = 180


class HealthRows:
    """Rows of `channel` and their `channel.health` work."""

    def __init__(self, pool: Pool, ids: IdFactory) -> None:
        self._pool = pool
        self._ids = ids

    @staticmethod
    async def channel(channels: ChannelDirectory, claim: Claim) -> Connected | None:
        """The channel a row of work is about."""
        return await channels.find(UUID(claim.row["payload"]["channel_id"]))

    async def watch(self, tenant_id: UUID, channel_id: UUID, at: datetime, now: datetime) -> None:
        """Have the channel looked at from `at` on; it may be watched already."""
        payload = {"channel_id": str(channel_id)}
        key = (tenant_id, self._ids.new(), bucket_of(tenant_id), str(channel_id), payload)
        await self._pool.execute(_WATCH, *key, at, now)

    async def watch_all(self, now: datetime) -> int:
        """Watch every channel that is not, spread over three minutes; how many there were."""
        rows = await self._pool.fetch(_UNWATCHED)
        for row in rows:
            later = timedelta(seconds=row["channel_id"].int % _SPREAD)
            await self.watch(row["tenant_id"], row["channel_id"], now + later, now)
        return len(rows)

    async def store(self, account: ChannelAccount, document: dict[str, Any], now: datetime) -> str | None:
        """Keep what was seen, with since when it is so; returns the state before, None if nothing was known."""
        scope = (account.tenant_id, account.channel_id)
        async with self._pool.acquire() as connection, connection.transaction():
            known: dict[str, Any] = await connection.fetchval(_LOCK, *scope) or {}
            before: str | None = known.get("state")
            since = known.get("since") if before == document["state"] else None
            kept = {**document, "since": since or rfc3339(now), "checked_at": rfc3339(now)}
            await connection.execute(_STORE, *scope, kept)
        return before

    async def revive(self, account: ChannelAccount, now: datetime) -> None:
        """Credentials work again: the channel is active, and what waited for it is due."""
        await self._pool.execute(_REVIVE, account.tenant_id, account.channel_id, now)

    async def offset(self, account: ChannelAccount) -> str | None:
        """Where reading stopped last time."""
        value: str | None = await self._pool.fetchval(_OFFSET, account.tenant_id, account.channel_id)
        return value

    async def save_offset(self, account: ChannelAccount, offset: str) -> None:
        """Remember it, after the commit."""
        await self._pool.execute(_SAVE_OFFSET, account.tenant_id, account.channel_id, offset)
