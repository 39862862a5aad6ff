"""A tenant's document: draft → validate → publish → rollback. Published versions never change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from battcrm.infra.postgres import Connection, Pool
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Conflict, Invalid
from battcrm.models.config import SECTIONS, SectionRegistry
from battcrm.pipeline.configs import WAKE

_VERSION: Final = """
SELECT version, state, document, author, created_at, published_at FROM tenant_config
WHERE tenant_id = $1 AND version = $2
"""
_HISTORY: Final = """
SELECT version, state, document, author, created_at, published_at FROM tenant_config
WHERE tenant_id = $1 ORDER BY version DESC LIMIT $2
"""
_CURRENT: Final = "SELECT config_version FROM tenant WHERE tenant_id = $1"
_LOCK: Final = "SELECT config_version FROM tenant WHERE tenant_id = $1 FOR UPDATE"
_DRAFT: Final = """
SELECT version, state, document, author, created_at, published_at FROM tenant_config
WHERE tenant_id = $1 AND state = 'draft' ORDER BY version DESC LIMIT 1
"""
_SAVE: Final = """
INSERT INTO tenant_config (tenant_id, version, state, document, author, created_at, published_at)
SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5, $6 FROM tenant_config WHERE tenant_id = $1
RETURNING version
"""
_REWRITE: Final = """
UPDATE tenant_config SET document = $3, author = $4, created_at = $5 WHERE tenant_id = $1 AND version = $2
"""
_PUBLISH: Final = """
UPDATE tenant_config SET state = 'published', published_at = $3, author = $4 WHERE tenant_id = $1 AND version = $2
"""
_POINT: Final = "UPDATE tenant SET config_version = $2 WHERE tenant_id = $1"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the document."""

    version: int
    state: str
    document: dict[str, Any]
    author: str | None
    created_at: datetime
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One changed value; `before` or `after` is None where it did not exist."""

    path: str
    before: Any
    after: Any


class Configuration:
    """The versions of tenants' documents."""

    def __init__(self, pool: Pool, clock: Clock, wakeups: Wakeups, registry: SectionRegistry = SECTIONS) -> None:
        self._pool = pool
        self._clock = clock
        self._wakeups = wakeups
        self._registry = registry

    async def current(self, tenant_id: UUID) -> Version:
        """The version in force. Invalid if the tenant does not exist."""
        number = await self._pool.fetchval(_CURRENT, tenant_id)
        if number is None:
            raise Invalid("no such tenant", field="tenant", remedy="see `battcrm tenant show`")
        return await self.get(tenant_id, number)

    async def get(self, tenant_id: UUID, version: int) -> Version:
        """One version; Invalid if there is none of that number."""
        row = await self._pool.fetchrow(_VERSION, tenant_id, version)
        if row is None:
            raise Invalid(f"no version {version}", field="version", remedy="see `battcrm tenant config history TENANT`")
        return Version(**dict(row))

    async def history(self, tenant_id: UUID, limit: int = 20) -> list[Version]:
        """Versions, newest first."""
        return [Version(**dict(row)) for row in await self._pool.fetch(_HISTORY, tenant_id, limit)]

    async def draft(self, tenant_id: UUID) -> Version | None:
        """The draft being worked on, if any."""
        row = await self._pool.fetchrow(_DRAFT, tenant_id)
        return Version(**dict(row)) if row is not None else None

    async def set(self, tenant_id: UUID, path: str, value: Any, author: str) -> Version:
        """Change one value in the draft (made from the version in force if there is none). Invalid names the field."""
        draft = await self.draft(tenant_id)
        base = draft or await self.current(tenant_id)
        document = changed(base.document, path, value)
        return await self.save(tenant_id, document, author)

    async def save(self, tenant_id: UUID, document: dict[str, Any], author: str) -> Version:
        """Replace the draft. The document must be valid as a whole; Invalid names the first wrong field."""
        self._registry.validate(document)
        now = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK, tenant_id)
            row = await connection.fetchrow(_DRAFT, tenant_id)
            if row is None:
                version = await connection.fetchval(_SAVE, tenant_id, "draft", document, author, now, None)
            else:
                version = row["version"]
                await connection.execute(_REWRITE, tenant_id, version, document, author, now)
        return await self.get(tenant_id, version)

    async def publish(self, tenant_id: UUID, author: str) -> Version:
        """Put the draft in force. Conflict without a draft; every process works by it within a moment."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK, tenant_id)
            row = await connection.fetchrow(_DRAFT, tenant_id)
            if row is None:
                raise Conflict("there is no draft to publish", code="no_draft")
            self._registry.validate(row["document"])
            await connection.execute(_PUBLISH, tenant_id, row["version"], self._clock.now(), author)
            await self._point(connection, tenant_id, row["version"])
        self._wakeups.notify(WAKE)
        return await self.get(tenant_id, row["version"])

    async def rollback(self, tenant_id: UUID, version: int, author: str) -> Version:
        """Put an earlier published version in force again, as a new version: history only grows."""
        earlier = await self.get(tenant_id, version)
        if earlier.state != "published":
            raise Conflict(f"version {version} was never published", code="not_published")
        self._registry.validate(earlier.document)
        now = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK, tenant_id)
            number = await connection.fetchval(
                _SAVE, tenant_id, "published", earlier.document, f"{author}: rollback to {version}", now, now
            )
            await self._point(connection, tenant_id, number)
        self._wakeups.notify(WAKE)
        return await self.get(tenant_id, number)

    @staticmethod
    async def _point(connection: Connection, tenant_id: UUID, version: int) -> None:
        await connection.execute(_POINT, tenant_id, version)


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the document with `section.field[.field]` set to the value, or removed when the value is None."""
    head, _, rest = path.partition(".")
    if not head:
        raise Invalid("the path is empty", field=path, remedy="write section.field, such as dialog.quiet")
    copy = dict(document)
    if not rest:
        if value is None:
            copy.pop(head, None)
        else:
            copy[head] = value
        return copy
    inner = copy.get(head, {})
    if not isinstance(inner, dict):
        raise Invalid(f"{head} is not an object", field=path, remedy="set the whole value instead")
    copy[head] = changed(inner, rest, value)
    return copy


def difference(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Changed values by path, sorted; lists are compared as wholes."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            yield from difference(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif before != after:
        yield Difference(path, before, after)
