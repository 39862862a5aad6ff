"""What WhatsApp receives from us, through the emulator."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.whatsapp import WhatsAppEmulator
from battcrm.infra.http import AioHttp
from battcrm.kit.clock import ManualClock
from battcrm.kit.errors import AuthExpired, BattError, OutcomeUnknown, Permanent, RateLimited, Transient
from battcrm.models.outgoing import OutAttachment, OutButton
from battcrm.models.unified import Attachment
from battcrm.transport.whatsapp.compose import media_kind, template_body
from battcrm.transport.whatsapp.files import WhatsAppFiles
from tests.unit.transport_whatsapp.conftest import BSUID, NOW, NUMBER, PHONE, account, command, sender


def buttons(count: int, kind: str = "reply") -> tuple[tuple[OutButton, ...], ...]:
    return tuple((OutButton(f"Вариант {n}", f"v:{n}", kind),) for n in range(count))


def shown(wa: WhatsAppEmulator) -> list[dict[str, Any]]:
    return [item.payload for item in wa.log.all]


async def test_a_text_as_it_is_on_the_wire(wa: WhatsAppEmulator, http: AioHttp) -> None:
    sent = await sender(wa, http).send(command(reply_to="wamid.X"))
    assert shown(wa) == [
        {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "recipient": BSUID,
            "type": "text",
            "text": {"body": "Ремонт 4 500 ₽", "preview_url": False},
            "biz_opaque_callback_data": "row-1",
            "context": {"message_id": "wamid.X"},
        }
    ]
    assert sent.message_id == wa.log.all[0].message_id


@pytest.mark.parametrize("to", [PHONE, f"+{PHONE}"])
async def test_a_phone_goes_into_to(wa: WhatsAppEmulator, http: AioHttp, to: str) -> None:
    await sender(wa, http).send(command(to=to))
    (body,) = shown(wa)
    assert body["to"] == PHONE
    assert "recipient" not in body


async def test_up_to_three_choices_are_buttons(wa: WhatsAppEmulator, http: AioHttp) -> None:
    await sender(wa, http).send(command("Ставим?", buttons=buttons(3)))
    (body,) = shown(wa)
    assert body["interactive"]["type"] == "button"
    assert body["interactive"]["body"] == {"text": "Ставим?"}
    assert body["interactive"]["action"]["buttons"][0] == {
        "type": "reply",
        "reply": {"id": "v:0", "title": "Вариант 0"},
    }
    assert wa.press(NUMBER, BSUID, "Вариант 2").startswith("wamid.")


async def test_up_to_ten_choices_are_a_list(wa: WhatsAppEmulator, http: AioHttp) -> None:
    await sender(wa, http).send(command("Выберите", buttons=buttons(10), context={"locale": "en"}))
    (body,) = shown(wa)
    action = body["interactive"]["action"]
    assert (body["interactive"]["type"], action["button"]) == ("list", "Choose")
    assert [row["id"] for section in action["sections"] for row in section["rows"]] == [f"v:{n}" for n in range(10)]


async def test_one_link_is_a_link_button_and_more_are_text(wa: WhatsAppEmulator, http: AioHttp) -> None:
    link = OutButton("На сайт", kind="url", url="https://shop.example/1")
    await sender(wa, http).send(command("Смотрите", buttons=((link,),)))
    await sender(wa, http).send(command("Смотрите", buttons=((link,), (OutButton("Да", "y"),))))
    await sender(wa, http).send(command("Где вы?", buttons=((OutButton("Место", kind="location"),),)))
    first, second, third = shown(wa)
    assert first["interactive"]["action"] == {
        "name": "cta_url",
        "parameters": {"display_text": "На сайт", "url": "https://shop.example/1"},
    }
    assert second["interactive"]["type"] == "button"
    assert second["interactive"]["body"]["text"] == "Смотрите\n\nНа сайт: https://shop.example/1"
    assert third["interactive"]["type"] == "location_request_message"


async def test_equal_titles_cannot_be_buttons(wa: WhatsAppEmulator, http: AioHttp) -> None:
    twins = ((OutButton("Да", "a"), OutButton("Да", "b")),)
    await sender(wa, http).send(command("Ставим?", buttons=twins))
    assert wa.log.all[0].text == "Ставим?\n\n1. Да\n2. Да"


async def test_a_long_text_with_buttons_keeps_them_at_its_end(wa: WhatsAppEmulator, http: AioHttp) -> None:
    text = "\n\n".join(f"Абзац {n}: слова о ремонте и о сроках." for n in range(60))
    sent = await sender(wa, http).send(command(text, buttons=buttons(2), reply_to="wamid.X"))
    first, second = wa.log.all
    assert [item.payload.get("context") for item in wa.log.all] == [{"message_id": "wamid.X"}, None]
    assert f"{first.text} {second.text}".split() == text.split()
    assert len(second.text) <= 1024
    assert (first.buttons, second.buttons) == ((), ("Вариант 0", "Вариант 1"))
    assert (sent.message_id, sent.extra_ids) == (second.message_id, (first.message_id,))


async def test_a_photo_is_uploaded_and_named_by_its_id(wa: WhatsAppEmulator, http: AioHttp, tmp_path: Path) -> None:
    path = tmp_path / "скол.jpg"
    path.write_bytes(b"\xff\xd8\xff" + b"0" * 64)
    await sender(wa, http).send(command("Вот", attachments=(OutAttachment("photo", path=str(path)),)))
    (body,) = shown(wa)
    media_id = body["image"]["id"]
    assert body["image"] == {"id": media_id, "caption": "Вот"}
    assert wa.numbers[NUMBER].media[media_id] == ("image/jpeg", path.read_bytes())


async def test_a_document_has_its_name_and_a_voice_no_caption(
    wa: WhatsAppEmulator, http: AioHttp, tmp_path: Path
) -> None:
    act, voice = tmp_path / "Акт.pdf", tmp_path / "v.ogg"
    act.write_bytes(b"%PDF-1.4")
    voice.write_bytes(b"OggS")
    await sender(wa, http).send(command("Акт", attachments=(OutAttachment("document", path=str(act)),)))
    sound = OutAttachment("voice", path=str(voice), mime="audio/ogg")
    await sender(wa, http).send(command("Слушайте", attachments=(sound,)))
    document, audio, text = shown(wa)
    assert document["document"]["filename"] == "Акт.pdf"
    assert document["document"]["caption"] == "Акт"
    assert audio["audio"].keys() == {"id"}
    assert text["text"]["body"] == "Слушайте"


async def test_a_public_address_is_sent_as_link(wa: WhatsAppEmulator, http: AioHttp) -> None:
    photo = OutAttachment("photo", url="https://shop.example/1.jpg")
    await sender(wa, http).send(command("", attachments=(photo,)))
    assert shown(wa)[0]["image"] == {"link": "https://shop.example/1.jpg"}


def test_what_is_no_picture_to_whatsapp_is_a_document() -> None:
    photo = OutAttachment("photo", path="x")
    assert media_kind(photo, "image/png", 100) == "image"
    assert media_kind(photo, "image/heic", 100) == "document"
    assert media_kind(photo, "image/png", 6 * 1024 * 1024) == "document"
    assert media_kind(OutAttachment("voice", path="x"), "audio/ogg", 100) == "audio"
    with pytest.raises(Permanent):
        media_kind(OutAttachment("voice", path="x"), "audio/ogg", 17 * 1024 * 1024)


@pytest.mark.parametrize("as_text", [False, True])
async def test_the_closed_window_is_noticed_before_sending(wa: WhatsAppEmulator, http: AioHttp, as_text: bool) -> None:
    clock = ManualClock(NOW)
    expires = NOW + timedelta(hours=1)
    given = command(context={"window_expires_at": expires.isoformat() if as_text else expires})
    speaking = sender(wa, http, clock)
    await speaking.send(given)
    clock.advance(3600)
    with pytest.raises(Permanent) as caught:
        await speaking.send(given)
    assert caught.value.code == "needs_template"
    assert len(wa.log.all) == 1


async def test_a_template_goes_through_the_closed_window(wa: WhatsAppEmulator, http: AioHttp) -> None:
    wa.numbers[NUMBER].templates["order_ready"] = {"ru"}
    wa.lapse(NUMBER, BSUID)
    template = {"name": "order_ready", "lang": "ru", "params": ["Алексей", "№813"], "button_payloads": ["o:813"]}
    closed = {"window_expires_at": NOW - timedelta(days=1)}
    await sender(wa, http).send(command("", template=template, context=closed))
    (body,) = shown(wa)
    assert body["template"] == {
        "name": "order_ready",
        "language": {"code": "ru"},
        "components": [
            {"type": "body", "parameters": [{"type": "text", "text": "Алексей"}, {"type": "text", "text": "№813"}]},
            {
                "type": "button",
                "sub_type": "quick_reply",
                "index": "0",
                "parameters": [{"type": "payload", "payload": "o:813"}],
            },
        ],
    }
    with pytest.raises(Permanent) as caught:
        await sender(wa, http).send(command("", template={"name": "no_such"}))
    assert caught.value.code == "template_refused"


def test_named_parameters_and_ready_components() -> None:
    named = template_body({"name": "x", "lang": "en", "params": {"who": "A"}})
    parameters = named["template"]["components"][0]["parameters"]
    assert parameters == [{"type": "text", "parameter_name": "who", "text": "A"}]
    assert template_body({"name": "x", "components": [{"type": "header"}]})["template"]["components"] == [
        {"type": "header"}
    ]
    assert "components" not in template_body({"name": "x"})["template"]
    with pytest.raises(Permanent):
        template_body({})


async def test_a_window_we_thought_open_fails_later_by_status(wa: WhatsAppEmulator, http: AioHttp) -> None:
    wa.lapse(NUMBER, BSUID)
    sent = await sender(wa, http).send(command())
    assert sent.message_id in wa.numbers[NUMBER].sent
    assert wa.log.all == []


async def test_an_edit_is_a_new_message_that_says_so(wa: WhatsAppEmulator, http: AioHttp) -> None:
    await sender(wa, http).send(command("4 000 ₽", edit_of="wamid.OLD"))
    (body,) = shown(wa)
    assert body["text"]["body"] == "Исправлено: 4 000 ₽"
    assert body["context"] == {"message_id": "wamid.OLD"}


async def test_typing_marks_the_message_read(wa: WhatsAppEmulator, http: AioHttp) -> None:
    number = wa.numbers[NUMBER]
    speaking = sender(wa, http)
    await speaking.typing(BSUID)
    await speaking.typing(BSUID, number.received[0])
    await speaking.mark_read(BSUID, number.received[0])
    await speaking.mark_read(BSUID, "wamid.unknown")
    assert [(message, what) for _, message, what in number.actions] == [
        (number.received[0], "typing"),
        (number.received[0], "read"),
    ]


@pytest.mark.parametrize(
    ("fault", "expected", "code"),
    [
        ("rate_limited", RateLimited, "rate_limited"),
        ("pair_limited", RateLimited, "chat_rate"),
        ("spam_limited", RateLimited, "spam_limited"),
        ("temporary", Transient, "unavailable"),
        ("needs_phone", Permanent, "needs_phone"),
        ("unpaid", Permanent, "account_unpaid"),
        ("blocked", Permanent, "recipient_gone"),
        ("revoked", AuthExpired, "token_revoked"),
        ("server_error", OutcomeUnknown, "answer_lost"),
        ("lost_answer", OutcomeUnknown, "answer_lost"),
    ],
)
async def test_faults(wa: WhatsAppEmulator, http: AioHttp, fault: str, expected: type[BattError], code: str) -> None:
    wa.faults.add(Fault(fault), method="messages")
    with pytest.raises(expected) as caught:
        await sender(wa, http).send(command())
    assert caught.value.code == code
    assert len(wa.log.all) == (1 if fault == "lost_answer" else 0)


async def test_a_second_part_that_fails_is_unknown_and_never_repeated(wa: WhatsAppEmulator, http: AioHttp) -> None:
    text = "\n\n".join("слово " * 300 for _ in range(5))
    wa.faults.add(Fault("slow", seconds=0.0), method="messages")
    wa.faults.add(Fault("rate_limited"), method="messages")
    with pytest.raises(OutcomeUnknown) as caught:
        await sender(wa, http).send(command(text))
    assert caught.value.code == "partial"
    assert len(wa.log.all) == 1


async def test_received_files_are_fetched_with_the_token(wa: WhatsAppEmulator, http: AioHttp) -> None:
    wa.user_sends_file(NUMBER, BSUID, "image", b"\xff\xd8\xff", "image/jpeg")
    (media_id,) = wa.numbers[NUMBER].media
    files = WhatsAppFiles(account(wa), http)
    fetched = await files.fetch(Attachment("photo", ref=media_id), 1000)
    assert (fetched.content, fetched.mime) == (b"\xff\xd8\xff", "image/jpeg")
    with pytest.raises(Permanent) as caught:
        await files.fetch(Attachment("photo", ref=media_id), 2)
    assert caught.value.code == "file_too_big"
    assert wa.numbers[NUMBER].downloads == [media_id]
    with pytest.raises(Permanent):
        await files.fetch(Attachment("photo", ref="404"), 1000)
    with pytest.raises(Permanent):
        await files.fetch(Attachment("photo"), 1000)


async def test_check_describes_the_number(wa: WhatsAppEmulator, http: AioHttp) -> None:
    found = await sender(wa, http).check()
    assert found["account_ref"] == NUMBER
    assert found["link"] == "https://wa.me/79000007788"
