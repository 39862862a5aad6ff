"""Webhooks and long poll, end to end with the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.max import MaxEmulator
from battcrm.infra.http import AioHttp
from battcrm.kit.errors import AuthExpired, Conflict, Permanent
from battcrm.models.outgoing import OutButton
from battcrm.models.unified import UnifiedMessage
from battcrm.transport.base import ChannelAccount, WebhookRequest
from battcrm.transport.max.client import UPDATES
from battcrm.transport.max.lifecycle import MaxLifecycle
from battcrm.transport.max.manifest import MANIFEST
from battcrm.transport.max.poll import MaxPoller
from tests.support.waiting import PATIENCE
from tests.unit.transport_max.conftest import BOT, TOKEN, USER, account, command, sender


class Door:
    """The least door: verify, parse, remember, answer. `refuse` answers that many calls with 503 first."""

    def __init__(self, connected: ChannelAccount) -> None:
        self.account = connected
        self.messages: list[UnifiedMessage] = []
        self.rejected = 0
        self.refuse = 0
        self.url = ""
        self._changed = asyncio.Event()

    async def hook(self, request: web.Request) -> web.Response:
        headers = {k.lower(): v for k, v in request.headers.items()}
        received = WebhookRequest("POST", "p", dict(request.query), headers, await request.read())
        self._changed.set()
        if not MANIFEST.verify(received, self.account).ok:
            self.rejected += 1
            return web.Response(status=401)
        if self.refuse > 0:
            self.refuse -= 1
            return web.Response(status=503)
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
    app.router.add_post("/hook/{key}", made.hook)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/one"
    try:
        yield made
    finally:
        await runner.cleanup()


async def test_connect_subscribes_and_replaces_an_older_address(max_: MaxEmulator, http: AioHttp) -> None:
    async with door(account(max_)) as at:
        lifecycle = MaxLifecycle(at.account, http)
        assert not (await lifecycle.health()).active
        described = await lifecycle.connect(at.url)
        assert (described["account_ref"], described["settings"]) == (str(BOT), {"webhook_url": at.url})
        await lifecycle.connect(at.url)
        assert max_.bots[BOT].subscriptions[at.url].update_types == frozenset(UPDATES)
        newer = at.url.replace("one", "two")
        await lifecycle.connect(newer)
        assert list(max_.bots[BOT].subscriptions) == [newer]
        known = MaxLifecycle(account(max_, webhook_url=newer), http)
        assert ((await known.health()).active, (await known.health()).url) == (True, newer)
        max_.user_says(BOT, USER, "Здравствуйте")
        await at.until(lambda: bool(at.messages))
        await known.disconnect()
        assert (await known.health()).last_error == "not registered"


async def test_missing_types_and_a_bad_secret_are_told(max_: MaxEmulator, http: AioHttp) -> None:
    lifecycle = MaxLifecycle(account(max_), http)
    await lifecycle.connect("http://127.0.0.1:9/hook/x")
    max_.bots[BOT].subscriptions["http://127.0.0.1:9/hook/x"].update_types = frozenset({"message_created"})
    health = await lifecycle.health()
    assert not health.active
    assert "message_callback" in (health.last_error or "")
    with pytest.raises(Permanent) as caught:
        await MaxLifecycle(account(max_, {"webhook_secret": "имя"}), http).connect("http://127.0.0.1:9/")
    assert caught.value.code == "bad_secret"
    for url in ("http://shop.example/hook", "https://shop.example:8443/hook"):
        with pytest.raises(Permanent):
            await lifecycle.connect(url)


async def test_a_conversation_with_everything(max_: MaxEmulator, http: AioHttp, chat: str) -> None:
    async with door(account(max_)) as at:
        await MaxLifecycle(at.account, http).connect(at.url)
        max_.press_start(BOT, USER, "utm_2gis_card")
        first = max_.user_says(BOT, USER, "Планшет Honor")
        max_.edit(BOT, USER, first, "Планшет Honor Pad X9")
        sent = await sender(max_, http).send(command(chat, "Какой?", buttons=((OutButton("Оригинал", "q:orig"),),)))
        max_.press(BOT, USER, "Оригинал")
        max_.press(BOT, USER, "Оригинал", gone=True)
        max_.replies(BOT, USER, "Да", str(sent.message_id))
        max_.shares_contact(BOT, USER, "79000001122")
        max_.shares_contact(BOT, USER, "79000003344", forged=True)
        max_.remove(BOT, USER, first)
        max_.stop_bot(BOT, USER, "dialog_removed")
        await at.until(lambda: len(at.messages) >= 10)
        kinds = "start message edit button button message message message delete stop"
        assert [m.kind for m in at.messages] == kinds.split()
        start, _, edit, press, gone, reply, own, forged, delete, _ = at.messages
        assert start.source is not None
        assert start.source.ref == "utm_2gis_card"
        assert edit.message.id == delete.message.id == first
        assert press.button is not None
        assert (press.button.payload, press.button.title) == ("q:orig", "Оригинал")
        assert press.button.source_message_id == sent.message_id
        assert gone.conversation.id == f"user:{USER}"
        assert reply.reply_to is not None
        assert (reply.reply_to.id, reply.reply_to.from_us) == (sent.message_id, True)
        assert (own.sender.phone, own.sender.phone_verified) == ("+79000001122", True)
        assert (forged.sender.phone, forged.sender.phone_verified) == (None, False)
        assert len({m.dedup_key for m in at.messages}) == 10


async def test_refused_posts_come_again_and_duplicates_have_one_key(max_: MaxEmulator, http: AioHttp) -> None:
    async with door(account(max_)) as at:
        await MaxLifecycle(at.account, http).connect(at.url)
        at.refuse = 3
        max_.faults.add(Fault("duplicate"), method="webhook")
        max_.faults.add(Fault("out_of_order"), method="webhook")
        for text in ("Раз", "Два", "Три"):
            max_.user_says(BOT, USER, text)
        await at.until(lambda: len(at.messages) >= 4)
        assert [m.message.text for m in at.messages] == ["Раз", "Раз", "Три", "Два"]
        assert len({m.dedup_key for m in at.messages}) == 3


async def test_long_failures_drop_the_subscription_and_connect_renews_it(http: AioHttp) -> None:
    async with MaxEmulator(time_factor=0.00001) as max_, door(account(max_)) as at:
        max_.add_bot(TOKEN, BOT)
        lifecycle = MaxLifecycle(account(max_, webhook_url=at.url), http)
        await lifecycle.connect(at.url)
        at.refuse = 10
        max_.user_says(BOT, USER, "Пропало")
        async with asyncio.timeout(PATIENCE):
            while (await lifecycle.health()).active:
                continue
        assert max_.bots[BOT].dropped == [at.url]
        at.refuse = 0
        await lifecycle.connect(at.url)
        assert (await lifecycle.health()).active
        max_.user_says(BOT, USER, "Снова слышно")
        await at.until(lambda: bool(at.messages))
        assert at.messages[0].message.text == "Снова слышно"


async def test_a_wrong_secret_is_turned_away(max_: MaxEmulator, http: AioHttp) -> None:
    async with door(account(max_, {"webhook_secret": "another-secret"})) as at:
        await MaxLifecycle(account(max_), http).connect(at.url)
        max_.user_says(BOT, USER, "Здравствуйте")
        await at.until(lambda: at.rejected > 0)
        assert at.messages == []


async def test_the_poll_reads_on_from_its_marker(max_: MaxEmulator, http: AioHttp) -> None:
    max_.user_says(BOT, USER, "Раньше")
    max_.user_says(BOT, USER, "Последнее")
    async with aclosing(MaxPoller(account(max_), http, wait=1).batches(None)) as batches:
        messages, raws, marker = await anext(batches)
        assert [m.message.text for m in messages] == ["Последнее"]
        assert len(raws) == 1
        max_.user_says(BOT, USER, "Раз")
        max_.user_says(BOT, USER, "Два")
        messages, _, following = await anext(batches)
        assert [m.message.text for m in messages] == ["Раз", "Два"]
        assert int(following) == int(marker) + 2
        assert await anext(batches) == ([], [], following)
    async with aclosing(MaxPoller(account(max_), http, wait=1).batches(marker)) as batches:
        messages, _, _ = await anext(batches)
        assert [m.message.text for m in messages] == ["Раз", "Два"]


async def test_a_poll_beside_a_webhook_is_a_conflict(max_: MaxEmulator, http: AioHttp) -> None:
    await MaxLifecycle(account(max_), http).connect("http://127.0.0.1:9/hook/x")
    with pytest.raises(Conflict) as caught:
        await anext(MaxPoller(account(max_), http).batches(None))
    assert caught.value.code == "webhook_active"
    max_.faults.add(Fault("revoked"), method="subscriptions")
    with pytest.raises(AuthExpired):
        await anext(MaxPoller(account(max_), http).batches(None))
