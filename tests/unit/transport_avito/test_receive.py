"""Webhooks and reconciliation, end to end with the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web

from battcrm.devkit.emulators.avito import AvitoEmulator
from battcrm.devkit.emulators.base import Fault
from battcrm.infra.http import AioHttp
from battcrm.kit.errors import Permanent
from battcrm.models.unified import UnifiedMessage
from battcrm.transport.avito.client import AvitoApi
from battcrm.transport.avito.lifecycle import AvitoLifecycle
from battcrm.transport.avito.manifest import MANIFEST
from battcrm.transport.avito.poll import AvitoPoller
from battcrm.transport.base import ChannelAccount, WebhookRequest
from tests.support.waiting import PATIENCE
from tests.unit.transport_avito.conftest import HOOK, SELLER, account, command, sender


class Door:
    """The least door: verify, parse, remember, answer. `refuse` answers that many calls with 503 first."""

    def __init__(self, connected: ChannelAccount) -> None:
        self.account = connected
        self.messages: list[UnifiedMessage] = []
        self.probes = 0
        self.refuse = 0
        self.url = ""
        self._changed = asyncio.Event()

    async def hook(self, request: web.Request) -> web.Response:
        headers = {k.lower(): v for k, v in request.headers.items()}
        key = request.match_info["key"]
        received = WebhookRequest("POST", key, dict(request.query), headers, await request.read())
        if not MANIFEST.verify(received, self.account).ok:
            return web.Response(status=401)
        self._changed.set()
        if self.refuse > 0:
            self.refuse -= 1
            return web.Response(status=503)
        found = MANIFEST.parse(received.body, self.account)
        self.probes += not found
        self.messages += found
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
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/{HOOK}"
    try:
        yield made
    finally:
        await runner.cleanup()


async def test_connect_probes_delivers_and_replaces_an_older_address(
    avito: AvitoEmulator, http: AioHttp, chat: str
) -> None:
    async with door(account(avito)) as at:
        described = await AvitoLifecycle(at.account, http).connect(at.url)
        assert (described["account_ref"], described["settings"]) == (str(SELLER), {"webhook_url": at.url})
        assert at.probes == 1
        at.account = account(avito, {"hook_key": "n" * 32}, webhook_url=at.url.replace(HOOK, "n" * 32))
        lifecycle = AvitoLifecycle(at.account, http)
        assert not (await lifecycle.health()).active
        await lifecycle.connect(at.url.replace(HOOK, "n" * 32))
        assert list(avito.accounts[SELLER].queues) == [at.url.replace(HOOK, "n" * 32)]
        assert (await lifecycle.health()).active
        avito.user_says(SELLER, chat, "Здравствуйте")
        await at.until(lambda: bool(at.messages))
        assert at.messages[0].message.text == "Здравствуйте"
        await lifecycle.disconnect()
        assert (await lifecycle.health()).last_error == "not registered"


async def test_an_address_that_does_not_answer_is_refused(avito: AvitoEmulator, http: AioHttp) -> None:
    async with door(account(avito, {"hook_key": "another"})) as at:
        with pytest.raises(Permanent) as caught:
            await AvitoLifecycle(account(avito), http).connect(at.url)
    assert caught.value.code == "bad_request"


async def test_a_conversation_with_everything(avito: AvitoEmulator, http: AioHttp, chat: str) -> None:
    async with door(account(avito)) as at:
        await AvitoLifecycle(at.account, http).connect(at.url)
        first = avito.user_says(SELLER, chat, "Экран iPhone 13")
        sent = await sender(avito, http).send(command(chat))
        avito.operator_says(SELLER, chat, "Возьмёмся")
        avito.misses_call(SELLER, chat)
        avito.avito_says(SELLER, chat, "Скидка")
        avito.user_sends(SELLER, chat, "video", {})
        avito.delete(SELLER, chat, first)
        await at.until(lambda: len(at.messages) >= 7)
        assert [(m.kind, m.direction) for m in at.messages] == [
            ("message", "in"),
            ("message", "out"),
            ("message", "out"),
            ("call", "in"),
            ("message", "service"),
            ("message", "in"),
            ("delete", "in"),
        ]
        assert {m.conversation.id for m in at.messages} == {chat}
        assert at.messages[1].message.id == sent.message_id
        assert at.messages[5].message.truncated
        assert at.messages[6].message.id == first
        assert len({m.dedup_key for m in at.messages}) == 7
        whole = await AvitoApi(at.account, http).hydrate(at.messages[0])
        assert whole.sender.display_name == "Игорь"
        assert whole.conversation.context is not None
        assert whole.conversation.context.title == "Замена дисплея iPhone 13 Pro"


async def test_refused_posts_come_again_and_duplicates_have_one_key(
    avito: AvitoEmulator, http: AioHttp, chat: str
) -> None:
    async with door(account(avito)) as at:
        await AvitoLifecycle(at.account, http).connect(at.url)
        at.refuse = 2
        avito.faults.add(Fault("duplicate"), method="webhook")
        avito.faults.add(Fault("out_of_order"), method="webhook")
        for text in ("Раз", "Два", "Три"):
            avito.user_says(SELLER, chat, text)
        await at.until(lambda: len(at.messages) >= 4)
        assert [m.message.text for m in at.messages] == ["Раз", "Раз", "Три", "Два"]
        assert len({m.dedup_key for m in at.messages}) == 3


async def next_round(
    avito: AvitoEmulator, http: AioHttp, offset: str | None = None
) -> tuple[list[UnifiedMessage], str]:
    """The messages of one whole round of the poll and the offset after it."""
    found: list[UnifiedMessage] = []
    async with aclosing(AvitoPoller(account(avito), http).batches(offset)) as batches:
        async for messages, raws, following in batches:
            assert len(raws) == len(messages)
            found += messages
            if not messages:
                return found, following
    raise AssertionError("the poll ended")


async def test_what_the_webhook_lost_is_read_by_the_poll_under_the_same_keys(
    avito: AvitoEmulator, http: AioHttp, chat: str
) -> None:
    profile = avito.open_chat(SELLER, user=7, name="Анна", item_id=None)
    async with door(account(avito)) as at:
        await AvitoLifecycle(at.account, http).connect(at.url)
        avito.user_says(SELLER, chat, "Дошло")
        await at.until(lambda: bool(at.messages))
        avito.lose_webhooks(SELLER)
        avito.user_says(SELLER, chat, "Пропало")
        avito.user_says(SELLER, profile, "Тоже пропало")
        avito.operator_says(SELLER, chat, "Ответил в приложении")
        found, offset = await next_round(avito, http)
        assert sorted(str(m.message.text) for m in found) == [
            "Дошло",
            "Ответил в приложении",
            "Пропало",
            "Тоже пропало",
        ]
        assert at.messages[0].dedup_key in {m.dedup_key for m in found}
        named = {m.conversation.id: m.sender.display_name for m in found if m.direction == "in"}
        assert named == {chat: "Игорь", profile: "Анна"}
        assert [m.conversation.type for m in found if m.conversation.id == profile] == ["private"]
        assert int(offset) > 1_000_000_000


async def test_read_chats_are_left_alone_and_old_words_too(avito: AvitoEmulator, http: AioHttp, chat: str) -> None:
    avito.user_says(SELLER, chat, "Здравствуйте")
    _, offset = await next_round(avito, http)
    later = str(int(offset) + 86_400)
    assert await next_round(avito, http, later) == ([], later)
    await sender(avito, http).mark_read(chat)
    assert (await next_round(avito, http))[0] == []


async def test_long_histories_and_both_shapes(http: AioHttp) -> None:
    async with AvitoEmulator(bare_history=True) as avito:
        avito.add_account("demoClient", "demoSecret", SELLER)
        chats = [avito.open_chat(SELLER, user=user) for user in range(1, 131)]
        for number in range(250):
            avito.user_says(SELLER, chats[0], f"Сообщение {number}")
        for one in chats[1:]:
            avito.user_says(SELLER, one, "Здравствуйте")
        found, _ = await next_round(avito, http)
        texts = [m.message.text for m in found if m.conversation.id == chats[0]]
        assert texts == [f"Сообщение {n}" for n in range(250)]
        assert len({m.conversation.id for m in found}) == 130


async def test_a_broken_round_is_read_again(avito: AvitoEmulator, http: AioHttp, chat: str) -> None:
    other = avito.open_chat(SELLER, user=9)
    for one in (chat, other):
        avito.user_says(SELLER, one, "Здравствуйте")
    avito.faults.add(Fault("blocked"), method="history", chat=other)
    found, _ = await next_round(avito, http)
    assert [m.conversation.id for m in found] == [chat]
