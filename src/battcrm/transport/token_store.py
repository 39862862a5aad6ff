"""Platform tokens in the channel's row, sealed; renewed by one process at a time without holding a lock meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from battcrm.events.lease import Leases
from battcrm.infra.postgres import UNAVAILABLE, Pool
from battcrm.kit.clock import Clock
from battcrm.kit.crypto import Vault
from battcrm.kit.errors import Transient
from battcrm.kit.ids import IdFactory
from battcrm.transport.base import ChannelAccount, Tokens

log = structlog.get_logger(__name__)
# Longer than any call for a token may take: a renewal that outlives its lease could be overtaken.
_LEASE: Final = 25.0
_PATIENCE: Final = 30.0
_LOOK: Final = 0.1
_SEED: Final = "seed"

_LOAD: Final = "SELECT tokens FROM channel WHERE tenant_id = $1 AND channel_id = $2"
_STORE: Final = "UPDATE channel SET tokens = $3 WHERE tenant_id = $1 AND channel_id = $2"


class PgTokenStore:
    """TokenStore on PostgreSQL: a lease decides who renews, because no row may stay locked while a platform answers."""

    def __init__(self, pool: Pool, vault: Vault, clock: Clock, ids: IdFactory) -> None:
        self._pool = pool
        self._vault = vault
        self._clock = clock
        self._ids = ids

    async def current(
        self,
        account: ChannelAccount,
        seed: str,
        usable: Callable[[Tokens], bool],
        renew: Callable[[Tokens | None], Awaitable[Tokens]],
    ) -> Tokens:
        """See TokenStore."""
        name = f"tokens:{account.channel_id}"
        leases = Leases(self._pool, self._clock, self._ids.new())
        waited = 0.0
        while waited < _PATIENCE:
            stored = await self._load(account, seed)
            if stored is not None and usable(stored):
                return stored
            if name in await leases.acquire([name], _LEASE):
                try:
                    return await self._renewed(account, seed, usable, renew)
                finally:
                    await leases.release([name])
            await self._clock.sleep(_LOOK)
            waited += _LOOK
        raise Transient("the token is being renewed elsewhere", code="token_busy", retry_after=5.0)

    async def _renewed(
        self,
        account: ChannelAccount,
        seed: str,
        usable: Callable[[Tokens], bool],
        renew: Callable[[Tokens | None], Awaitable[Tokens]],
    ) -> Tokens:
        """Alone now: whoever had the lease before may just have renewed."""
        stored = await self._load(account, seed)
        if stored is not None and usable(stored):
            return stored
        fresh = await renew(stored)
        await self._keep(account, {**fresh, _SEED: seed})
        return fresh

    async def _load(self, account: ChannelAccount, seed: str) -> Tokens | None:
        sealed = await self._pool.fetchval(_LOAD, account.tenant_id, account.channel_id)
        document = self._vault.open(sealed, account.channel_id.bytes) if sealed else {}
        return document if document.pop(_SEED, None) == seed else None

    async def _keep(self, account: ChannelAccount, document: Tokens) -> None:
        """Stored however often the database is away within the lease: the platform has killed the tokens before these."""
        sealed = self._vault.seal(document, account.channel_id.bytes)
        waited = 0.0
        while True:
            try:
                await self._pool.execute(_STORE, account.tenant_id, account.channel_id, sealed)
            except UNAVAILABLE as error:
                waited += 0.5
                log.error("tokens.not_stored", channel_id=str(account.channel_id), error=type(error).__name__)
                if waited >= _LEASE / 2:
                    raise
                await self._clock.sleep(0.5)
            else:
                return
