"""MAX's updates beyond the samples."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battcrm.kit.errors import Invalid
from battcrm.transport.max.attachments import contact_hash
from tests.unit.transport_max.bodies import (
    BOT,
    CHAT,
    CHAT_ID,
    OLGA_ID,
    TOKEN,
    attachment,
    created,
    many,
    mid,
    one,
    sample,
)

CARD = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ольга Смирнова\r\nitem1.TEL;TYPE=cell:79000\r\n 001122\r\nEND:VCARD\r\n"


def signed(card: str = CARD, token: str = TOKEN) -> str:
    return hmac.new(token.encode(), card.encode(), hashlib.sha256).hexdigest()


def contact(**payload: Any) -> dict[str, Any]:
    known = {"vcf_info": CARD, "hash": signed(), "max_info": {"user_id": OLGA_ID, "first_name": "Ольга"}}
    return created(attachments=[{"type": "contact", "payload": known | payload}])


def test_our_own_words_are_outgoing() -> None:
    bot = {"user_id": BOT, "first_name": "Сервис", "is_bot": True}
    found = one(created(text="Готово", sender=bot))
    assert (found["direction"], found["sender"]["is_us"], found["conversation"]) == ("out", True, CHAT)
    another = one(created(text="?", sender=bot | {"user_id": 8}, recipient={"chat_id": -7, "chat_type": "chat"}))
    assert (another["direction"], another["sender"]["is_bot"]) == ("in", True)


def test_a_genuine_contact_is_a_verified_phone() -> None:
    found = one(contact())
    assert found["message"]["attachments"] == [
        attachment(
            kind="contact", ref=str(OLGA_ID), name="Ольга Смирнова", phones=["+79000001122"], vcard=CARD, verified=True
        )
    ]
    assert (found["sender"]["phone"], found["sender"]["phone_verified"]) == ("+79000001122", True)
    assert contact_hash(CARD, TOKEN) == signed()
    assert one(contact(hash=signed().upper()))["sender"]["phone_verified"]


@pytest.mark.parametrize(
    "payload",
    [
        {"hash": signed(token="another")},
        {"hash": signed(CARD + " ")},
        {"hash": None},
        {"hash": "ё"},
        {"max_info": {"user_id": OLGA_ID + 1}},
        {"max_info": None},
        {"vcf_info": None},
        {"vcf_info": CARD.replace("\r\n", "\n")},
    ],
)
def test_a_forged_or_foreign_contact_is_not(payload: dict[str, Any]) -> None:
    found = one(contact(**payload))
    assert found["message"]["attachments"][0]["verified"] is False
    assert (found["sender"]["phone"], found["sender"]["phone_verified"]) == (None, False)


def test_without_a_token_nobody_can_tell() -> None:
    found = one(contact(), None)
    assert found["message"]["attachments"][0]["verified"] is None
    assert found["sender"]["phone"] is None


def test_a_card_without_a_name_takes_maxs() -> None:
    found = one(contact(vcf_info="TEL:доб. 12"))["message"]["attachments"][0]
    assert (found["name"], found["phones"]) == ("Ольга", ["доб. 12"])


def test_markup_becomes_entities_in_utf16_units() -> None:
    markup = [
        {"type": "strong", "from": 0, "length": 2},
        {"type": "emphasized", "from": 3, "length": 1},
        {"type": "monospaced", "from": 3, "length": 1},
        {"type": "link", "from": 5, "length": 4, "url": "https://shop.example"},
        {"type": "heading", "from": 0, "length": 1},
        {"type": "strong", "from": -1, "length": 2},
        {"type": "strong", "from": 0, "length": None},
        {"type": 5},
        None,
    ]
    found = one(created(text="👍 да цена", markup=markup))["message"]["entities"]
    assert [(e["type"], e["offset"], e["length"], e["url"]) for e in found] == [
        ("bold", 0, 2, None),
        ("italic", 3, 1, None),
        ("code", 3, 1, None),
        ("text_link", 5, 4, "https://shop.example"),
        ("heading", 0, 1, None),
    ]


def test_shares_and_kinds_to_come() -> None:
    items = [
        {"type": "share", "payload": {"url": "https://s.example", "token": "t"}, "title": "Сайт", "image_url": "i"},
        {"type": "poll", "payload": {"token": "p"}},
        {"type": "inline_keyboard", "payload": {"buttons": []}},
        {"type": "location", "latitude": "59", "longitude": 30.0},
        {"type": "video", "payload": {"token": "v"}, "thumbnail": {"url": "t.jpg"}},
    ]
    assert one(created(attachments=items))["message"]["attachments"] == [
        attachment(kind="link", ref="t", url="https://s.example", title="Сайт", thumb_url="i"),
        attachment(kind="unknown", ref="p", title="poll"),
        attachment(kind="unknown", title="location"),
        attachment(kind="video", ref="v", thumb_url="t.jpg"),
    ]


def test_a_forward_shows_what_it_carries() -> None:
    original = {
        "mid": mid("0f0f"),
        "seq": 5,
        "text": "Цена 100",
        "attachments": [{"type": "image", "payload": {"photo_id": 8812345678, "url": "u"}}],
    }
    found = one(created(link={"type": "forward", "sender": {"user_id": 9}, "chat_id": -3, "message": original}))
    assert found["kind"] == "message"
    assert found["forwarded"] == {"from": "9", "id": mid("0f0f"), "text": "Цена 100"}
    assert found["message"]["attachments"] == [attachment(kind="photo", ref="8812345678", url="u")]
    assert found["reply_to"] is None


def test_a_press_on_a_deleted_message_is_answered_to_the_person() -> None:
    found = one(sample("message_callback") | {"message": None})
    assert found["conversation"] == {"id": f"user:{OLGA_ID}", "type": "private", "context": None}
    assert found["button"]["ack_ref"] == "f9LHodD0cOJf4_DkJGeq8BkDgc5vgSwZdemo"
    assert (found["button"]["title"], found["button"]["source_message_id"]) == (None, None)
    assert found["sender"]["id"] == str(OLGA_ID)


def test_two_presses_of_one_button_are_two_events() -> None:
    first = sample("message_callback")
    second = json.loads(json.dumps(first))
    second["callback"]["timestamp"] += 1
    assert one(first)["dedup_key"] != one(second)["dedup_key"]


def test_two_edits_are_two_events() -> None:
    keys = {one(sample("message_edited") | {"timestamp": stamp})["dedup_key"] for stamp in (1, 2, 2)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("dialog_removed", "stop"), ("bot_stopped", "stop"), ("bot_started", "start")],
)
def test_the_life_of_a_dialogue(kind: str, expected: str) -> None:
    assert one(sample("bot_stopped") | {"update_type": kind})["kind"] == expected


@pytest.mark.parametrize(
    "kind", ["dialog_muted", "dialog_unmuted", "dialog_cleared", "bot_added", "user_added", "chat_title_changed", "new"]
)
def test_the_rest_is_nothing_for_us(kind: str) -> None:
    assert many(sample("bot_stopped") | {"update_type": kind}) == []


def test_without_an_account_the_bot_is_the_addressee() -> None:
    assert one(sample("message_created_text"), None)["account_ref"] == str(BOT)
    assert one(sample("message_created_reply"), None)["reply_to"]["from_us"] is True
    assert one(sample("message_callback"), None)["account_ref"] == str(BOT)


@pytest.mark.parametrize(
    ("recipient", "conversation"),
    [
        ({"chat_id": -70, "chat_type": "chat"}, {"id": "-70", "type": "group"}),
        ({"chat_id": -71, "chat_type": "channel"}, {"id": "-71", "type": "channel"}),
        ({"chat_id": -72, "chat_type": "thread"}, {"id": "-72", "type": "group"}),
        ({"user_id": BOT, "chat_type": "dialog"}, {"id": f"user:{OLGA_ID}", "type": "private"}),
    ],
)
def test_kinds_of_chats(recipient: dict[str, Any], conversation: dict[str, Any]) -> None:
    found = one(created(text="x", recipient=recipient))
    assert found["conversation"] == conversation | {"context": None}


def test_big_numbers_are_kept_digit_by_digit() -> None:
    found = one(created(text="x", seq=2**63 + 1))
    assert found["message"]["seq"] == str(2**63 + 1)
    assert one(created(text="x", seq=116328147937082001))["message"]["seq"] == "116328147937082001"
    assert one(created(text="x", seq=1.5))["message"]["seq"] is None


@pytest.mark.parametrize("stamp", [None, 0, -1, "soon", 10**18, True, 1.5])
def test_a_senseless_time_costs_only_the_time(stamp: Any) -> None:
    update = created(text="Привет")
    update["timestamp"] = update["message"]["timestamp"] = stamp
    found = one(update)
    assert (found["occurred_at"], found["message"]["text"]) == (None, "Привет")


def test_milliseconds_are_kept() -> None:
    update = created(text="x")
    update["message"]["timestamp"] = 1795338000123
    assert one(update)["occurred_at"] == "2026-11-22T09:00:00.123Z"


def test_empty_and_nowhere_stay_visible() -> None:
    assert one(created())["kind"] == "unsupported"
    nowhere = one({"update_type": "message_removed", "message_id": "m", "timestamp": 1})
    assert (nowhere["kind"], nowhere["direction"]) == ("unsupported", "service")
    assert nowhere["conversation"]["id"] == f"bot-{BOT}"


@pytest.mark.parametrize("body", [{}, {"update_type": 5}, {"updates": {}}, {"code": "verify.token"}, []])
def test_not_maxs(body: Any) -> None:
    with pytest.raises(Invalid):
        many(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
TYPES = [
    "message_created",
    "message_edited",
    "message_removed",
    "message_callback",
    "bot_started",
    "bot_stopped",
    "dialog_removed",
]
PARTS = ["message", "callback", "user", "timestamp", "chat_id", "user_id", "message_id", "payload", "user_locale"]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(PARTS), JSON))
def test_any_update_raises_nothing_but_invalid(kind: str, parts: dict[str, Any]) -> None:
    (found,) = many({"update_type": kind, **parts})
    assert found["conversation"]["id"]
    json.dumps(found)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["mid", "seq", "text", "attachments", "markup", "link"]), JSON),
    st.lists(
        st.builds(
            lambda kind, payload, more: {**more, "type": kind, "payload": payload},
            st.sampled_from(["image", "video", "audio", "file", "contact", "location", "sticker", "share", "x", None]),
            JSON | st.dictionaries(st.sampled_from(["token", "url", "vcf_info", "hash", "max_info"]), JSON),
            st.dictionaries(st.sampled_from(["latitude", "longitude", "size", "width", "filename", "thumbnail"]), JSON),
        ),
        max_size=3,
    ),
)
def test_any_message_leaves_its_neighbour_whole(body: dict[str, Any], items: list[dict[str, Any]]) -> None:
    damaged = created(**{"attachments": items, **body})
    found = many({"updates": [damaged, created(text="Я цел", mid="other")], "marker": 1})
    assert len(found) == 2
    assert found[1]["message"]["text"] == "Я цел"
    json.dumps(found)


def test_updates_of_a_list_are_read_one_by_one() -> None:
    assert len(many({"updates": [sample("bot_stopped"), 5, None, sample("bot_started_plain")]})) == 2
    assert int(many(sample("bot_stopped"))[0]["conversation"]["id"]) == CHAT_ID
