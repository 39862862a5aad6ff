"""Avito samples; every expectation is written by hand from the platform's documentation."""

from __future__ import annotations

from typing import Any

import pytest

from battcrm.kit.errors import Invalid
from battcrm.transport.avito.client import messages_of
from battcrm.transport.avito.parse import from_history
from tests.unit.transport_avito.bodies import (
    ACCOUNT,
    CHAT_ID,
    IGOR,
    NOTHING,
    SAMPLES,
    attachment,
    document,
    many,
    one,
    sample,
)


def received(number: str, at: str, kind: str = "message", **message: Any) -> dict[str, Any]:
    more = {name: message.pop(name) for name in ("direction", "sender", "source") if name in message}
    return document(kind, number, at, message=NOTHING | {"id": number} | message, **more)


EXPECTED: dict[str, dict[str, Any]] = {
    "text": received(
        "45d56167c52a1342116721b4ddf4b7d2",
        "09:00:01",
        text="Здравствуйте! Объявление ещё актуально? Разбил экран на iPhone 13 Pro, сколько выйдет с работой?",
    ),
    "image": received(
        "cb0bc1831b5ca8c3e7e83078e40dc102",
        "09:00:02",
        attachments=[
            attachment(
                kind="photo",
                url="https://img.k.avito.example/chat/1280x960/5083651369.demo1.jpg",
                width=1280,
                height=960,
                thumb_url="https://img.k.avito.example/chat/32x32/5083651369.demo1.jpg",
            )
        ],
    ),
    "link": received(
        "4a5a73d99d373fb5f95b8bde8ef0fe4e",
        "09:00:05",
        text="market.example/iphone-13-pro-display",
        attachments=[
            attachment(kind="link", url="https://market.example/iphone-13-pro-display", title="Дисплей iPhone 13 Pro")
        ],
    ),
    "item": received(
        "c3265308a6c5776019d2143e6beb25c2",
        "09:00:06",
        attachments=[
            attachment(
                kind="item",
                url="https://avito.ru/4341979279",
                title="Замена дисплея iPhone 13 Pro",
                price="24 900 ₽",
                thumb_url="https://img.avito.example/item.webp",
            )
        ],
    ),
    "call_missed": received("dc43b0b82e9b991ca9d5cd00c790f40b", "09:00:07", "call"),
    "file_empty_content": received(
        "31c08f468882b57a937f4a06f85e3a6a",
        "09:00:08",
        attachments=[attachment(kind="unknown", title="file")],
        truncated=True,
    ),
    "video_empty_content": received(
        "db50fb453da3072527ff02d68ff02e63",
        "09:00:09",
        attachments=[attachment(kind="unknown", title="video")],
        truncated=True,
    ),
    "system_flow": received(
        "ce4883be832d539572ecb69c0a38eb06",
        "09:00:10",
        text="Покупатель получил скидку 5% на ремонт",
        direction="service",
        sender=IGOR | {"id": None, "is_bot": True},
        source=None,
    ),
    "deleted": received("9e922e3295c50b28919d2a7ccae1845b", "09:00:11", "delete")
    | {"dedup_key": "9e922e3295c50b28919d2a7ccae1845b:deleted"},
}
NOTHING_FOR_US = ["probe_empty_body"]
NOT_A_WEBHOOK = sorted(p.stem for p in SAMPLES.glob("api_*.json"))


@pytest.mark.parametrize("name", EXPECTED)
def test_sample(name: str) -> None:
    got = one(sample(name))
    del got["event_id"]
    assert got.pop("raw") == sample(name)
    assert got == EXPECTED[name]


@pytest.mark.parametrize("name", NOTHING_FOR_US)
def test_nothing_for_us(name: str) -> None:
    assert many(sample(name)) == []


@pytest.mark.parametrize("name", NOT_A_WEBHOOK)
def test_api_answers_are_no_events(name: str) -> None:
    with pytest.raises(Invalid):
        many(sample(name))


def test_every_sample_has_an_expectation() -> None:
    assert sorted(p.stem for p in SAMPLES.glob("*.json")) == sorted([*EXPECTED, *NOTHING_FOR_US, *NOT_A_WEBHOOK])


@pytest.mark.parametrize("name", ["api_200_messages_v3_with_quote", "api_200_messages_v3_with_quote_array_per_spec"])
def test_both_shapes_of_a_history_are_the_same_message(name: str) -> None:
    (item,) = messages_of(sample(name))
    chat = sample("api_200_chat_v2")
    found = from_history(item, chat, ACCOUNT)
    assert (found.kind, found.direction, found.dedup_key) == ("message", "in", "ed4f7d30974e0eb2d64c7d564d8fd9ff")
    assert found.conversation.id == CHAT_ID
    assert found.conversation.type == "ad"
    context = found.conversation.context
    assert context is not None
    assert (context.id, context.title, context.price) == ("4341979279", "Замена дисплея iPhone 13 Pro", "24 900 ₽")
    assert context.url == "https://avito.ru/moskva/predlozheniya_uslug/zamena_displeya_4341979279"
    assert (found.sender.id, found.sender.display_name) == ("187654321", "Игорь")
    assert found.message.text == "Да, на эту цену согласен"
    quoted = found.reply_to
    assert quoted is not None
    assert (quoted.id, quoted.from_us) == ("0e025668e660181a8bee0654b147acc6", True)
    assert quoted.text == "Оригинал — 24 900 ₽, срок 1 день."
