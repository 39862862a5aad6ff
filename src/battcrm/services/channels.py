"""Connecting channels: seal the secrets, make the unguessable path, tell every process."""

from __future__ import annotations

import secrets as random_secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from battcrm.infra.postgres import Pool
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.crypto import Vault
from battcrm.kit.errors import Invalid
from battcrm.kit.ids import IdFactory
from battcrm.services.channels_sql import RESEAL, RESEAL_TOKENS, SEALED
from battcrm.transport.accounts import WAKE
from battcrm.transport.registry import manifest_of

_ADD: Final = """
INSERT INTO channel (tenant_id, channel_id, kind, account_ref, title, hook_key, secrets, settings, health, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '{}'::jsonb, $9)
"""


@dataclass(frozen=True, slots=True)
class NewChannel:
    """What a connected channel is reached by. `hook_path` is secret."""

    tenant_id: UUID
    channel_id: UUID
    kind: str
    hook_key: str

    @property
    def hook_path(self) -> str:
        """Path of the channel's webhook on the gateway."""
        return f"/hook/{self.kind}/{self.channel_id}/{self.hook_key}"


class Channels:
    """Connected accounts of tenants."""

    def __init__(self, pool: Pool, vault: Vault, clock: Clock, ids: IdFactory, wakeups: Wakeups) -> None:
        self._pool = pool
        self._vault = vault
        self._clock = clock
        self._ids = ids
        self._wakeups = wakeups

    async def add(
        self,
        tenant_id: UUID,
        kind: str,
        account_ref: str,
        *,
        title: str = "",
        secrets: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> NewChannel:
        """Store a channel; nothing is said to the platform. Invalid names a secret that is missing."""
        manifest = manifest_of(kind)
        given = dict(secrets or {})
        for name in manifest.required_secrets:
            if not given.get(name):
                raise Invalid(f"{manifest.title} needs the secret {name!r}", field=name, remedy=f"give {name}=…")
        new = NewChannel(tenant_id, self._ids.new(), kind, random_secrets.token_urlsafe(24))
        sealed = self.sealed(new.channel_id, given)
        await self._pool.execute(
            _ADD,
            tenant_id,
            new.channel_id,
            kind,
            account_ref,
            title or manifest.title,
            new.hook_key,
            sealed,
            dict(settings or {}),
            self._clock.now(),
        )
        self._wakeups.notify(WAKE)
        return new

    def sealed(self, channel_id: UUID, given: Mapping[str, str]) -> bytes:
        """Secrets as they are kept: bound to their channel, under the newest key."""
        return self._vault.seal(given, channel_id.bytes)

    async def rotate_secrets(self, tenant_id: UUID | None = None) -> tuple[int, int]:
        """Seal again what an older key sealed, of one tenant or of all: (how many were, how many channels there are).

        After this an older key may leave the configuration. Permanent if a key is missing already.
        """
        seen = changed = 0
        after = UUID(int=0)
        while rows := await self._pool.fetch(SEALED, tenant_id, after):
            for row in rows:
                seen += 1
                changed += await self._reseal(row)
            after = rows[-1]["channel_id"]
        self._wakeups.notify(WAKE)
        return changed, seen

    async def _reseal(self, row: Any) -> bool:
        """True if an older key sealed anything of this channel."""
        changed = False
        for name, statement in (("secrets", RESEAL), ("tokens", RESEAL_TOKENS)):
            sealed = row[name]
            if sealed and self._vault.needs_rotation(sealed):
                channel_id: UUID = row["channel_id"]
                fresh = self.sealed(channel_id, self._vault.open(sealed, channel_id.bytes))
                # What was changed meanwhile is newer than what was read, and sealed with the newest key.
                done = await self._pool.fetchval(statement, row["tenant_id"], channel_id, sealed, fresh)
                changed = changed or done is not None
        return changed
