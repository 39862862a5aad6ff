"""Everything a demonstration needs, in one process: servers, shop, emulated Telegram, all roles."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from battcrm.devkit.demo.shop import Shop, open_shop
from battcrm.devkit.emulators.telegram import TelegramEmulator
from battcrm.infra import embedded
from battcrm.infra.http import AioHttp
from battcrm.infra.migrate import upgrade
from battcrm.infra.partitions import maintain
from battcrm.infra.postgres import open_pool
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import BattError, Permanent
from battcrm.settings import Settings, load_settings
from battcrm.transport.telegram.lifecycle import TelegramLifecycle
from battcrm.workers.runtime import Runtime, connect, locate
from battcrm.workers.supervise import ALL, run_until

Progress = Callable[[str, str], None]
_READY: Final = 20.0


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


def demo_settings() -> Settings:
    """Settings from the environment, with a gateway port that is free."""
    settings = load_settings()
    return settings.model_copy(update={"gateway_port": _free_port(settings.gateway_host, settings.gateway_port)})


@asynccontextmanager
async def world(settings: Settings, progress: Progress) -> AsyncIterator[World]:
    """Start what is not running yet, hand it over, stop what was started."""
    async with AsyncExitStack() as stack:
        await _servers(settings, progress, stack)
        progress("schema", "migrating")
        await _schema((await locate(settings)).owner_url)
        runtime = await stack.enter_async_context(connect(settings, name="battcrm-demo", minimum=2))
        telegram = await stack.enter_async_context(TelegramEmulator())
        http = await stack.enter_async_context(AioHttp(allow_private=True))
        progress("shop", "seeding")
        token = settings.telegram_bot_token.get_secret_value() if settings.telegram_bot_token else None
        shop = await open_shop(runtime, telegram.url, token)
        telegram.add_bot(shop.telegram.account.secrets["token"], "lesnaya_bot")
        url = f"http://{settings.gateway_host}:{settings.gateway_port}"
        opened = World(runtime, shop, telegram, http, url)
        progress("roles", "starting")
        await stack.enter_async_context(_roles(runtime))
        await _ready(opened)
        await _connect_bot(opened)
        progress("roles", "ready")
        yield opened


async def _servers(settings: Settings, progress: Progress, stack: AsyncExitStack) -> None:
    if settings.embedded:
        running = await embedded.start(settings.home, which=settings.embedded, on_progress=progress)
        stack.push_async_callback(running.stop)


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


async def _connect_bot(opened: World) -> None:
    """Register the webhook the way a real bot's is registered."""
    telegram = opened.shop.telegram
    account = telegram.account
    lifecycle = TelegramLifecycle(account, opened.runtime.http.for_settings(account.settings))
    await lifecycle.connect(f"{opened.gateway_url}/hook/telegram/{account.channel_id}/{telegram.hook_key}")


def _free_port(host: str, wanted: int) -> int:
    """The wanted port, or any free one when it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise Permanent(f"no port is free on {host}", code="no_port")
