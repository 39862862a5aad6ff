"""WhatsApp's window from the webhook to the send; reading what a platform does not deliver twice; withheld content."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from battcrm.devkit.emulators.whatsapp import WhatsAppEmulator
from battcrm.models.unified import Attachment, Content, Conversation, Forwarded, Kind, Sender, UnifiedMessage
from battcrm.services.channels_texts import NOTES
from battcrm.services.operator_views import note_of
from battcrm.transport import registry
from battcrm.transport.door import Door
from tests.integration.channels.conftest import Shop, until

TOKEN, NUMBER, SECRET, WABA = "EAAdemoDemoDemo", "110987654321", "demo-app-secret", "104567890123456"
WHO = "79000009911"


@pytest.fixture
async def whatsapp(shop: Shop) -> AsyncIterator[WhatsAppEmulator]:
    async with WhatsAppEmulator(time_factor=0.01) as emulator:
        emulator.add_number(TOKEN, NUMBER, SECRET, waba_id=WABA)
        joined = await shop.life.add(
            shop.tenant_id,
            "whatsapp",
            account_ref=NUMBER,
            secrets={"token": TOKEN, "app_secret": SECRET},
            settings={"base_url": emulator.url, "waba_id": WABA},
        )
        assert joined.problem is None
        yield emulator


@pytest.mark.parametrize(("hours", "state"), [(1, "sent"), (25, "failed")])
async def test_the_window_decides(shop: Shop, whatsapp: WhatsAppEmulator, hours: int, state: str) -> None:
    wrote = shop.clock.now() - timedelta(hours=hours)
    whatsapp.user_says(NUMBER, WHO, "Здравствуйте", timestamp=str(int(wrote.timestamp())))
    await until(shop.stored, "the message is stored")
    dialog = await shop.row("SELECT window_expires_at FROM dialog WHERE tenant_id = $1")
    assert abs(dialog["window_expires_at"] - wrote - timedelta(hours=24)) < timedelta(seconds=2)
    await shop.reply("Добрый день!")
    await shop.fetch(
        "UPDATE outgoing SET payload = payload || $2 WHERE tenant_id = $1",
        {"context": {"window_expires_at": dialog["window_expires_at"].isoformat()}},
    )
    await shop.sender.step()
    row = await shop.row("SELECT state, error_code FROM outgoing WHERE tenant_id = $1")
    assert row["state"] == state
    assert row["error_code"] == (None if state == "sent" else "needs_template")
    assert len(whatsapp.log.all) == (1 if state == "sent" else 0)


async def test_a_window_that_whatsapp_found_closed_is_closed(shop: Shop, whatsapp: WhatsAppEmulator) -> None:
    whatsapp.user_says(NUMBER, WHO, "Здравствуйте")
    await until(shop.stored, "the message is stored")
    whatsapp.lapse(NUMBER, WHO)
    await shop.reply("Добрый день!")
    await shop.sender.step()

    async def closed() -> bool:
        await shop.processor.step()
        row = await shop.row("SELECT window_expires_at FROM dialog WHERE tenant_id = $1")
        return bool(row["window_expires_at"] <= shop.clock.now())

    await until(closed, "the window is closed by the status")
    assert (await shop.row("SELECT state FROM message WHERE tenant_id = $1 AND direction = 'out'"))["state"] == "failed"


def said(number: int) -> UnifiedMessage:
    return UnifiedMessage(
        channel="toy",
        account_ref="1",
        dedup_key=f"c:{number}",
        kind=Kind.MESSAGE,
        conversation=Conversation("c"),
        sender=Sender(id="7"),
        message=Content(id=str(number), text=f"слово {number}"),
    )


class ToyPoller:
    """Two unread messages, then what Avito's poller gives at the end of a round."""

    def __init__(self, account: Any, http: Any) -> None:
        self.rounds = 0

    async def batches(self, offset: str | None) -> AsyncIterator[tuple[list[UnifiedMessage], list[bytes], str]]:
        while True:
            yield [said(1), said(2)], [b'{"a":1}'], offset or "0"
            yield [], [], "2"


class ToySender:
    def __init__(self, account: Any, http: Any) -> None:
        pass

    async def check(self) -> dict[str, Any]:
        return {"account_ref": "1", "title": "Toy"}


@pytest.fixture
def toy() -> Iterator[None]:
    base = registry.manifest_of("webchat")
    registry.register(
        replace(
            base,
            kind="toy",
            required_secrets=(),
            poller=ToyPoller,
            sender=ToySender,  # type: ignore[arg-type]
            reconciles=True,
        )
    )
    yield
    registry.unregister("toy")


async def test_health_reads_what_the_platform_does_not_repeat(shop: Shop, toy: None) -> None:
    await shop.life.add(shop.tenant_id, "toy")
    for _ in range(3):
        shop.clock.advance(181)
        await shop.work()
    assert [m["text"] for m in await shop.stored()] == ["слово 1", "слово 2"]
    assert (await shop.row("SELECT poll_offset FROM channel WHERE tenant_id = $1"))["poll_offset"] == "2"


async def test_withheld_content_is_explained_to_the_operator(shop: Shop, toy: None) -> None:
    joined = await shop.life.add(shop.tenant_id, "toy")
    connected = await shop.runtime.channels.find(joined.view.channel_id)
    assert connected is not None
    door = Door(shop.runtime.pool, shop.clock, shop.runtime.ids, shop.runtime.wakeups)
    empty = replace(
        said(9), channel="avito", message=Content("9", attachments=(Attachment("unknown"),), truncated=True)
    )
    await door.accept(connected.account, [empty], b"{}")
    (row,) = await shop.stored()
    assert row["content"]["note"] == "withheld_by_avito"
    assert NOTES["withheld_by_avito"][0] in note_of(row["content"])[0]
    assert await shop.fetch("SELECT 1 FROM due_work WHERE tenant_id = $1 AND kind = 'hydrate'") == []
    dialog = await shop.row("SELECT hold_until FROM dialog WHERE tenant_id = $1")
    assert dialog["hold_until"] is None


async def test_what_was_forwarded_or_heard_is_what_was_said(shop: Shop, toy: None) -> None:
    joined = await shop.life.add(shop.tenant_id, "toy")
    connected = await shop.runtime.channels.find(joined.view.channel_id)
    assert connected is not None
    heard = Attachment("voice", ref="v", transcript="не включается")
    found = [
        replace(said(1), message=Content("1"), forwarded=Forwarded(text="сколько стоит экран?")),
        replace(said(2), message=Content("2", attachments=(heard,))),
        replace(said(3), forwarded=Forwarded(text="чужое"), message=Content("3", text="своё", attachments=(heard,))),
    ]
    await Door(shop.runtime.pool, shop.clock, shop.runtime.ids, shop.runtime.wakeups).accept(
        connected.account, found, b"{}"
    )
    assert [row["text"] for row in await shop.stored()] == ["сколько стоит экран?", "не включается", "своё"]
