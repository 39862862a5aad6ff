"""What every role stands on: settings, servers, clock, ids, secrets, configuration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import structlog
from redis.asyncio import Redis

import battcrm.workers.sections  # noqa: F401 - registers every section of a tenant's document
from battcrm.infra.handoff import Handoff
from battcrm.infra.http import AioHttp
from battcrm.infra.postgres import UNAVAILABLE, Pool, follow_database_clock, open_pool
from battcrm.infra.reach import REFUSED, cannot_connect
from battcrm.infra.redis import open_redis
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import SystemClock
from battcrm.kit.crypto import Vault
from battcrm.kit.errors import Invalid
from battcrm.kit.ids import IdFactory
from battcrm.pipeline.configs import TenantConfigs
from battcrm.settings import Settings
from battcrm.transport.accounts import ChannelDirectory
from battcrm.transport.token_store import PgTokenStore

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the servers are, whoever runs them."""

    database_url: str
    owner_url: str
    redis_url: str | None
    neo4j_url: str | None
    neo4j_user: str
    neo4j_password: str
    neo4j_database: str | None
    secret_keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Runtime:
    """Open connections and the collaborators built on them."""

    settings: Settings
    endpoints: Endpoints
    pool: Pool
    redis: Redis | None
    clock: SystemClock
    ids: IdFactory
    vault: Vault
    wakeups: Wakeups
    configs: TenantConfigs
    channels: ChannelDirectory
    http: AioHttp
    turns: Handoff = field(default_factory=Handoff)
    """From the processor to the AI worker, where both run in this process."""
    sends: Handoff = field(default_factory=Handoff)
    """From the AI worker to the out worker, where both run in this process."""

    @property
    def buckets(self) -> tuple[int, ...]:
        """The work buckets this process owns."""
        return tuple(sorted(self.settings.buckets))


async def locate(settings: Settings) -> Endpoints:
    """Configured URLs first, the embedded servers of `home` for the rest. Invalid if those are not running."""
    keys = settings.encryption_keys
    given = Endpoints(
        database_url=settings.database_url or "",
        owner_url=settings.owner_url or settings.database_url or "",
        redis_url=settings.redis_url,
        neo4j_url=settings.neo4j_url,
        neo4j_user=settings.neo4j_user,
        neo4j_password=settings.neo4j_password.get_secret_value() if settings.neo4j_password else "",
        neo4j_database=settings.neo4j_database,
        secret_keys=keys,
    )
    if settings.embedded:
        given = await _with_embedded(settings, given)
    if not given.secret_keys:
        raise Invalid(
            "no key to seal channel secrets with",
            field="BATTCRM_SECRET_KEYS",
            remedy="make one with: openssl rand -base64 32",
        )
    return given


async def _with_embedded(settings: Settings, given: Endpoints) -> Endpoints:
    from battcrm.infra import embedded
    from battcrm.workers.local_keys import local_key

    running = await embedded.attach(settings.home)
    if "postgres" in settings.embedded and (running is None or not running.postgres_url):
        raise Invalid(
            "no DATABASE_URL and no embedded server is running",
            field="DATABASE_URL",
            remedy="run `battcrm up` first, or set DATABASE_URL",
        )
    if running is None:
        return given
    found = given
    if "postgres" in settings.embedded:
        found = replace(found, database_url=running.worker_url, owner_url=running.postgres_url)
    if "redis" in settings.embedded:
        found = replace(found, redis_url=running.redis_url or None)
    if "graph" in settings.embedded and running.neo4j_url:
        found = replace(
            found,
            neo4j_url=running.neo4j_url,
            neo4j_user=running.neo4j_user,
            neo4j_password=running.neo4j_password,
            neo4j_database=running.neo4j_database,
        )
    if not found.secret_keys:
        found = replace(found, secret_keys=(local_key(settings.home),))
    return found


async def _patient_pool(url: str, maximum: int, minimum: int, name: str, patience: float) -> Pool:
    """The roles' pool. A server that restarts just now is waited for: nobody else would start the role again."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        try:
            return await open_pool(url, maximum=maximum, minimum=minimum, name=name, keyed=True)
        except REFUSED as error:
            raise cannot_connect(error) from error
        except UNAVAILABLE as error:
            if loop.time() >= deadline:
                raise cannot_connect(error) from error
            log.warning("database.awaited", error=type(error).__name__)
        await asyncio.sleep(0.5)


@asynccontextmanager
async def connect(
    settings: Settings, *, name: str = "battcrm", minimum: int = 1, patience: float = 0.0
) -> AsyncIterator[Runtime]:
    """Open everything and close it again. Invalid when the database refuses us, or is not reached for `patience` seconds."""
    endpoints = await locate(settings)
    clock = SystemClock()
    pool = await _patient_pool(endpoints.database_url, settings.db_pool_max, minimum, name, patience)
    redis = open_redis(endpoints.redis_url) if endpoints.redis_url else None
    wakeups = Wakeups(redis)
    http = AioHttp()
    vault = Vault(endpoints.secret_keys)
    ids = IdFactory(clock)
    tokens = PgTokenStore(pool, vault, clock, ids)
    try:
        await follow_database_clock(clock, pool)
        yield Runtime(
            settings=settings,
            endpoints=endpoints,
            pool=pool,
            redis=redis,
            clock=clock,
            ids=ids,
            vault=vault,
            wakeups=wakeups,
            configs=TenantConfigs(pool, clock, wakeups),
            channels=ChannelDirectory(pool, vault, clock, wakeups, tokens=tokens),
            http=http,
        )
    finally:
        await http.close()
        if redis is not None:
            await redis.aclose()
        try:
            async with asyncio.timeout(5):
                await pool.close()
        except TimeoutError:
            pool.terminate()
