"""Callback server and long poll, end to end with the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.vk import VkEmulator
from battcrm.infra.http import AioHttp
from battcrm.kit.errors import Permanent, Transient
from battcrm.models.unified import UnifiedMessage
from battcrm.transport.base import ChannelAccount, WebhookRequest
from battcrm.transport.vk.client import EVENTS, VkApi
from battcrm.transport.vk.lifecycle import VkLifecycle
from battcrm.transport.vk.manifest import MANIFEST
from battcrm.transport.vk.poll import VkPoller
from tests.support.waiting import PATIENCE
from tests.unit.transport_vk.conftest import GROUP, TOKEN, USER, account


class Door:
    """The least door: verify, parse, remember, answer. `refuse` answers that many calls with a notice first."""

    def __init__(self, connected: ChannelAccount) -> None:
        self.account = connected
        self.messages: list[UnifiedMessage] = []
        self.headers: list[dict[str, str]] = []
        self.refuse = 0
        self.url = ""
        self._changed = asyncio.Event()

    async def hook(self, request: web.Request) -> web.Response:
        headers = {k.lower(): v for k, v in request.headers.items()}
        received = WebhookRequest("POST", "p", dict(request.query), headers, await request.read())
        verdict = MANIFEST.verify(received, self.account)
        if verdict.immediate is not None:
            return web.Response(body=verdict.immediate.body)
        if not verdict.ok:
            return web.Response(status=401)
        self.headers.append(headers)
        self._changed.set()
        if self.refuse > 0:
            self.refuse -= 1
            return web.Response(text="<b>Notice</b>: undefined index\nok")
        self.messages += MANIFEST.parse(received.body, self.account)
        return web.Response(body=MANIFEST.accepted.body)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def door(connected: ChannelAccount) -> AsyncIterator[Door]:
    made = Door(connected)
    app = web.Application()
    app.router.add_post("/hook", made.hook)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield made
    finally:
        await runner.cleanup()


async def connected(vk: VkEmulator, http: AioHttp, to: Door) -> VkLifecycle:
    lifecycle = VkLifecycle(to.account, http)
    described = await lifecycle.connect(to.url)
    assert described["settings"] == {"confirmation": "c0nf1rm", "server_id": "1"}
    async with asyncio.timeout(PATIENCE):
        while (await lifecycle.health()).last_error is not None:
            continue
    return lifecycle


async def test_connect_registers_confirms_and_delivers(vk: VkEmulator, http: AioHttp) -> None:
    async with door(account(vk)) as at:
        lifecycle = await connected(vk, http, at)
        server = vk.communities[TOKEN].servers[1]
        assert server.events == {name for name, on in EVENTS.items() if on}
        vk.user_says(TOKEN, USER, "Ноутбук не включается")
        await at.until(lambda: bool(at.messages))
        assert at.messages[0].message.text == "Ноутбук не включается"
        assert (await lifecycle.health()).active
        await lifecycle.disconnect()
        assert vk.communities[TOKEN].servers == {}
        assert not (await lifecycle.health()).active


async def test_connecting_again_renews_the_same_server(vk: VkEmulator, http: AioHttp) -> None:
    async with door(account(vk)) as at:
        lifecycle = await connected(vk, http, at)
        await lifecycle.connect(at.url)
        await lifecycle.connect(at.url + "?new=1")
        assert list(vk.communities[TOKEN].servers) == [1]
        assert vk.communities[TOKEN].servers[1].url.endswith("?new=1")


async def test_a_server_that_was_added_by_hand_is_taken_over(vk: VkEmulator, http: AioHttp) -> None:
    async with door(account(vk)) as at:
        by_hand = {"group_id": GROUP, "url": at.url, "title": "My server", "secret_key": "old"}
        await VkApi(at.account, http).call("groups.addCallbackServer", by_hand)
        await connected(vk, http, at)
        (server,) = vk.communities[TOKEN].servers.values()
        assert (server.title, server.secret_key) == ("BattCRM", "d3moSecretVk")


async def test_a_wrong_confirmation_string_shows_in_the_health(vk: VkEmulator, http: AioHttp) -> None:
    async with door(account(vk, confirmation="stale")) as at:
        lifecycle = VkLifecycle(at.account, http)
        await lifecycle.connect(at.url)
        async with asyncio.timeout(PATIENCE):
            while (await lifecycle.health()).active:
                continue
        assert (await lifecycle.health()).last_error == "failed"


async def test_what_is_not_answered_with_ok_comes_again_counted(vk: VkEmulator, http: AioHttp) -> None:
    async with door(account(vk)) as at:
        await connected(vk, http, at)
        at.refuse = 2
        vk.user_says(TOKEN, USER, "Раз")
        await at.until(lambda: bool(at.messages))
        assert [h.get("x-retry-counter") for h in at.headers] == [None, "1", "2"]
        assert [m.message.text for m in at.messages] == ["Раз"]


async def test_a_server_that_keeps_failing_is_switched_off_and_connect_brings_it_back(
    vk: VkEmulator, http: AioHttp
) -> None:
    async with door(account(vk)) as at:
        lifecycle = await connected(vk, http, at)
        at.refuse = 10
        vk.user_says(TOKEN, USER, "Раз")
        await at.until(lambda: at.refuse == 0)
        async with asyncio.timeout(PATIENCE):
            while (await lifecycle.health()).active:
                continue
        await lifecycle.connect(at.url)
        await at.until(lambda: bool(at.messages))
        assert (await lifecycle.health()).last_error is None


async def test_duplicates_have_one_key_and_order_may_change(vk: VkEmulator, http: AioHttp) -> None:
    async with door(account(vk)) as at:
        await connected(vk, http, at)
        vk.faults.add(Fault("duplicate"), method="event")
        vk.faults.add(Fault("out_of_order"), method="event")
        for text in ("Раз", "Два", "Три"):
            vk.user_says(TOKEN, USER, text)
        await at.until(lambda: len(at.messages) == 4)
        assert [m.message.text for m in at.messages] == ["Раз", "Раз", "Три", "Два"]
        assert len({m.dedup_key for m in at.messages}) == 3
        assert [m.message.text for m in sorted(at.messages[1:], key=lambda m: int(m.message.seq or 0))] == [
            "Раз",
            "Два",
            "Три",
        ]


async def test_long_poll_reads_on_from_its_offset(vk: VkEmulator, http: AioHttp) -> None:
    poller = VkPoller(account(vk), http, wait=1)
    async with aclosing(poller.batches(None)) as batches:
        waiting = asyncio.ensure_future(anext(batches))
        await vk.communities[TOKEN].polling.wait()
        vk.user_says(TOKEN, USER, "Раз")
        messages, raw, offset = await waiting
        assert [m.message.text for m in messages] == ["Раз"]
        assert len(raw) == 1
    vk.user_says(TOKEN, USER, "Два")
    vk.user_says(TOKEN, USER, "Три")
    async with aclosing(poller.batches(offset)) as batches:
        messages, _, later = await anext(batches)
        assert [m.message.text for m in messages] == ["Два", "Три"]
        assert int(later) == int(offset) + 2


@pytest.mark.parametrize("offset", ["1", "999999", None])
async def test_a_stale_offset_or_key_is_renewed(vk: VkEmulator, http: AioHttp, offset: str | None) -> None:
    """failed 1: VK no longer has that history, so reading goes on from what it has."""
    community = vk.communities[TOKEN]
    async with aclosing(VkPoller(account(vk), http, wait=1).batches(offset)) as batches:
        waiting = asyncio.ensure_future(anext(batches))
        await community.polling.wait()
        community.poll_key = "key2"
        vk.user_says(TOKEN, USER, "Раз")
        assert [m.message.text for m in (await waiting)[0]] == ["Раз"]
        vk.user_says(TOKEN, USER, "Два")
        assert [m.message.text for m in (await anext(batches))[0]] == ["Два"]


async def test_a_poll_that_keeps_failing_ends_in_an_error(vk: VkEmulator, http: AioHttp) -> None:
    vk.communities[TOKEN].poll_broken = 2
    async with aclosing(VkPoller(account(vk), http).batches(None)) as batches:
        with pytest.raises(Transient):
            await anext(batches)
    vk.communities[TOKEN].poll_broken = 4
    async with aclosing(VkPoller(account(vk), http).batches(None)) as batches:
        with pytest.raises(Permanent):
            await anext(batches)
