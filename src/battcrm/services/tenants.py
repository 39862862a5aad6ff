"""Creating tenants and finding them by what people type."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from battcrm.infra.postgres import Pool
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Conflict, Invalid
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.models.config import SECTIONS

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")

_CREATE: Final = """
INSERT INTO tenant (tenant_id, bucket, slug, name, timezone, locale, config_version, created_at)
VALUES ($1, $2, $3, $4, $5, $6, 1, $7) ON CONFLICT (slug) DO NOTHING RETURNING tenant_id
"""
_CONFIG: Final = """
INSERT INTO tenant_config (tenant_id, version, state, document, author, created_at, published_at)
VALUES ($1, 1, 'published', $2, 'create', $3, $3)
"""
_FIND: Final = (
    "SELECT tenant_id, slug, name, timezone, locale, state FROM tenant WHERE slug = $1 OR tenant_id::text = $1"
)
_SOME: Final = "SELECT tenant_id, slug, name, timezone, locale, state FROM tenant ORDER BY created_at, slug LIMIT 2"


@dataclass(frozen=True, slots=True)
class TenantView:
    """A tenant as commands show it."""

    tenant_id: UUID
    slug: str
    name: str
    timezone: str
    locale: str
    state: str


class Tenants:
    """Tenants of an installation."""

    def __init__(self, pool: Pool, clock: Clock, ids: IdFactory) -> None:
        self._pool = pool
        self._clock = clock
        self._ids = ids

    async def create(
        self,
        slug: str,
        name: str,
        *,
        timezone: str = "Europe/Moscow",
        locale: str = "ru",
        document: dict[str, Any] | None = None,
    ) -> TenantView:
        """Create a tenant with its first published configuration. Conflict if the slug is taken."""
        _check(slug, timezone, locale)
        SECTIONS.validate(document or {})
        tenant_id, now = self._ids.new(), self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            made = await connection.fetchval(
                _CREATE, tenant_id, bucket_of(tenant_id), slug, name.strip() or slug, timezone, locale, now
            )
            if made is None:
                raise Conflict(f"tenant {slug!r} exists already", code="tenant_exists")
            await connection.execute(_CONFIG, tenant_id, document or {}, now)
        return TenantView(tenant_id, slug, name, timezone, locale, "active")

    async def find(self, slug_or_id: str) -> TenantView:
        """The tenant with this slug or id; Invalid if there is none."""
        row = await self._pool.fetchrow(_FIND, slug_or_id)
        if row is None:
            raise Invalid(
                f"no tenant {slug_or_id!r}", field="tenant", remedy="make one with `battcrm tenant create SLUG`"
            )
        return TenantView(*row)

    async def choose(self, slug_or_id: str | None) -> TenantView:
        """The tenant named, or the only one of the installation. Invalid if there is none, or none is meant."""
        if slug_or_id:
            return await self.find(slug_or_id)
        rows = await self._pool.fetch(_SOME)
        if len(rows) != 1:
            text = "there are several tenants" if rows else "there is no tenant"
            remedy = "name one with --tenant SLUG" if rows else "make one with `battcrm tenant create SLUG`"
            raise Invalid(text, field="tenant", remedy=remedy)
        return TenantView(*rows[0])


def _check(slug: str, timezone: str, locale: str) -> None:
    if _SLUG.fullmatch(slug) is None:
        raise Invalid(f"slug {slug!r} is not usable", field="slug", remedy="2–63 characters: a–z, 0–9 and hyphens")
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise Invalid(
            f"unknown time zone {timezone!r}", field="timezone", remedy="a name such as Europe/Moscow"
        ) from None
    if locale not in ("ru", "en"):
        raise Invalid(f"unknown language {locale!r}", field="locale", remedy="use ru or en")
