"""What `battcrm doctor` asks the servers: do they answer, how durable are they, is the schema there."""

from __future__ import annotations

import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from battcrm.infra.embedded import Running, bolt
from battcrm.kit.errors import BattError, wording
from battcrm.settings import Settings

_START: Final = "run: battcrm up"
_MIN_POSTGRES: Final = 150_000
_MAX_NAP_S: Final = 10
_MIN_REDIS: Final = (7, 0)
_DURABLE_POSTGRES: Final = {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": ("on", "remote_apply")}
_DURABLE_REDIS: Final = {
    "appendonly": ("yes",),
    "appendfsync": ("everysec", "always"),
    "maxmemory-policy": ("noeviction",),
}


_NAP: Final = """
SELECT CASE WHEN current_setting('autovacuum')::bool THEN setting ELSE '0' END FROM pg_settings
WHERE name = 'autovacuum_naptime' /* all tenants: the server's own view */
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `remedy` says what to do when `ok` is false."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def all_of(settings: Settings, local: Running | None, trouble: str) -> list[Coroutine[Any, Any, list[Check]]]:
    """One probe for each server; `trouble` is why the embedded ones cannot be reached, where they are used."""
    password = settings.neo4j_password.get_secret_value() if settings.neo4j_password else ""
    if settings.neo4j_url:
        graph = (settings.neo4j_url, settings.neo4j_user, password, settings.neo4j_database)
    else:
        graph = (local.neo4j_url, local.neo4j_user, local.neo4j_password, None) if local else ("", "", "", None)
    return [
        _postgres(
            settings.database_url or (local.postgres_url if local else ""), _source(settings.database_url), trouble
        ),
        _redis(settings.redis_url or (local.redis_url if local else ""), _source(settings.redis_url), trouble),
        _graph(graph, _source(settings.neo4j_url), trouble),
    ]


def _source(url: str | None) -> str:
    if url is None:
        return "embedded"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2] or parts.path}"


async def _postgres(url: str, source: str, trouble: str) -> list[Check]:
    if not url:
        return [Check("postgres", False, f"{source}: {trouble}", _START)]
    try:
        connection = await asyncpg.connect(url, timeout=5)
        return await _postgres_facts(connection, source)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        return [Check("postgres", False, f"{source}: {wording(error)}", "correct DATABASE_URL or start it")]


async def _postgres_facts(connection: asyncpg.Connection, source: str) -> list[Check]:
    try:
        version = str(await connection.fetchval("SHOW server_version"))
        number = int(await connection.fetchval("SHOW server_version_num"))
        values = {
            name: str(await connection.fetchval("SELECT current_setting($1)", name)) for name in _DURABLE_POSTGRES
        }
        nap = int(await connection.fetchval(_NAP))
        migrated = await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
    finally:
        await connection.close()
    return [
        Check("postgres", number >= _MIN_POSTGRES, f"{source}, PostgreSQL {version}", "use PostgreSQL 15 or newer"),
        _durable("postgres_durability", values, _DURABLE_POSTGRES, "ALTER SYSTEM SET each to on, then reload"),
        _upkeep(nap),
        Check("schema", bool(migrated), "migrated" if migrated else "no schema yet", "run: battcrm migrate"),
    ]


def _upkeep(nap: int) -> Check:
    """Queues are tables: claims step over what was deleted since the last vacuum (docs/adr/0010)."""
    detail = f"autovacuum every {nap} s" if nap else "autovacuum is off"
    remedy = (
        "ALTER SYSTEM SET autovacuum = on and autovacuum_naptime = '3s', then reload: queues slow down between vacuums"
    )
    return Check("postgres_upkeep", 0 < nap <= _MAX_NAP_S, detail, remedy)


async def _redis(url: str, source: str, trouble: str) -> list[Check]:
    if not url:
        return [Check("redis", False, f"{source}: {trouble}", _START)]
    try:
        version, values = await _redis_facts(url)
    except (RedisError, OSError, ValueError) as error:
        return [Check("redis", False, f"{source}: {wording(error)}", "correct REDIS_URL or start it")]
    numbers = tuple(int(part) for part in version.split(".")[:2])
    return [
        Check(
            "redis", numbers >= _MIN_REDIS, f"{source}, Redis protocol {version}", "use Redis or Valkey 7.0 or newer"
        ),
        _durable(
            "redis_durability", values, _DURABLE_REDIS, "set each in redis.conf; nothing is lost, but work is redone"
        ),
    ]


async def _redis_facts(url: str) -> tuple[str, dict[str, str]]:
    # one node speaks for a cluster: its settings are alike, and a plain connection to a node can be asked
    client = Redis.from_url(url.replace("+cluster", "", 1), socket_timeout=5, retry=Retry(NoBackoff(), 1))
    try:
        info = await client.info("server")
        read: dict[Any, Any] = await client.config_get(*_DURABLE_REDIS)
    finally:
        await client.aclose()
    return str(info["redis_version"]), {_text(name): _text(value) for name, value in read.items()}


async def _graph(target: tuple[str, str, str, str | None], source: str, trouble: str) -> list[Check]:
    url, user, password, database = target
    if not url:
        return [Check("graph", False, f"{source}: {trouble}", _START)]
    parts = urlsplit(url)
    try:
        version = await bolt.ask_version(
            parts.hostname or "", parts.port or 7687, user, password, database=database, tls=_tls(parts.scheme)
        )
    except BattError as error:
        return [
            Check(
                "graph", False, f"{source}: {error.text}", "correct NEO4J_URL, NEO4J_USER, NEO4J_PASSWORD or start it"
            )
        ]
    return [Check("graph", True, f"{source}, {version}")]


def _tls(scheme: str) -> ssl.SSLContext | None:
    if "+" not in scheme:
        return None
    context = ssl.create_default_context()
    if scheme.endswith("+ssc"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _durable(name: str, found: dict[str, str], wanted: dict[str, tuple[str, ...]], remedy: str) -> Check:
    ok = all(found.get(key) in allowed for key, allowed in wanted.items())
    return Check(name, ok, ", ".join(f"{key}={found.get(key, 'unreadable')}" for key in wanted), remedy)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
