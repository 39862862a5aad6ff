"""VK cases beyond the samples, and bodies as no platform should send them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transport_vk.bodies import CHAT, GROUP, PHOTO, attachment, button, many, one, sample, written


def test_raw_is_the_envelope_without_the_secret() -> None:
    body = sample("message_new_text")
    raw = one(body)["raw"]
    assert "secret" not in raw
    del body["secret"]
    assert raw == body


def test_without_an_account_the_channel_is_unknown_and_the_community_known() -> None:
    (found,) = many(sample("message_new_text"), None)
    assert (found["channel_id"], found["account_ref"]) == (None, "221004567")


@pytest.mark.parametrize("kind", ["wall_post_new", "group_join", "vkpay_transaction", "like_add", "x"])
def test_other_event_types_are_not_about_a_dialogue(kind: str) -> None:
    assert many({"type": kind, "group_id": GROUP, "event_id": "1", "object": {}}) == []


def test_an_edit_has_the_message_without_a_wrapper_and_a_key_of_its_own_per_revision() -> None:
    message = sample("message_new_text")["object"]["message"]
    keys = set()
    for version in (10003482, 10003483):
        changed = message | {"text": "Acer", "update_time": 1795339500, "version": version}
        found = one({"type": "message_edit", "group_id": GROUP, "event_id": f"e{version}", "object": changed})
        assert (found["kind"], found["direction"]) == ("edit", "in")
        assert (found["message"]["id"], found["message"]["seq"], found["message"]["text"]) == ("1481", "81", "Acer")
        assert found["occurred_at"] == "2026-11-22T09:25:00.000Z"
        keys.add(found["dedup_key"])
    assert keys == {"612345987:81:edit:1795339500-10003482", "612345987:81:edit:1795339500-10003483"}


def test_a_redelivery_with_another_event_id_is_the_same_message() -> None:
    first = sample("message_new_text")
    again = first | {"event_id": "other"}
    assert one(first)["dedup_key"] == one(again)["dedup_key"]
    assert one(first)["event_id"] == one(again)["event_id"]


def test_a_reply_from_vk_itself_is_an_operators_word() -> None:
    message = sample("message_new_text")["object"]["message"]
    ours = message | {"from_id": -GROUP, "out": 1, "admin_author_id": 901234, "random_id": 77, "text": "Да"}
    found = one({"type": "message_reply", "group_id": GROUP, "event_id": "r", "object": ours})
    assert (found["kind"], found["direction"]) == ("message", "out")
    assert found["sender"]["is_us"] is True
    assert found["sender"]["is_bot"] is False
    assert found["sender"]["agent_ref"] == "901234"
    assert found["conversation"] == CHAT
    assert found["raw"]["object"]["random_id"] == 77


def test_the_communitys_own_edit_is_ours() -> None:
    message = sample("message_new_text")["object"]["message"] | {"from_id": -GROUP, "update_time": 1795339500}
    found = one({"type": "message_edit", "group_id": GROUP, "event_id": "r", "object": message})
    assert (found["kind"], found["direction"], found["sender"]["is_us"]) == ("edit", "out", True)


def test_a_text_button_is_a_press_with_the_words_kept() -> None:
    found = one(written(text="Согласен", payload='{"p":"q:813:ok"}'))
    assert found["kind"] == "button"
    assert found["message"]["text"] == "Согласен"
    assert found["button"] == button(payload="q:813:ok", title="Согласен")


@pytest.mark.parametrize(
    "payload", ["not json", "[1]", '{"a":1}', '"x"', '{"command":"стоп"}', '{"p":1}', '{"p":"x","q":1}']
)
def test_any_payload_string_is_kept_as_it_is(payload: str) -> None:
    found = one(written(payload=payload))
    assert (found["kind"], found["button"]["payload"]) == ("button", payload)


def test_a_wrapped_payload_of_a_callback_is_unwrapped() -> None:
    body = sample("message_event")
    body["object"]["payload"] = {"p": "q:813:ok"}
    assert one(body)["button"]["payload"] == "q:813:ok"
    body["object"]["payload"] = '{"p":"q:813:ok"}'
    assert one(body)["button"]["payload"] == "q:813:ok"


def test_a_callback_in_a_group_chat_is_answered_to_the_person_who_pressed() -> None:
    body = sample("message_event")
    body["object"]["peer_id"] = 2_000_000_007
    found = one(body)
    assert found["conversation"] == {"id": "2000000007", "type": "group", "context": None}
    assert found["button"]["ack_ref"] == "c6a1d0f7e52b:612345987"


def test_cropped_messages_say_so() -> None:
    found = one(written(text="", attachments=[], is_cropped=True))
    assert (found["kind"], found["message"]["truncated"]) == ("message", True)


def test_place_is_an_attachment() -> None:
    place = {"title": "Екатеринбург", "city": "Екатеринбург", "country": "Россия"}
    geo = {"type": "point", "coordinates": {"latitude": 56.838011, "longitude": 60.597465}, "place": place}
    assert one(written(text="", geo=geo))["message"]["attachments"] == [
        attachment(kind="location", lat=56.838011, lon=60.597465, title="Екатеринбург", address="Екатеринбург, Россия")
    ]


def test_the_original_photo_wins_over_its_sizes() -> None:
    photo = copy.deepcopy(sample("message_new_photo")["object"]["message"]["attachments"][0])
    photo["photo"]["orig_photo"] = {
        "type": "base",
        "url": "https://sun9.example/orig.jpg",
        "width": 3000,
        "height": 4000,
    }
    (found,) = one(written(attachments=[photo]))["message"]["attachments"]
    assert (found["url"], found["width"], found["height"]) == ("https://sun9.example/orig.jpg", 3000, 4000)


def test_a_document_without_its_ending_gets_it_and_a_voice_without_ogg_is_mp3() -> None:
    items = [
        {"type": "doc", "doc": {"id": 1, "owner_id": 2, "title": "Чек", "ext": "pdf"}},
        {"type": "audio_message", "audio_message": {"link_mp3": "https://v.example/1.mp3", "transcript": "алло"}},
    ]
    document_, voice = one(written(attachments=items))["message"]["attachments"]
    assert (document_["filename"], document_["ref"]) == ("Чек.pdf", "doc2_1")
    assert (voice["url"], voice["mime"], voice["transcript"]) == ("https://v.example/1.mp3", "audio/mpeg", "алло")


def test_other_attachments_stay_visible() -> None:
    items = [
        {"type": "link", "link": {"url": "https://shop.example", "title": "Лот"}},
        {"type": "market", "market": {"id": 5, "owner_id": -1, "title": "АКБ", "price": {"text": "1 500 ₽"}}},
        {"type": "video", "video": {"id": 6, "owner_id": 7, "duration": 12, "image": [{"url": "u", "width": 1}]}},
        {"type": "wall", "wall": {"id": 8, "owner_id": -9}},
        {"type": "poll"},
        {},
    ]
    found = one(written(text="", attachments=items))["message"]["attachments"]
    assert [a["kind"] for a in found] == ["link", "item", "video", "link", "unknown", "unknown"]
    assert (found[0]["url"], found[1]["price"], found[2]["thumb_url"]) == ("https://shop.example", "1 500 ₽", "u")
    assert [a["title"] for a in found[3:]] == ["wall", "poll", "unknown"]


def test_reply_and_forward() -> None:
    quoted = {"id": 1470, "conversation_message_id": 70, "from_id": -GROUP, "text": "3 500 ₽"}
    photo = sample("message_new_photo")["object"]["message"]["attachments"]
    forwarded = [
        {"from_id": 55, "conversation_message_id": 9, "text": "Треснул", "attachments": photo},
        {"text": "Вот"},
    ]
    found = one(written(text="", reply_message=quoted, fwd_messages=forwarded))
    assert found["kind"] == "message"
    assert found["reply_to"] == {"id": "1470", "seq": "70", "text": "3 500 ₽", "from_us": True}
    assert found["forwarded"] == {"from": "55", "id": "9", "text": "Треснул\nВот"}
    assert found["message"]["attachments"] == [PHOTO]


def test_ref_in_query_form_gives_utm() -> None:
    found = one(written(ref="utm_source=vk&utm_campaign=akb&x=1", ref_source="site"))
    assert found["source"]["utm"] == {"utm_source": "vk", "utm_campaign": "akb"}
    assert found["kind"] == "message"


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("звоните +7 (900) 000-55-66", "+79000005566"),
        ("89000005566", "+79000005566"),
        ("7-900-000-55-66 вечером", "+79000005566"),
        ("заказ 189000005566", None),
        ("IMEI 356789012345678", None),
        ("карта 2202 2000 1111 2222", None),
        ("8 900", None),
    ],
)
def test_a_phone_in_the_text_is_offered_unverified(text: str, phone: str | None) -> None:
    sender = one(written(text=text))["sender"]
    assert (sender["phone"], sender["phone_verified"]) == (phone, False)


def test_another_communitys_word_is_a_bots_word() -> None:
    assert one(written(from_id=-5))["sender"]["is_bot"] is True


def test_bookkeeping_of_a_group_chat_is_service() -> None:
    found = one(written(text="", peer_id=2_000_000_001, id=0, action={"type": "chat_invite_user", "member_id": 1}))
    assert (found["kind"], found["direction"], found["conversation"]["type"]) == ("unsupported", "service", "group")
    assert (found["message"]["id"], found["dedup_key"]) == (None, "2000000001:81:message")


def test_an_empty_message_is_unsupported_not_lost() -> None:
    assert one(written(text=""))["kind"] == "unsupported"


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("message_new", {"message": {"text": "x"}}),
        ("message_new", None),
        ("message_event", {}),
        ("message_read", []),
        ("message_allow", {}),
        ("message_typing_state", {"from_id": None}),
        ("message_edit", "x"),
    ],
)
def test_an_event_without_a_chat_stays_visible(kind: str, content: Any) -> None:
    found = one({"type": kind, "group_id": GROUP, "event_id": "ev", "object": content})
    assert (found["kind"], found["direction"]) == ("unsupported", "service")
    assert (found["conversation"]["id"], found["dedup_key"]) == ("-221004567", "ev")


def test_without_an_event_id_the_body_names_the_event() -> None:
    body = {"type": "message_allow", "group_id": GROUP, "object": {"user_id": 5}}
    other = {"type": "message_allow", "group_id": GROUP, "object": {"user_id": 6}}
    assert one(body)["dedup_key"] == one(body)["dedup_key"] != one(other)["dedup_key"]


def test_a_key_never_outgrows_an_index() -> None:
    body = sample("message_event")
    body["object"]["event_id"] = "x" * 5000
    assert len(one(body)["dedup_key"]) <= 240


def test_wrong_types_cost_only_their_field() -> None:
    wrong = {"date": "yesterday", "attachments": {"a": 1}, "fwd_messages": 7, "reply_message": "x", "geo": [], "ref": 5}
    found = one(written(**wrong, payload=None, admin_author_id=True, id=10**40))
    assert found["kind"] == "message"
    assert (found["occurred_at"], found["message"]["id"], found["message"]["seq"]) == (None, None, "81")
    assert found["message"]["text"].startswith("Добрый день")


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(["message_new", "message_edit", "message_event", "message_read", "message_allow"]),
)
def test_any_object_gives_one_event(content: Any, kind: str) -> None:
    (found,) = many({"type": kind, "group_id": GROUP, "event_id": "e", "object": content})
    assert found["conversation"]["id"]
