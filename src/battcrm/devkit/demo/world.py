"""Everything a demonstration needs on running servers: shop, emulated Telegram, all roles in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from battcrm.devkit.demo.history import DEVICES
from battcrm.devkit.demo.shop import Shop, open_shop
from battcrm.devkit.emulators.telegram import TelegramEmulator
from battcrm.graph.context import GraphContextReader
from battcrm.graph.pricing_source import PostgresPricing
from battcrm.infra.http import AioHttp
from battcrm.infra.migrate import upgrade
from battcrm.infra.partitions import maintain
from battcrm.infra.postgres import open_pool
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import BattError, Permanent
from battcrm.models.situation import ContextQuery
from battcrm.settings import Settings
from battcrm.transport.telegram.lifecycle import TelegramLifecycle
from battcrm.workers.layers import load_sections, open_graph
from battcrm.workers.runtime import Runtime, connect, locate
from battcrm.workers.supervise import ALL, run_until

Progress = Callable[[str, str], None]
_READY: Final = 180.0
_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
_UPDATES_A_SECOND: Final = 16
_WARM_UP: Final = 3.0


@dataclass(frozen=True, slots=True)
class World:
    """The running demonstration."""

    runtime: Runtime
    shop: Shop
    telegram: TelegramEmulator
    http: AioHttp
    gateway_url: str

    @property
    def bot_token(self) -> str:
        """The emulated bot's token."""
        return self.shop.telegram.account.secrets["token"]

    @property
    def chat_url(self) -> str:
        """The chat page."""
        return f"{self.gateway_url}/chat/{self.shop.webchat.account.channel_id}"


@asynccontextmanager
async def world(settings: Settings, progress: Progress) -> AsyncIterator[World]:
    """Start what is not running yet, hand it over, stop what was started."""
    load_sections()
    async with AsyncExitStack() as stack:
        progress("schema", "migrating")
        await _schema((await locate(settings)).owner_url)
        runtime = await stack.enter_async_context(connect(settings, name="battcrm-demo", minimum=2))
        telegram = await stack.enter_async_context(TelegramEmulator())
        http = await stack.enter_async_context(AioHttp(allow_private=True))
        progress("shop", "seeding")
        token = settings.telegram_bot_token.get_secret_value() if settings.telegram_bot_token else None
        shop = await open_shop(runtime, telegram.url, token)
        bot = telegram.add_bot(shop.telegram.account.secrets["token"], "lesnaya_bot")
        # A platform never uses an update's number twice, and the shop remembers those of earlier runs.
        bot.next_update = int((runtime.clock.now() - _EPOCH).total_seconds()) * _UPDATES_A_SECOND
        url = f"http://{settings.gateway_host}:{settings.gateway_port}"
        opened = World(runtime, shop, telegram, http, url)
        progress("roles", "starting")
        await stack.enter_async_context(_roles(runtime))
        async with asyncio.TaskGroup() as group:
            group.create_task(_warm_up(opened))
            await _ready(opened)
            await _connect_bot(opened)
        progress("roles", "ready")
        yield opened


async def _schema(owner_url: str) -> None:
    await upgrade(owner_url)
    pool = await open_pool(owner_url, maximum=1, name="battcrm-demo-schema")
    try:
        await maintain(pool, SystemClock().now())
    finally:
        await pool.close()


@asynccontextmanager
async def _roles(runtime: Runtime) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_until(stop, runtime, ALL), name="roles")
        try:
            yield
        finally:
            stop.set()


async def _ready(opened: World) -> None:
    """Wait until the gateway answers that it can store messages."""
    clock = opened.runtime.clock
    deadline = clock.monotonic() + _READY
    while clock.monotonic() < deadline:
        try:
            answer = await opened.http.request("GET", f"{opened.gateway_url}/readyz", timeout=2.0, idempotent=True)
            if answer.status == 200:
                return
        except BattError:
            pass
        await clock.sleep(0.05)
    raise Permanent("the gateway did not start", code="gateway")


async def _warm_up(opened: World) -> None:
    """The graph server's first query takes long; let it not be a client's. A server that is away is no obstacle."""
    graph = open_graph(opened.runtime)
    if graph is None:
        return
    runtime = opened.runtime
    reader = GraphContextReader(graph, PostgresPricing(runtime.pool), runtime.clock, deadline=_WARM_UP)
    deadline = runtime.clock.monotonic() + _WARM_UP
    try:
        for device in DEVICES[:3]:
            if runtime.clock.monotonic() > deadline:
                return
            query = ContextQuery(
                tenant_id=opened.shop.tenant_id,
                client_id=runtime.ids.new(),
                brand=device.brand,
                model=device.model,
                repair_types=("screen",),
                part_owner=None,
                now=runtime.clock.now(),
            )
            await reader.fetch(query)
    finally:
        await graph.close()


async def _connect_bot(opened: World) -> None:
    """Register the webhook the way a real bot's is registered."""
    telegram = opened.shop.telegram
    account = telegram.account
    lifecycle = TelegramLifecycle(account, opened.runtime.http.for_settings(account.settings))
    await lifecycle.connect(f"{opened.gateway_url}/hook/telegram/{account.channel_id}/{telegram.hook_key}")
