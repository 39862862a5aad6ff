"""Channels as their owner sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from battcrm.infra.postgres import Pool
from battcrm.kit.errors import Invalid
from battcrm.services.channels_sql import BY_ACCOUNT, FIND, LIST
from battcrm.transport.accounts import ChannelDirectory, Connected


@dataclass(frozen=True, slots=True)
class ChannelView:
    """One channel. `mode` is webhook or poll; `health` as the health job left it; `waiting` messages are unsent."""

    channel_id: UUID
    kind: str
    title: str
    account_ref: str
    mode: str
    state: str
    state_reason: str | None
    gate_until: datetime | None
    waiting: int
    health: dict[str, Any]
    created_at: datetime


class ChannelBook:
    """Finds channels by what people type."""

    def __init__(self, pool: Pool, directory: ChannelDirectory) -> None:
        self._pool = pool
        self._directory = directory

    async def all(self, tenant_id: UUID) -> list[ChannelView]:
        """The tenant's channels, oldest first; removed ones are not shown."""
        return [_view(row) for row in await self._pool.fetch(LIST, tenant_id, None)]

    async def view(self, tenant_id: UUID, channel_id: UUID) -> ChannelView:
        """One channel; Invalid if there is none."""
        row = await self._pool.fetchrow(LIST, tenant_id, channel_id)
        if row is None:
            raise Invalid("there is no such channel", field="channel", remedy="`battcrm channel list` shows them")
        return _view(row)

    async def find(self, tenant_id: UUID, text: str) -> UUID:
        """The channel with this id, account, or the only one of this kind. Invalid if that is none or several."""
        rows = await self._pool.fetch(FIND, tenant_id, text)
        if len(rows) != 1:
            what = "several channels are meant by" if rows else "there is no channel"
            raise Invalid(f"{what} {text!r}", field="channel", remedy="give an id that `battcrm channel list` shows")
        found: UUID = rows[0]["channel_id"]
        return found

    async def by_account(self, tenant_id: UUID, kind: str, account_ref: str) -> Connected | None:
        """The channel of an account that is connected already."""
        channel_id = await self._pool.fetchval(BY_ACCOUNT, tenant_id, kind, account_ref)
        if channel_id is None:
            return None
        self._directory.changed()
        return await self._directory.find(channel_id)


def _view(row: Any) -> ChannelView:
    return ChannelView(
        channel_id=row["channel_id"],
        kind=row["kind"],
        title=row["title"],
        account_ref=row["account_ref"],
        mode="poll" if row["settings"].get("mode") == "poll" else "webhook",
        state=row["state"],
        state_reason=row["state_reason"],
        gate_until=row["gate_until"],
        waiting=row["waiting"],
        health=row["health"],
        created_at=row["created_at"],
    )
