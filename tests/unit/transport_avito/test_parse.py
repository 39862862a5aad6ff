"""Avito's events beyond the samples."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battcrm.kit.errors import Invalid
from battcrm.transport.avito.parse import from_history
from tests.unit.transport_avito.bodies import (
    ACCOUNT,
    CHAT,
    CHAT_ID,
    ITEM,
    SELLER,
    attachment,
    event,
    many,
    one,
    sample,
)


def test_our_own_words_come_back_as_outgoing() -> None:
    found = one(event(author_id=SELLER))
    assert (found["direction"], found["sender"]["is_us"], found["source"]) == ("out", True, None)
    assert found["conversation"] == CHAT


@pytest.mark.parametrize(
    "fields", [{"author_id": 0}, {"author_id": None}, {"chat_type": "a2u"}, {"type": "system", "content": {}}]
)
def test_what_avito_says_is_service(fields: dict[str, Any]) -> None:
    assert one(event(**fields))["direction"] == "service"


def test_a_profile_chat_is_private_and_about_nothing() -> None:
    found = one(event(chat_type="u2u", item_id=None))
    assert found["conversation"] == {"id": CHAT_ID, "type": "private", "context": None}
    assert found["source"] is None


def test_an_item_without_a_chat_type_is_an_ad() -> None:
    assert one(event(chat_type=None))["conversation"] == CHAT


def test_voice_and_location() -> None:
    voice = one(event(type="voice", content={"voice": {"voice_id": "b0f4-demo"}}))
    assert voice["message"]["attachments"] == [attachment(kind="voice", ref="b0f4-demo", mime="audio/mp4")]
    place = {"lat": 55.75, "lon": 37.61, "kind": "street", "title": "Арбат", "text": "Москва, Арбат, 1"}
    found = one(event(type="location", content={"location": place}))
    assert found["message"]["attachments"] == [
        attachment(kind="location", lat=55.75, lon=37.61, title="Арбат", address="Москва, Арбат, 1")
    ]


@pytest.mark.parametrize("kind", ["file", "video", "appCall", "image", "voice", "location", "link", "item", "text"])
def test_withheld_content_stays_visible(kind: str) -> None:
    found = one(event(type=kind, content={}))
    assert (found["kind"], found["message"]["truncated"]) == ("message", True)
    assert found["message"]["attachments"] == [attachment(kind="unknown", title=kind)]


@pytest.mark.parametrize("kind", ["hologram", None, 7])
def test_an_unknown_type_is_unsupported(kind: Any) -> None:
    assert one(event(type=kind))["kind"] == "unsupported"


def test_a_phone_in_the_text_is_read_but_not_verified() -> None:
    sender = one(event(content={"text": "звоните 8 (900) 000-11-22"}))["sender"]
    assert (sender["phone"], sender["phone_verified"]) == ("+79000001122", False)
    assert one(event(author_id=SELLER, content={"text": "8 900 000 11 22"}))["sender"]["phone"] is None


def test_the_largest_picture_is_taken_by_area_not_by_name() -> None:
    sizes = {"640x480": "s", "1280x960": "l", "140x105": "t", "bad": "b", "9x": "c", "320x240": None}
    (photo,) = one(event(type="image", content={"image": {"sizes": sizes}}))["message"]["attachments"]
    assert (photo["url"], photo["width"], photo["height"]) == ("l", 1280, 960)


def test_a_deletion_and_its_message_have_different_keys() -> None:
    said, gone = one(event()), one(event(type="deleted", content={}))
    assert said["message"]["id"] == gone["message"]["id"]
    assert said["dedup_key"] == "a" * 32
    assert gone["dedup_key"] == "a" * 32 + ":deleted"


def test_webhook_and_history_have_one_key() -> None:
    item = {
        k: v for k, v in event()["payload"]["value"].items() if k in ("id", "author_id", "created", "type", "content")
    }
    found = from_history(item, sample("api_200_chat_v2"), ACCOUNT)
    assert found.dedup_key == one(event())["dedup_key"]
    assert found.account_ref == str(SELLER)


def test_without_an_id_or_a_chat_it_is_kept() -> None:
    nameless = one(event(id=None))
    assert nameless["dedup_key"] == one(event(id=None))["dedup_key"]
    nowhere = one(event(chat_id=None))
    assert (nowhere["kind"], nowhere["direction"]) == ("unsupported", "service")
    assert nowhere["conversation"]["id"] == f"account-{SELLER}"


def test_the_published_time_stands_in_for_the_created_one() -> None:
    found = one(event(created=None, published_at="2026-11-22T09:01:00Z"))
    assert found["occurred_at"] == "2026-11-22T09:01:00.000Z"
    assert one(event(created="soon", published_at="2026-11-22T09:01:00"))["occurred_at"] is None


@pytest.mark.parametrize("body", [[], "x", {"payload": {}}, {"payload": {"type": "message"}}, {"error": {}}])
def test_not_avitos(body: Any) -> None:
    with pytest.raises(Invalid):
        many(body)


def test_other_payloads_are_nothing_for_us() -> None:
    assert many({"id": "1", "payload": {"type": "order", "value": {}}}) == []
    assert many({}) == []


def test_without_an_account_the_seller_is_named_by_the_event() -> None:
    (found,) = many(event(), None)
    assert (found["account_ref"], found["channel_id"]) == (str(SELLER), None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KINDS = ["text", "image", "voice", "location", "link", "item", "call", "system", "file", "deleted", "new"]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.dictionaries(
        st.sampled_from(
            [
                "id",
                "chat_id",
                "user_id",
                "author_id",
                "created",
                "published_at",
                "chat_type",
                "content",
                "item_id",
                "quote",
            ]
        ),
        JSON,
    ),
    st.dictionaries(st.sampled_from(["text", "image", "voice", "location", "link", "item", "sizes"]), JSON),
)
def test_any_shape_raises_nothing_but_invalid(kind: str, fields: dict[str, Any], content: dict[str, Any]) -> None:
    body = event(**{"type": kind, "content": content, **fields})
    try:
        found = many(body)
    except Invalid:
        return
    assert len(found) == 1
    assert found[0]["conversation"]["id"]
    json.dumps(found)


@settings(max_examples=150, deadline=None)
@given(JSON, JSON)
def test_any_chat_around_a_history_is_tolerated(context: Any, users: Any) -> None:
    chat = {"id": CHAT_ID, "context": {"type": "item", "value": context}, "users": users}
    found = from_history({"id": "m1", "author_id": 5, "content": {"text": "x"}, "type": "text"}, chat, ACCOUNT)
    assert found.message.text == "x"
    assert from_history({"id": "m1"}, {"context": context, "users": users}, ACCOUNT).kind == "unsupported"


def test_item_ids_are_text() -> None:
    assert one(event(item_id=str(ITEM)))["source"]["item_id"] == str(ITEM)
