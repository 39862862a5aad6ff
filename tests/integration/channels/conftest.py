"""A shop on real PostgreSQL with the gateway listening: what emulated platforms deliver to."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from battcrm.cli.channel import open_desk
from battcrm.infra.embedded.process import free_port
from battcrm.infra.http import AioHttp
from battcrm.infra.postgres import open_pool
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import ManualClock, SystemClock
from battcrm.kit.crypto import Vault
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.pipeline.configs import TenantConfigs
from battcrm.pipeline.processor import Processor
from battcrm.services.channels import Channels
from battcrm.services.channels_life import ChannelLife
from battcrm.services.channels_view import ChannelBook
from battcrm.services.tenants import Tenants
from battcrm.settings import load_settings
from battcrm.transport.accounts import ChannelDirectory
from battcrm.transport.sender import OutWorker
from battcrm.transport.token_store import PgTokenStore
from battcrm.workers import caretaker, gateway, out_worker, processor
from battcrm.workers.runtime import Endpoints, Runtime
from tests.support.waiting import eventually

KEY = base64.b64encode(bytes(range(32))).decode()


_DIALOG = "SELECT * FROM dialog WHERE tenant_id = $1 AND ($2::uuid IS NULL OR dialog_id = $2)"


async def until(check: Callable[[], Any], what: str = "") -> None:
    """Wait for a condition, sync or async."""
    found: Any = await eventually(check, what=what)
    assert found


@dataclass(slots=True)
class Shop:
    """One tenant, the roles' workers stepped by hand, and what tests ask of the database."""

    runtime: Runtime
    clock: ManualClock
    tenant_id: UUID
    life: ChannelLife
    book: ChannelBook
    channels: Channels
    processor: Processor
    sender: OutWorker
    media_dir: Path

    @property
    def public_url(self) -> str:
        assert self.runtime.settings.public_url is not None
        return self.runtime.settings.public_url

    async def work(self, *kinds: str) -> None:
        """Run due-work until nothing of it is due now."""
        while sum([await lane.step() for lane in caretaker.lanes(self.runtime)]):
            pass

    async def stored(self) -> list[Any]:
        await self.processor.step()
        return await self.fetch("SELECT * FROM message WHERE tenant_id = $1 AND direction = 'in' ORDER BY seq")

    async def fetch(self, sql: str, *more: Any) -> list[Any]:
        rows: list[Any] = await self.runtime.pool.fetch(sql, self.tenant_id, *more)
        return rows

    async def row(self, sql: str, *more: Any) -> Any:
        return (await self.fetch(sql, *more))[0]

    async def reply(self, text: str, dialog_id: UUID | None = None) -> UUID:
        """Queue a bot's reply in a dialog, by default the tenant's only one."""
        dialog = await self.row(_DIALOG, dialog_id)
        ids, now = self.runtime.ids, self.clock.now()
        outgoing_id, message_id = ids.new(), ids.new()
        seq = dialog["last_seq"] + 1
        await self.runtime.pool.execute(
            """INSERT INTO outgoing (tenant_id, outgoing_id, bucket, dialog_id, channel_id, seq, part, author, state,
                 payload, message_id, due_at, created_at)
               VALUES ($1, $2, $3, $4, $5, $6, 0, 'bot', 'pending', $7, $8, $9, $9)""",
            self.tenant_id,
            outgoing_id,
            bucket_of(self.tenant_id),
            dialog["dialog_id"],
            dialog["channel_id"],
            seq,
            {"chat": dialog["external_chat_id"], "text": text},
            message_id,
            now,
        )
        await self.runtime.pool.execute(
            """INSERT INTO message (tenant_id, message_id, dialog_id, identity_id, seq, direction, author, kind, text,
                 content, state, outgoing_id, received_at)
               VALUES ($1, $2, $3, $4, $5, 'out', 'bot', 'message', $6, '{}'::jsonb, 'pending', $7, $8)""",
            self.tenant_id,
            message_id,
            dialog["dialog_id"],
            dialog["identity_id"],
            seq,
            text,
            outgoing_id,
            now,
        )
        await self.runtime.pool.execute(
            "UPDATE dialog SET last_seq = last_seq + 1 WHERE tenant_id = $1 AND dialog_id = $2",
            self.tenant_id,
            dialog["dialog_id"],
        )
        return outgoing_id


def open_runtime(pool: Any, url: str, clock: Any, http: AioHttp, media_dir: Path, **env: Any) -> Runtime:
    port = free_port()
    given = {
        "DATABASE_URL": url,
        "BATTCRM_SECRET_KEYS": KEY,
        "BATTCRM_GATEWAY_PORT": port,
        "BATTCRM_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "BATTCRM_MEDIA_DIR": media_dir,
    }
    settings = load_settings(**(given | env))
    wakeups, vault, ids = Wakeups(), Vault(settings.encryption_keys), IdFactory(clock)
    return Runtime(
        settings=settings,
        endpoints=Endpoints(url, url, None, None, "", "", None, settings.encryption_keys),
        pool=pool,
        redis=None,
        clock=clock,
        ids=ids,
        vault=vault,
        wakeups=wakeups,
        configs=TenantConfigs(pool, clock, wakeups),
        channels=ChannelDirectory(pool, vault, clock, wakeups, tokens=PgTokenStore(pool, vault, clock, ids)),
        http=http,
    )


@pytest.fixture
async def shop(clean_database: str, pg_worker_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    clock = ManualClock(SystemClock().now())
    pool = await open_pool(pg_worker_url, maximum=6)
    http = AioHttp(allow_private=True)
    runtime = open_runtime(pool, pg_worker_url, clock, http, tmp_path / "media")
    tenant = await Tenants(pool, clock, runtime.ids).create("lesnaya", "Лесная")
    desk = await open_desk(runtime, "")
    serving = asyncio.create_task(gateway.run(runtime))
    try:
        await until(lambda: _listens(runtime.settings.gateway_port), "the gateway listens")
        yield Shop(
            runtime,
            clock,
            tenant.tenant_id,
            desk.life,
            desk.book,
            desk.channels,
            processor.build(runtime),
            out_worker.build(runtime),
            tmp_path / "media",
        )
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await http.close()
        await pool.close()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
