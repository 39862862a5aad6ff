"""Published tenant documents, validated once and kept in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final
from uuid import UUID

import structlog

from battcrm.infra.postgres import Connection, Pool
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Invalid
from battcrm.models.config import SECTIONS, TenantConfig

log = structlog.get_logger(__name__)
WAKE: Final = "config"
_TTL: Final = 30.0

Follower = Callable[[Iterable[UUID], Connection | None], Awaitable[None]]

_LOAD: Final = """
SELECT t.tenant_id, t.config_version, t.name, t.timezone, t.locale, t.state, c.document
FROM tenant t LEFT JOIN tenant_config c ON c.tenant_id = t.tenant_id AND c.version = t.config_version
WHERE t.tenant_id = ANY($1::uuid[])
"""


class Tenancy:
    """A tenant with its configuration, as the pipeline reads it."""

    __slots__ = ("active", "config", "locale", "name", "timezone")

    def __init__(self, config: TenantConfig, name: str, timezone: str, locale: str, *, active: bool) -> None:
        self.config = config
        self.name = name
        self.timezone = timezone
        self.locale = locale
        self.active = active


class TenantConfigs:
    """Reads through a cache of 30 s; a `config` wake-up empties it, so a published document works at once."""

    def __init__(self, pool: Pool, clock: Clock, wakeups: Wakeups) -> None:
        self._pool = pool
        self._clock = clock
        self._cache: dict[UUID, tuple[float, Tenancy]] = {}
        self._followers: list[Follower] = []
        wakeups.listen(WAKE, self._cache.clear)

    def follow(self, follower: Follower) -> None:
        """Have something else of a tenant read again whenever its document is: at most once in 30 s, never for a message."""
        self._followers.append(follower)

    def cached(self, tenant_id: UUID) -> Tenancy | None:
        """What `load` last read of a tenant, however old; None if it never did."""
        hit = self._cache.get(tenant_id)
        return hit[1] if hit is not None else None

    async def load(self, tenants: Iterable[UUID], connection: Connection | None = None) -> dict[UUID, Tenancy]:
        """The configurations of the tenants that exist."""
        now = self._clock.monotonic()
        wanted = set(tenants)
        found = {t: hit[1] for t in wanted if (hit := self._cache.get(t)) is not None and hit[0] > now}
        missing = [t for t in wanted if t not in found]
        if missing:
            rows = await (connection or self._pool).fetch(_LOAD, missing)
            for row in rows:
                tenancy = Tenancy(
                    _validated(row["tenant_id"], row["config_version"], row["document"] or {}),
                    row["name"],
                    row["timezone"],
                    row["locale"],
                    active=row["state"] == "active",
                )
                self._cache[row["tenant_id"]] = (now + _TTL, tenancy)
                found[row["tenant_id"]] = tenancy
            for follower in self._followers:
                await follower(missing, connection)
        return found


def _validated(tenant_id: UUID, version: int, document: dict[str, object]) -> TenantConfig:
    try:
        return TenantConfig(tenant_id, version, document, SECTIONS)
    except Invalid as error:
        # Published documents were valid when published; after an upgrade that broke one, defaults keep the shop open.
        log.error("config.invalid", tenant_id=str(tenant_id), version=version, field=error.field)
        return TenantConfig(tenant_id, version, {}, SECTIONS)
