"""MAX samples; every expectation is written by hand from the platform's documentation."""

from __future__ import annotations

from typing import Any

import pytest

from battcrm.kit.errors import Invalid
from tests.unit.transport_max.bodies import NOTHING, OLGA, SAMPLES, attachment, document, many, mid, one, sample


def said(tail: str, at: str, seq: str, **message: Any) -> dict[str, Any]:
    more = {name: message.pop(name) for name in ("reply_to",) if name in message}
    known = NOTHING | {"id": mid(tail), "seq": seq} | message
    return document("message", f"{mid(tail)}:message_created", at, message=known, **more)


EXPECTED: dict[str, dict[str, Any]] = {
    "message_created_text": said(
        "0001",
        "09:00:00.000",
        "116328147937082001",
        text="Здравствуйте! Планшет Honor уронили, экран в паутину. Сколько стоит поменять?",
    ),
    "message_created_image": said(
        "0002",
        "09:00:01.000",
        "116328147937082002",
        text="Вот фото",
        attachments=[
            attachment(kind="photo", ref="demoPhotoToken001", url="https://i.oneme.ru/i?r=demoPhoto001"),
        ],
    ),
    "message_created_file": said(
        "0003",
        "09:00:02.000",
        "116328147937082003",
        text="Талон с прошлого раза",
        attachments=[
            attachment(
                kind="document",
                ref="demoFileToken001",
                url="https://fd.oneme.ru/getfile?sig=demo",
                size=120345,
                filename="Талон.pdf",
            )
        ],
    ),
    "message_created_audio": said(
        "0004",
        "09:00:03.000",
        "116328147937082004",
        attachments=[
            attachment(
                kind="voice",
                ref="demoAudioToken001",
                url="https://vd.okcdn.ru/?sig=demo",
                transcript="добрый день хочу узнать готов ли мой планшет",
            )
        ],
    ),
    "message_created_video": said(
        "0005",
        "09:00:04.000",
        "116328147937082005",
        text="Видео как мерцает",
        attachments=[
            attachment(
                kind="video",
                ref="demoVideoToken001",
                url="https://vd.okcdn.ru/?sig=demo2",
                width=720,
                height=1280,
                duration=8,
            )
        ],
    ),
    "message_created_location": said(
        "0007",
        "09:00:06.000",
        "116328147937082007",
        attachments=[attachment(kind="location", lat=59.93428, lon=30.335099)],
    ),
    "message_created_sticker": said(
        "0008",
        "09:00:07.000",
        "116328147937082008",
        attachments=[
            attachment(
                kind="sticker",
                ref="demo1f44d",
                url="https://i.oneme.ru/getSmile?smileId=demo",
                width=128,
                height=128,
            )
        ],
    ),
    "message_created_reply": said(
        "000a",
        "09:00:09.000",
        "116328147937082010",
        text="Да, давайте оригинал",
        reply_to={
            "id": mid("ffff"),
            "seq": "116328147937081000",
            "text": "Дисплей Honor Pad X9: оригинал 9 800 ₽, аналог 6 400 ₽.",
            "from_us": True,
        },
    ),
    "message_edited": document(
        "edit",
        f"{mid('0001')}:message_edited:1795338070000",
        "09:01:10.000",
        sender=OLGA | {"locale": None},
        message=NOTHING
        | {
            "id": mid("0001"),
            "seq": "116328147937082012",
            "text": "Здравствуйте! Планшет Honor Pad X9 уронили, экран в паутину. Сколько стоит поменять?",
        },
    ),
    "message_removed": document(
        "delete",
        f"{mid('0001')}:message_removed",
        "09:01:20.000",
        sender=OLGA | {"display_name": None, "locale": None},
        message=NOTHING | {"id": mid("0001")},
    ),
    "message_callback": document(
        "button",
        "f9LHodD0cOJf4_DkJGeq8BkDgc5vgSwZdemo:message_callback:1795338060000",
        "09:01:00.000",
        button={
            "payload": "q:813:orig",
            "title": "Оригинал 9 800 ₽",
            "source_message_id": mid("fffe"),
            "ack_ref": "f9LHodD0cOJf4_DkJGeq8BkDgc5vgSwZdemo",
            "ack_deadline": None,
        },
    ),
    "bot_started_deeplink": document(
        "start",
        "bot_started:5512345:1795338001000",
        "09:00:01.000",
        source={"ref": "utm_2gis_card", "ref_source": None, "utm": {}, "ad": None, "item_id": None},
    ),
    "bot_started_plain": document("start", "bot_started:5512345:1795338001100", "09:00:01.100"),
    "bot_stopped": document("stop", "bot_stopped:5512345:1795338090000", "09:01:30.000"),
    "updates_longpoll_response": said("000d", "09:00:12.000", "116328147937082013", text="А в выходные принимаете?"),
}
NOT_AN_UPDATE = sorted(p.stem for p in SAMPLES.glob("api_*.json"))


@pytest.mark.parametrize("name", EXPECTED)
def test_sample(name: str) -> None:
    got = one(sample(name))
    del got["event_id"]
    assert got.pop("raw") == (sample(name)["updates"][0] if name.startswith("updates_") else sample(name))
    assert got == EXPECTED[name]


@pytest.mark.parametrize("name", NOT_AN_UPDATE)
def test_api_answers_are_no_events(name: str) -> None:
    with pytest.raises(Invalid):
        many(sample(name))


def test_every_sample_has_an_expectation() -> None:
    assert sorted(p.stem for p in SAMPLES.glob("*.json")) == sorted([*EXPECTED, *NOT_AN_UPDATE])
