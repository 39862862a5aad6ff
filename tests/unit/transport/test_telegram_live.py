"""Sender, poller, files and lifecycle of Telegram against the strict emulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.telegram import TelegramEmulator
from battcrm.infra.http import AioHttp
from battcrm.kit.errors import AuthExpired, Conflict, Invalid, Permanent, Transient
from battcrm.models.outgoing import OutAttachment, OutButton, OutgoingCommand
from battcrm.models.unified import Attachment, Kind, UnifiedMessage
from battcrm.transport.base import ChannelAccount
from battcrm.transport.telegram.files import TelegramFiles
from battcrm.transport.telegram.lifecycle import TelegramLifecycle
from battcrm.transport.telegram.poll import TelegramPoller
from battcrm.transport.telegram.send import TelegramSender
from tests.support.waiting import PATIENCE, outcome_is_unknown

TOKEN = "7012345678:AAHdemoDemoDemoDemoDemoDemoDemoDemo0"
CHAT = 507318842
BOT = "7012345678"


@dataclass
class World:
    emulator: TelegramEmulator
    http: AioHttp

    @property
    def account(self) -> ChannelAccount:
        secrets = {"token": TOKEN, "webhook_secret": "hook-secret"}
        return ChannelAccount(UUID(int=1), UUID(int=2), "telegram", BOT, secrets, {"base_url": self.emulator.url})

    @property
    def sender(self) -> TelegramSender:
        return TelegramSender(self.account, self.http)

    def poller(self, wait: int = 0) -> TelegramPoller:
        return TelegramPoller(self.account, self.http, wait=wait)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with TelegramEmulator() as emulator, AioHttp(allow_private=True) as http:
        emulator.add_bot(TOKEN)
        emulator.user_says(TOKEN, CHAT, "/start")
        yield World(emulator, http)


def say(text: str = "Текст", chat: int = CHAT, **fields: object) -> OutgoingCommand:
    return OutgoingCommand("k1", str(chat), text, **fields)  # type: ignore[arg-type]


async def test_reply_parameters_name_the_message_and_survive_its_loss(world: World) -> None:
    mine = world.emulator.user_says(TOKEN, CHAT, "вопрос")
    await world.sender.send(say("Ответ", reply_to=str(mine), silent=True))
    await world.sender.send(say("Ответ на удалённое", reply_to="99999"))
    first, second = world.emulator.log.of(BOT, str(CHAT))
    assert first.payload["reply_parameters"]["message_id"] == mine
    assert first.payload["disable_notification"] is True
    assert second.text == "Ответ на удалённое"


async def test_press_round_trip_and_acknowledgement(world: World) -> None:
    rows = ((OutButton("Согласен", "q:813:ok"), OutButton("Сайт", kind="url", url="https://example.org/a")),)
    sent = await world.sender.send(say("24 900 ₽?", buttons=rows))
    query = world.emulator.press(TOKEN, CHAT, "Согласен")
    batches = world.poller().batches(None)
    messages, _, _ = await anext(batches)
    pressed = messages[-1]
    assert (pressed.kind, pressed.button and pressed.button.payload) == (Kind.BUTTON, "q:813:ok")
    assert pressed.button is not None
    assert pressed.button.source_message_id == sent.message_id
    assert not world.emulator.answered(TOKEN, query)
    await world.sender.acknowledge(str(pressed.button.ack_ref), str(CHAT))
    assert world.emulator.answered(TOKEN, query)


async def test_asking_for_the_phone_uses_a_reply_keyboard_and_moves_links_to_the_text(world: World) -> None:
    rows = (
        (OutButton("Отправить номер", kind="contact"),),
        (OutButton("Не хочу", "no"), OutButton("Правила", kind="url", url="https://example.org/r")),
    )
    await world.sender.send(say("Ваш телефон?", buttons=rows))
    (shown,) = world.emulator.log.of(BOT, str(CHAT))
    assert shown.text == "Ваш телефон?\n\nПравила: https://example.org/r"
    assert shown.payload["reply_markup"]["keyboard"] == [
        [{"text": "Отправить номер", "request_contact": True}],
        [{"text": "Не хочу"}],
    ]


async def test_payload_of_65_bytes_becomes_numbers_instead_of_a_refusal(world: World) -> None:
    await world.sender.send(say("Выбор", buttons=((OutButton("Да", "я" * 33),),)))
    await world.sender.send(say("Без данных", buttons=((OutButton("ж" * 40),),)))
    first, second = world.emulator.log.of(BOT, str(CHAT))
    assert (first.text, first.buttons) == ("Выбор\n\n1. Да", ())
    assert len(second.payload["reply_markup"]["inline_keyboard"][0][0]["callback_data"].encode()) == 64


async def test_edit_is_repeatable(world: World) -> None:
    sent = await world.sender.send(say("было"))
    for _ in range(2):
        assert (await world.sender.send(say("стало", edit_of=sent.message_id))).message_id == sent.message_id
    assert [r.text for r in world.emulator.log.of(BOT, str(CHAT))] == ["было", "стало"]
    with pytest.raises(Permanent) as caught:
        await world.sender.send(say("стало", edit_of="4242"))
    assert caught.value.code == "edit_refused"
    world.emulator.faults.add(Fault("lost_answer"), method="editMessageText")
    with pytest.raises(Transient):
        await world.sender.send(say("ещё", edit_of=sent.message_id))


async def test_unreadable_markup_falls_back_to_plain_text(world: World) -> None:
    await world.sender.send(say("<b>Итого</b> 5 < 6", context={"format": "html"}))
    await world.sender.send(say("<b>Итого</b> &amp; <i>срок</i>", context={"format": "html"}))
    assert [r.text for r in world.emulator.log.of(BOT, str(CHAT))] == ["Итого 5 < 6", "Итого & срок"]


async def test_a_moved_group_gets_the_message_at_its_new_address(world: World) -> None:
    world.emulator.user_says(TOKEN, -100777, "привет")
    world.emulator.user_says(TOKEN, -5, "привет")
    world.emulator.faults.add(Fault("migrated"), chat="-5")
    await world.sender.send(say("ответ", chat=-5))
    assert [r.text for r in world.emulator.log.of(BOT, "-100777")] == ["ответ"]


async def test_voice_and_document_and_address(world: World, tmp_path: Path) -> None:
    file = tmp_path / 'талон "1".pdf'
    file.write_bytes(b"%PDF-1.4 test")
    await world.sender.send(say("Талон", attachments=(OutAttachment("document", path=str(file)),)))
    await world.sender.send(say("", attachments=(OutAttachment("voice", path=str(file), filename="a.ogg"),)))
    await world.sender.send(say("По ссылке", attachments=(OutAttachment("photo", url="https://example.org/1.png"),)))
    shown = world.emulator.log.of(BOT, str(CHAT))
    assert [(r.attachment, r.text) for r in shown] == [("document", "Талон"), ("voice", ""), ("photo", "По ссылке")]


async def test_unknown_chat_and_person_who_left(world: World) -> None:
    for chat, prepare in ((1, None), (CHAT, world.emulator.block)):
        if prepare:
            prepare(TOKEN, chat)
        with pytest.raises(Permanent) as caught:
            await world.sender.send(say(chat=chat))
        assert caught.value.code == "recipient_gone"


async def test_typing_is_shown_and_its_failure_is_silent_unless_the_token_died(world: World) -> None:
    await world.sender.typing(str(CHAT))
    assert [a[1:] for a in world.emulator.bots[TOKEN].actions] == [(str(CHAT), "typing")]
    world.emulator.faults.add(Fault("rate_limited"), method="sendchataction")
    await world.sender.typing(str(CHAT))
    world.emulator.bots[TOKEN].revoked = True
    with pytest.raises(AuthExpired):
        await world.sender.typing(str(CHAT))


async def test_slow_answer_is_unknown_not_retried(world: World) -> None:
    world.emulator.faults.add(Fault("slow", seconds=PATIENCE), times=3)
    message = {"chat_id": CHAT, "text": "x"}
    assert await outcome_is_unknown(lambda seconds: world.sender._api.call("sendMessage", message, timeout=seconds))


@pytest.mark.parametrize("token", ["", "no-colon", "1:a/../b"])
def test_a_malformed_token_is_refused_before_any_request(token: str) -> None:
    account = ChannelAccount(UUID(int=1), UUID(int=2), "telegram", "1", {"token": token})
    with pytest.raises(Invalid):
        TelegramSender(account, AioHttp())


async def test_poll_confirms_only_what_the_caller_has_committed(world: World) -> None:
    world.emulator.user_says(TOKEN, CHAT, "раз")
    first, raw, offset = await anext(world.poller().batches(None))
    assert [m.message.text for m in first] == ["/start", "раз"]
    assert len(raw) == 2
    # The caller died before its commit: everything is still there.
    again, _, same = await anext(world.poller().batches(None))
    assert ([m.dedup_key for m in again], same) == ([m.dedup_key for m in first], offset)
    # It committed and asks on: only what is new comes.
    world.emulator.user_says(TOKEN, CHAT, "два")
    rest, _, _ = await anext(world.poller().batches(offset))
    assert [m.message.text for m in rest] == ["два"]


async def test_poll_waits_for_news_and_survives_a_poisoned_update(world: World) -> None:
    batches = world.poller(wait=20).batches(None)
    _, _, offset = await anext(batches)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(batch(world.poller(wait=20), offset))
        while world.emulator.bots[TOKEN].poll is None:  # noqa: ASYNC110 - the poll has no event of its own
            await asyncio.sleep(0.01)
        world.emulator.bots[TOKEN].emit("message", {"no": "chat"}, CHAT)
        world.emulator.user_says(TOKEN, CHAT, "после")
    messages, raw, _ = waiting.result()
    if not messages:
        messages, raw, _ = await anext(world.poller().batches(None))
    assert messages[-1].message.text == "после"
    assert any(b'"no":"chat"' in item for item in raw)


async def test_two_pollers_and_an_active_webhook_conflict(world: World) -> None:
    _, _, offset = await anext(world.poller().batches(None))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(outcome(world.poller(wait=20), offset))
        while world.emulator.bots[TOKEN].poll is None:  # noqa: ASYNC110 - the poll has no event of its own
            await asyncio.sleep(0.01)
        second = group.create_task(outcome(world.poller(wait=20), offset))
        assert await first == "other_poller"
        world.emulator.user_says(TOKEN, CHAT, "хватит")
        assert await second == ""
    await TelegramLifecycle(world.account, world.http).connect("http://127.0.0.1:9/hook")
    assert await outcome(world.poller(), None) == "webhook_active"


async def batch(poller: TelegramPoller, offset: str) -> tuple[list[UnifiedMessage], list[bytes], str]:
    """The next batch."""
    return await anext(poller.batches(offset))


async def outcome(poller: TelegramPoller, offset: str | None) -> str:
    """Code of the conflict, "" for a batch."""
    try:
        await anext(poller.batches(offset))
    except Conflict as error:
        return error.code
    return ""


async def test_connect_registers_everything_we_understand_and_disconnect_keeps_what_waits(world: World) -> None:
    lifecycle = TelegramLifecycle(world.account, world.http)
    described = await lifecycle.connect("http://127.0.0.1:9/hook/abc")
    assert (described["account_ref"], described["username"]) == (BOT, "pochinim_demo_bot")
    hook = world.emulator.bots[TOKEN].webhook
    assert hook is not None
    assert (hook.url, hook.secret) == ("http://127.0.0.1:9/hook/abc", "hook-secret")
    assert set(hook.allowed) == {"message", "edited_message", "callback_query", "my_chat_member", "message_reaction"}
    health = await lifecycle.health()
    assert (health.active, health.url, health.pending) == (True, "http://127.0.0.1:9/hook/abc", 1)
    await lifecycle.disconnect()
    assert (await lifecycle.health()).active is False
    messages, _, _ = await anext(world.poller().batches(None))
    assert [m.message.text for m in messages] == ["/start"]


async def test_files_are_fetched_within_the_limit(world: World) -> None:
    world.emulator.user_sends_file(TOKEN, CHAT, "document", b"content", caption="акт")
    messages, _, _ = await anext(world.poller().batches(None))
    (document,) = messages[-1].message.attachments
    files = TelegramFiles(world.account, world.http)
    assert (await files.fetch(document, 100)).content == b"content"
    with pytest.raises(Permanent):
        await files.fetch(document, 3)
    with pytest.raises(Permanent):
        await files.fetch(Attachment("location"), 3)
    with pytest.raises(Permanent):
        await files.fetch(Attachment("photo", ref="unknown"), 3)
