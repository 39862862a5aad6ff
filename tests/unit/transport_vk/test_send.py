"""What VK receives from us, through the emulator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.vk import VkEmulator
from battcrm.infra.http import AioHttp
from battcrm.kit.errors import AuthExpired, BattError, OutcomeUnknown, Permanent, RateLimited, Transient
from battcrm.kit.text import dumps
from battcrm.models.outgoing import OutAttachment, OutButton
from battcrm.transport.vk.client import VkApi
from battcrm.transport.vk.keyboard import keyboard
from battcrm.transport.vk.parse import parse
from battcrm.transport.vk.send import VkSender, random_id
from tests.unit.transport_vk.conftest import GROUP, TOKEN, USER, account, command

CALLBACKS = ((OutButton("Согласен", "q:ok", "callback"), OutButton("Отказ", "q:no", "callback")),)


def test_random_id_is_a_stable_positive_int32_that_is_never_zero() -> None:
    found = {random_id(f"row-{n}", part) for n in range(2000) for part in range(3)}
    assert len(found) > 5990
    assert all(0 < value < 2**31 for value in found)
    assert random_id("0198c0de-0000-7000-8000-000000000001", 0) == random_id("0198c0de-0000-7000-8000-000000000001", 0)
    assert random_id("a", 0) != random_id("a", 1)


async def test_a_text_as_it_is_on_the_wire(vk: VkEmulator, http: AioHttp) -> None:
    sent = await VkSender(account(vk), http).send(command(reply_to="1001"))
    (shown,) = vk.log.of(str(GROUP), str(USER))
    assert shown.payload == {
        "peer_ids": str(USER),
        "random_id": str(random_id("row-1", 0)),
        "message": "Чистка — 3 500 ₽",
        "reply_to": "1001",
        "payload": '{"ref":"row-1"}',
    }
    assert (sent.message_id, sent.seq) == ("1002", "2")


@pytest.mark.parametrize("reference", [True, False])
async def test_the_echo_of_a_send_names_its_row(vk: VkEmulator, http: AioHttp, reference: bool) -> None:
    community = vk.communities[TOKEN]
    community.poll_events = frozenset({"message_reply"})
    sent = await VkSender(account(vk, echo_reference=reference), http).send(command())
    vk.operator_says(TOKEN, USER, "Я из другого приложения")
    (ours,) = parse(dumps(community.history[0][1]), account(vk))
    (theirs,) = parse(dumps(community.history[1][1]), account(vk))
    assert (ours.direction, ours.message.id, ours.button) == ("out", sent.message_id, None)
    assert ours.status is not None
    assert ours.status.client_ref == ("row-1" if reference else str(random_id("row-1", 0)))
    assert (theirs.direction, theirs.status) == ("out", None)


async def test_a_repeated_command_is_shown_once_and_named_the_same(vk: VkEmulator, http: AioHttp) -> None:
    sender = VkSender(account(vk), http)
    vk.faults.add(Fault("lost_answer"))
    with pytest.raises(OutcomeUnknown):
        await sender.send(command())
    again, third = await sender.send(command()), await VkSender(account(vk), http).send(command())
    assert again == third
    assert len(vk.log.all) == 1
    await sender.send(command(key="row-2"))
    assert len(vk.log.all) == 2


async def test_a_long_text_cut_off_in_the_middle_goes_on_where_it_stopped(vk: VkEmulator, http: AioHttp) -> None:
    text = "\n\n".join("слово " * 300 for _ in range(5))
    sender = VkSender(account(vk), http)
    vk.faults.add(Fault("slow", seconds=0.0))
    vk.faults.add(Fault("internal"))
    with pytest.raises(Transient):
        await sender.send(command(text))
    sent = await sender.send(command(text))
    assert " ".join(r.text for r in vk.log.all).split() == text.split()
    assert len(sent.extra_ids) == len(vk.log.all) - 1


async def test_callback_buttons_come_back_with_our_payload(vk: VkEmulator, http: AioHttp) -> None:
    sender = VkSender(account(vk), http)
    community = vk.communities[TOKEN]
    community.poll_events = frozenset({"message_event"})
    await sender.send(command(buttons=CALLBACKS))
    press = vk.press(TOKEN, USER, "Согласен")
    assert press is not None
    (pressed,) = parse(dumps(community.history[-1][1]), account(vk))
    assert pressed.button is not None
    assert (pressed.button.payload, pressed.button.ack_ref) == ("q:ok", press)
    assert community.presses == {press: False}
    await sender.acknowledge(press, str(USER))
    assert community.presses == {press: True}
    await sender.acknowledge(press, str(USER))


async def test_reply_buttons_come_back_as_a_press_with_words(vk: VkEmulator, http: AioHttp) -> None:
    community = vk.communities[TOKEN]
    community.poll_events = frozenset({"message_new"})
    await VkSender(account(vk), http).send(command(buttons=((OutButton("Оригинал", "q:1"),),)))
    assert vk.press(TOKEN, USER, "Оригинал") is None
    (pressed,) = parse(dumps(community.history[-1][1]), account(vk))
    assert pressed.kind == "button"
    assert pressed.button is not None
    assert (pressed.button.payload, pressed.message.text) == ("q:1", "Оригинал")


@pytest.mark.parametrize("inline", [True, False])
async def test_wide_buttons_take_their_own_rows(vk: VkEmulator, http: AioHttp, inline: bool) -> None:
    rows = (
        (OutButton("Да", "y"), OutButton("Сайт", kind="url", url="https://shop.example"), OutButton("Нет", "n")),
        (OutButton("Где вы?", "geo", "location"),),
    )
    await VkSender(account(vk, inline_keyboard=inline), http).send(command(buttons=rows))
    (shown,) = vk.log.all
    assert shown.buttons == ("Да", "Сайт", "Нет", "location")
    sent = json.loads(shown.payload["keyboard"])
    assert [len(row) for row in sent["buttons"]] == [1, 1, 1, 1]
    assert sent["inline"] is inline
    assert ("one_time" in sent) is not inline


async def test_ten_rows_of_one_are_repacked_into_what_an_inline_keyboard_has(vk: VkEmulator, http: AioHttp) -> None:
    rows = tuple((OutButton(f"Вариант {n}", f"v:{n}"),) for n in range(10))
    await VkSender(account(vk), http).send(command(buttons=rows))
    (shown,) = vk.log.all
    assert shown.buttons == tuple(f"Вариант {n}" for n in range(10))


async def test_links_over_the_row_limit_become_text(vk: VkEmulator, http: AioHttp) -> None:
    rows = tuple((OutButton(f"Точка {n}", kind="url", url=f"https://shop.example/{n}"),) for n in range(7))
    await VkSender(account(vk), http).send(command("Адреса", buttons=rows))
    (shown,) = vk.log.all
    assert shown.buttons == ()
    assert "Точка 6: https://shop.example/6" in shown.text


def test_a_payload_over_the_limit_is_no_keyboard() -> None:
    assert keyboard(((OutButton("x", '"' * 130),),)) is None
    assert keyboard(()) is None


async def test_a_refused_keyboard_becomes_numbers(vk: VkEmulator, http: AioHttp) -> None:
    vk.communities[TOKEN].bot_features = False
    await VkSender(account(vk), http).send(command("Ставим?", buttons=CALLBACKS))
    (shown,) = vk.log.all
    assert (shown.text, shown.buttons) == ("Ставим?\n\n1. Согласен\n2. Отказ", ())


@pytest.mark.parametrize("kind", ["photo", "document", "voice"])
async def test_files_are_uploaded_and_named(vk: VkEmulator, http: AioHttp, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "чек.ogg"
    path.write_bytes(b"\x00" * 100)
    await VkSender(account(vk), http).send(command("Вот", attachments=(OutAttachment(kind, path=str(path)),)))
    (shown,) = vk.log.all
    prefix = {"photo": "photo", "document": "doc", "voice": "audio_message"}[kind]
    assert (shown.attachment, shown.text) == (kind, "Вот")
    assert shown.payload["attachment"].startswith(f"{prefix}-{GROUP}_")


async def test_a_refused_file_is_permanent_and_sends_nothing(vk: VkEmulator, http: AioHttp, tmp_path: Path) -> None:
    path = tmp_path / "x.exe"
    path.write_bytes(b"MZ")
    vk.faults.add(Fault("refused"), method="upload")
    with pytest.raises(Permanent) as caught:
        await VkSender(account(vk), http).send(command("", attachments=(OutAttachment("document", path=str(path)),)))
    assert caught.value.code == "file_refused"
    assert vk.log.all == []


async def test_a_public_address_goes_into_the_text(vk: VkEmulator, http: AioHttp) -> None:
    photo = OutAttachment("photo", url="https://shop.example/1.jpg")
    await VkSender(account(vk), http).send(command("Вот", attachments=(photo,)))
    (shown,) = vk.log.all
    assert (shown.text, shown.attachment) == ("Вот\nhttps://shop.example/1.jpg", None)


async def test_an_edit_changes_the_message(vk: VkEmulator, http: AioHttp) -> None:
    sender = VkSender(account(vk), http)
    sent = await sender.send(command())
    edited = await sender.send(command("Чистка — 3 000 ₽", edit_of=sent.message_id))
    assert edited.message_id == sent.message_id
    assert vk.communities[TOKEN].peers[USER].messages[2]["text"] == "Чистка — 3 000 ₽"
    with pytest.raises(Permanent) as caught:
        await sender.send(command("x", edit_of="999999"))
    assert caught.value.code == "edit_refused"


async def test_typing_and_read_marks(vk: VkEmulator, http: AioHttp) -> None:
    sender = VkSender(account(vk), http)
    await sender.mark_read(str(USER))
    await sender.typing(str(USER))
    assert [(chat, what) for _, chat, what in vk.communities[TOKEN].actions] == [
        (str(USER), "read"),
        (str(USER), "read"),
        (str(USER), "typing"),
    ]


@pytest.mark.parametrize(
    ("fault", "expected", "code"),
    [
        ("rate_limited", RateLimited, "rate_limited"),
        ("flood", RateLimited, "chat_rate"),
        ("daily_limit", RateLimited, "daily_limit"),
        ("captcha", Transient, "captcha"),
        ("internal", Transient, "internal"),
        ("too_long", Permanent, "text_too_long"),
        ("no_access", Permanent, "no_permission"),
        ("blocked", Permanent, "recipient_gone"),
        ("revoked", AuthExpired, "token_revoked"),
        ("server_error", OutcomeUnknown, "answer_lost"),
    ],
)
async def test_faults(vk: VkEmulator, http: AioHttp, fault: str, expected: type[BattError], code: str) -> None:
    vk.faults.add(Fault(fault), method="messages.send")
    with pytest.raises(expected) as caught:
        await VkSender(account(vk), http).send(command())
    assert caught.value.code == code
    assert vk.log.all == []


async def test_somebody_who_never_wrote_cannot_be_written_to(vk: VkEmulator, http: AioHttp) -> None:
    vk.deny(TOKEN, USER)
    with pytest.raises(Permanent) as caught:
        await VkSender(account(vk), http).send(command())
    assert caught.value.code == "recipient_gone"


async def test_a_cropped_message_is_hydrated_under_the_same_key(vk: VkEmulator, http: AioHttp) -> None:
    community = vk.communities[TOKEN]
    community.poll_events = frozenset({"message_new"})
    photos = [
        {"type": "photo", "photo": {"id": n, "owner_id": USER, "sizes": [{"url": f"https://u/{n}", "width": 9}]}}
        for n in range(1, 9)
    ]
    vk.user_says(TOKEN, USER, "Вот фото", attachments=photos)
    (cropped,) = parse(dumps(community.history[-1][1]), account(vk))
    assert cropped.message.truncated
    whole = await VkApi(account(vk), http).hydrate(cropped)
    assert whole is not None
    assert not whole.message.truncated
    assert [a.ref for a in whole.message.attachments] == [f"photo{USER}_{n}" for n in range(1, 9)]
    assert (whole.dedup_key, whole.event_id) == (cropped.dedup_key, cropped.event_id)


async def test_check_tells_rights_and_settings(vk: VkEmulator, http: AioHttp) -> None:
    sender = VkSender(account(vk), http)
    found = await sender.check()
    assert found["account_ref"] == str(GROUP)
    assert found["link"] == f"https://vk.me/club{GROUP}"
    assert found["settings"] == {"confirmation": "c0nf1rm"}
    vk.communities[TOKEN].permissions = ("photos",)
    with pytest.raises(Permanent) as caught:
        await sender.check()
    assert caught.value.code == "no_permission"
