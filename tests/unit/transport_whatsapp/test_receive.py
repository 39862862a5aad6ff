"""Webhooks end to end with the emulator: subscription, signatures, batches, retries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.whatsapp import WhatsAppEmulator
from battcrm.infra.http import AioHttp
from battcrm.kit.errors import BattError, Invalid
from battcrm.models.outgoing import OutButton
from battcrm.models.unified import UnifiedMessage
from battcrm.transport.base import ChannelAccount, WebhookRequest
from battcrm.transport.whatsapp.lifecycle import WhatsAppLifecycle
from battcrm.transport.whatsapp.manifest import MANIFEST
from tests.support.waiting import PATIENCE
from tests.unit.transport_whatsapp.conftest import BSUID, NUMBER, account, command, sender


class Door:
    """The least door: verify, parse, remember, answer. `refuse` answers that many calls with 503 first."""

    def __init__(self, connected: ChannelAccount) -> None:
        self.account = connected
        self.posts: list[list[UnifiedMessage]] = []
        self.refuse = 0
        self.url = ""
        self._changed = asyncio.Event()

    @property
    def messages(self) -> list[UnifiedMessage]:
        return [message for post in self.posts for message in post]

    async def hook(self, request: web.Request) -> web.Response:
        headers = {k.lower(): v for k, v in request.headers.items()}
        received = WebhookRequest(request.method, "p", dict(request.query), headers, await request.read())
        verdict = MANIFEST.verify(received, self.account)
        if verdict.immediate is not None:
            return web.Response(body=verdict.immediate.body, status=verdict.immediate.status)
        if not verdict.ok:
            return web.Response(status=401)
        self._changed.set()
        if self.refuse > 0:
            self.refuse -= 1
            return web.Response(status=503)
        self.posts.append(MANIFEST.parse(received.body, self.account))
        return web.Response(body=MANIFEST.accepted.body)

    async def until(self, count: int) -> None:
        await self.until_true(lambda: len(self.messages) >= count)

    async def until_true(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def door(connected: ChannelAccount) -> AsyncIterator[Door]:
    made = Door(connected)
    app = web.Application()
    app.router.add_route("*", "/hook", made.hook)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def subscribed(wa: WhatsAppEmulator, http: AioHttp) -> AsyncIterator[Door]:
    """Connected, the first word of the fixture's person received and forgotten."""
    async with door(account(wa)) as at:
        await WhatsAppLifecycle(at.account, http).connect(at.url)
        await at.until(1)
        at.posts.clear()
        yield at


async def test_connect_subscribes_verifies_and_delivers_signed(wa: WhatsAppEmulator, http: AioHttp) -> None:
    async with door(account(wa)) as at:
        lifecycle = WhatsAppLifecycle(at.account, http)
        assert not (await lifecycle.health()).active
        described = await lifecycle.connect(at.url)
        assert described["account_ref"] == NUMBER
        await at.until(1)
        assert at.messages[0].message.text == "Здравствуйте"
        health = await lifecycle.health()
        assert (health.active, health.url) == (True, at.url)
        await lifecycle.disconnect()
        assert (await lifecycle.health()).url is None


async def test_a_wrong_verify_token_or_missing_waba_is_told(wa: WhatsAppEmulator, http: AioHttp) -> None:
    async with door(account(wa)) as at:
        at.account = ChannelAccount(at.account.tenant_id, at.account.channel_id, "whatsapp", NUMBER)
        with pytest.raises(BattError):
            await WhatsAppLifecycle(account(wa), http).connect(at.url)
    with pytest.raises(Invalid) as caught:
        await WhatsAppLifecycle(account(wa, waba_id=None), http).connect("http://127.0.0.1:9/")
    assert caught.value.field == "waba_id"


async def test_a_conversation_with_everything(wa: WhatsAppEmulator, http: AioHttp) -> None:
    async with subscribed(wa, http) as at:
        first = wa.user_says(NUMBER, BSUID, "Samsung S23", referral={"source_type": "ad", "source_id": "7"})
        wa.edit(NUMBER, BSUID, first, "Samsung S23 Ultra")
        wa.react(NUMBER, BSUID, first, "👍")
        wa.react(NUMBER, BSUID, first, None)
        wa.revoke(NUMBER, BSUID, first)
        wa.operator_says(NUMBER, BSUID, "Возьмёмся")
        await at.until(6)
        assert [(m.kind, m.direction) for m in at.messages] == [
            ("message", "in"),
            ("edit", "in"),
            ("reaction", "in"),
            ("reaction", "in"),
            ("delete", "in"),
            ("message", "out"),
        ]
        assert {m.conversation.id for m in at.messages} == {BSUID}
        assert at.messages[1].message.id == at.messages[4].message.id == first
        assert len({m.dedup_key for m in at.messages}) == 6


async def test_statuses_name_the_row_that_was_sent(wa: WhatsAppEmulator, http: AioHttp) -> None:
    async with subscribed(wa, http) as at:
        sent = await sender(wa, http).send(command())
        wa.read(NUMBER, str(sent.message_id))
        wa.lapse(NUMBER, BSUID)
        failed = await sender(wa, http).send(command())
        await at.until(4)
        found = [(m.status.message_id, m.status.state, m.status.client_ref) for m in at.messages if m.status]
        assert found == [
            (sent.message_id, "sent", "row-1"),
            (sent.message_id, "delivered", "row-1"),
            (sent.message_id, "read", "row-1"),
            (failed.message_id, "failed", "row-1"),
        ]
        last = at.messages[-1]
        assert last.status is not None
        assert last.status.error is not None
        assert last.status.error.code == "131047"
        assert last.window is not None
        assert last.window.template_required


async def test_a_press_brings_our_payload_back(wa: WhatsAppEmulator, http: AioHttp) -> None:
    async with subscribed(wa, http) as at:
        sent = await sender(wa, http).send(command(buttons=((OutButton("Согласен", "q:ok"),),)))
        wa.press(NUMBER, BSUID, "Согласен")
        await at.until_true(lambda: any(m.kind == "button" for m in at.messages))
        (pressed,) = [m for m in at.messages if m.kind == "button"]
        assert pressed.button is not None
        assert (pressed.button.payload, pressed.button.source_message_id) == ("q:ok", sent.message_id)
        assert pressed.reply_to is not None
        assert pressed.reply_to.from_us


async def test_a_batch_is_one_post(wa: WhatsAppEmulator, http: AioHttp) -> None:
    async with subscribed(wa, http) as at:
        with wa.one_post(NUMBER):
            for text in ("Раз", "Два", "Три"):
                wa.user_says(NUMBER, BSUID, text)
        await at.until(3)
        assert len(at.posts) == 1
        assert [m.message.text for m in at.messages] == ["Раз", "Два", "Три"]


async def test_refused_posts_come_again_and_duplicates_have_one_key(wa: WhatsAppEmulator, http: AioHttp) -> None:
    async with subscribed(wa, http) as at:
        at.refuse = 3
        wa.faults.add(Fault("duplicate"), method="webhook")
        wa.faults.add(Fault("out_of_order"), method="webhook")
        for text in ("Раз", "Два", "Три"):
            wa.user_says(NUMBER, BSUID, text)
        await at.until(4)
        assert [m.message.text for m in at.messages] == ["Раз", "Раз", "Три", "Два"]
        assert len({m.dedup_key for m in at.messages}) == 3
