"""Connected channels as the door and the senders need them: secrets opened, cached, invalidated by a wake-up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from battcrm.infra.postgres import Pool
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.crypto import Vault
from battcrm.transport.base import ChannelAccount, TokenStore

WAKE: Final = "channels"
_TTL: Final = 30.0
# One that is switched off is about to be mended; without Redis nobody says when.
_TTL_OFF: Final = 5.0

_FIND: Final = """
SELECT c.tenant_id, c.channel_id, c.kind, c.account_ref, c.title, c.hook_key, c.secrets, c.settings, c.state, c.gate_until,
       t.name AS tenant_name
FROM channel c JOIN tenant t ON t.tenant_id = c.tenant_id WHERE c.channel_id = $1
"""
_BY_KIND: Final = """
SELECT c.tenant_id, c.channel_id, c.kind, c.account_ref, c.title, c.hook_key, c.secrets, c.settings, c.state, c.gate_until,
       t.name AS tenant_name
FROM channel c JOIN tenant t ON t.tenant_id = c.tenant_id WHERE c.kind = $1 AND c.state = 'active' ORDER BY c.tenant_id
"""
_STATE: Final = """
UPDATE channel SET state = $3, state_reason = $4, version = version + 1 WHERE tenant_id = $1 AND channel_id = $2
"""
_GATE: Final = "UPDATE channel SET gate_until = $3 WHERE tenant_id = $1 AND channel_id = $2"


@dataclass(frozen=True, slots=True)
class Connected:
    """A channel row with its secrets opened."""

    account: ChannelAccount
    title: str
    hook_key: str
    state: str
    gate_until: datetime | None
    tenant_name: str = ""


class ChannelDirectory:
    """Reads channels through a cache of 30 s (5 s for those that are off); a `channels` wake-up empties it."""

    def __init__(
        self, pool: Pool, vault: Vault, clock: Clock, wakeups: Wakeups, *, tokens: TokenStore | None = None
    ) -> None:
        """`tokens` is given to the accounts: without one each process asks platforms for tokens of its own."""
        self._pool = pool
        self._tokens = tokens
        self._vault = vault
        self._clock = clock
        self._wakeups = wakeups
        self._cache: dict[UUID, tuple[float, Connected | None]] = {}
        wakeups.listen(WAKE, self._cache.clear)

    async def find(self, channel_id: UUID) -> Connected | None:
        """The channel, whatever its state; None if there is none. Unknown ids are cached too."""
        hit = self._cache.get(channel_id)
        now = self._clock.monotonic()
        if hit is not None and hit[0] > now:
            return hit[1]
        row = await self._pool.fetchrow(_FIND, channel_id)
        found = self._open(row) if row is not None else None
        if len(self._cache) > 50_000:
            self._cache.clear()
        off = found is not None and found.state != "active"
        self._cache[channel_id] = (now + (_TTL_OFF if off else _TTL), found)
        return found

    async def of_kind(self, kind: str) -> list[Connected]:
        """All active channels of one kind (for pollers)."""
        return [self._open(row) for row in await self._pool.fetch(_BY_KIND, kind)]

    async def set_state(self, account: ChannelAccount, state: str, reason: str) -> None:
        """Change `active`, `disabled` or `auth_expired`, with the reason the owner will read."""
        await self._pool.execute(_STATE, account.tenant_id, account.channel_id, state, reason)
        self.changed()

    def changed(self) -> None:
        """Channels were changed: every process reads them again."""
        self._cache.clear()
        self._wakeups.notify(WAKE)

    async def close_gate(self, account: ChannelAccount, until: datetime) -> None:
        """Nothing is sent through the channel before `until`, by any process (PROTOCOL E3)."""
        await self._pool.execute(_GATE, account.tenant_id, account.channel_id, until)
        self.changed()

    def _open(self, row: Any) -> Connected:
        channel_id: UUID = row["channel_id"]
        account = ChannelAccount(
            tenant_id=row["tenant_id"],
            channel_id=channel_id,
            kind=row["kind"],
            account_ref=row["account_ref"],
            # For platforms that sign nothing the address itself is the proof (transport/avito/verify.py).
            secrets={**self._vault.open(row["secrets"], channel_id.bytes), "hook_key": row["hook_key"]},
            settings=row["settings"],
            tokens=self._tokens,
        )
        return Connected(account, row["title"], row["hook_key"], row["state"], row["gate_until"], row["tenant_name"])
