"""Tokens that a platform renews: one renewal for all processes, kept sealed, and nobody locked out meanwhile."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from battcrm.devkit.emulators.avito import AvitoEmulator
from battcrm.kit.crypto import Vault
from battcrm.transport.accounts import Connected
from battcrm.transport.avito.client import AvitoApi
from tests.integration.channels.conftest import KEY, Shop
from tests.support.waiting import PATIENCE

SELLER = 94235311
# What another process does: opens the channel as a role does and asks for the account, then waits to be ended.
_OTHER = """
import asyncio, sys
from uuid import UUID
from battcrm.settings import load_settings
from battcrm.transport.avito.client import AvitoApi
from battcrm.infra.http import AioHttp
from battcrm.workers.runtime import connect

async def main():
    async with connect(load_settings()) as runtime, AioHttp(allow_private=True) as http:
        connected = await runtime.channels.find(UUID(sys.argv[1]))
        print("ready", flush=True)
        sys.stdin.readline()
        me = await asyncio.gather(*(AvitoApi(connected.account, http).whoami() for _ in range(5)))
        print(len({one["id"] for one in me}), flush=True)

asyncio.run(main())
"""


@pytest.fixture
async def avito() -> AsyncIterator[AvitoEmulator]:
    async with AvitoEmulator(time_factor=0.01, answer_in=PATIENCE) as emulator:
        emulator.add_account("demo", "demo-secret", SELLER, refresh_token="first")
        yield emulator


async def _joined(shop: Shop, avito: AvitoEmulator) -> str:
    secrets = {"client_id": "demo", "client_secret": "demo-secret", "refresh_token": "first"}
    joined = await shop.life.add(shop.tenant_id, "avito", secrets=secrets, settings={"base_url": avito.url})
    assert joined.problem is None
    return str(joined.view.channel_id)


async def test_processes_that_renew_at_once_ask_the_platform_once(
    shop: Shop, avito: AvitoEmulator, pg_worker_url: str
) -> None:
    channel = await _joined(shop, avito)
    owner = avito.accounts[SELLER]
    owner.tokens.clear()
    owner.grants.clear()
    env = os.environ | {
        "DATABASE_URL": pg_worker_url,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "BATTCRM_SECRET_KEYS": KEY,
        "BATTCRM_HOME": str(shop.media_dir),
    }
    others = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _OTHER,
            channel,
            env=env,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    assert [await _line(other) for other in others] == ["ready", "ready"]
    for other in others:
        assert other.stdin is not None
        other.stdin.write(b"\n")
        await other.stdin.drain()
    assert [await _line(other) for other in others] == ["1", "1"]
    assert [await other.wait() for other in others] == [0, 0]
    assert owner.grants == ["refresh_token"]


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        return (await process.stdout.readline()).decode().strip()


async def _connected(shop: Shop, avito: AvitoEmulator) -> Connected:
    channel = await _joined(shop, avito)
    connected = await shop.runtime.channels.find(UUID(channel))
    assert connected is not None
    return connected


async def test_a_refresh_token_that_was_used_up_by_trying_it_is_replaced(shop: Shop, avito: AvitoEmulator) -> None:
    connected = await _connected(shop, avito)
    assert connected.account.secrets["refresh_token"] != "first"
    assert avito.accounts[SELLER].grants == ["refresh_token", "refresh_token"]


async def test_tokens_are_sealed_and_rotated_with_the_secrets(shop: Shop, avito: AvitoEmulator) -> None:
    connected = await _connected(shop, avito)
    token = await AvitoApi(connected.account, shop.runtime.http, clock=shop.clock).tokens.get()
    assert token in avito.accounts[SELLER].tokens
    sealed = (await shop.row("SELECT tokens FROM channel WHERE tenant_id = $1"))["tokens"]
    assert token.encode() not in sealed
    old, new = bytes(range(32)), bytes(range(32, 64))
    shop.channels._vault = Vault([new, old])
    assert await shop.channels.rotate_secrets(shop.tenant_id) == (1, 1)
    sealed = (await shop.row("SELECT tokens FROM channel WHERE tenant_id = $1"))["tokens"]
    assert Vault([new]).open(sealed, connected.account.channel_id.bytes)["access_token"] == token


async def test_a_chat_whose_name_has_a_tilde_is_found(shop: Shop, avito: AvitoEmulator) -> None:
    connected = await _connected(shop, avito)
    chat = avito.open_chat(SELLER)
    assert chat.endswith("~")
    assert (await AvitoApi(connected.account, shop.runtime.http, clock=shop.clock).chat(chat)).id == chat
