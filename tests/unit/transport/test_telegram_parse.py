"""Telegram samples and cases; every expectation is written by hand from the platform's documentation."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from battcrm.kit.errors import Invalid
from battcrm.transport.telegram.parse import parse
from tests.unit.transport.telegram_cases import ACCOUNT, CHAT, MARINA, SAMPLES, attachment, one, private, sample

EXPECTED: dict[str, dict[str, Any]] = {
    "text": {
        "kind": "message",
        "occurred_at": "2026-11-22T09:06:52.000Z",
        "text": "Здравствуйте, разбил экран на iPhone 13 Pro, сколько будет стоить?",
        "id": "412",
    },
    "start_plain": {"kind": "start", "occurred_at": "2026-11-22T09:06:54.000Z", "text": "/start", "id": "414"},
    "start_deeplink": {
        "kind": "start",
        "occurred_at": "2026-11-22T09:06:53.000Z",
        "text": "/start utm_avito_iphone",
        "id": "413",
        "ref": "utm_avito_iphone",
    },
    "photo_caption": {
        "kind": "message",
        "occurred_at": "2026-11-22T09:06:55.000Z",
        "text": "Вот так выглядит экран, полоса справа и тач не реагирует",
        "id": "415",
        "attachments": [
            attachment(kind="photo", ref="AgACAgIAAxkBAAIBp1y", mime="image/jpeg", size=164220, width=960, height=1280)
        ],
    },
    "album_part1": {
        "kind": "message",
        "occurred_at": "2026-11-22T09:06:56.000Z",
        "text": "Фото со всех сторон",
        "id": "416",
        "group_id": "13847759226011337",
        "attachments": [
            attachment(kind="photo", ref="AgACAgIAAxkBAAIBa1y", mime="image/jpeg", size=164220, width=960, height=1280)
        ],
    },
    "document_pdf": {
        "kind": "message",
        "occurred_at": "2026-11-22T09:06:58.000Z",
        "text": "Прикладываю гарантийный талон, прошлый ремонт был у вас в марте",
        "id": "418",
        "attachments": [
            attachment(
                kind="document",
                ref="BQACAgIAAxkBAAIBd1doc",
                mime="application/pdf",
                size=248113,
                filename="Гарантийный талон.pdf",
            )
        ],
    },
    "voice": {
        "kind": "message",
        "occurred_at": "2026-11-22T09:06:59.000Z",
        "text": None,
        "id": "419",
        "attachments": [
            attachment(kind="voice", ref="AwACAgIAAxkBAAIBv1voice", mime="audio/ogg", size=36210, duration=9)
        ],
    },
    "location": {
        "kind": "message",
        "occurred_at": "2026-11-22T09:07:03.000Z",
        "text": None,
        "id": "423",
        "attachments": [attachment(kind="location", lat=55.796391, lon=49.108891)],
    },
    "sticker": {
        "kind": "message",
        "occurred_at": "2026-11-22T09:07:06.000Z",
        "text": None,
        "id": "426",
        "attachments": [
            attachment(kind="sticker", ref="CAACAgIAAxkBAAIBst", size=15440, width=512, height=512, emoji="👍")
        ],
    },
    "edited_message": {
        "kind": "edit",
        "occurred_at": "2026-11-22T09:07:50.000Z",
        "text": "Здравствуйте, разбил экран на iPhone 13 (не Pro!), сколько будет стоить?",
        "id": "412",
    },
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_sample_gives_exactly_what_the_reference_says(name: str) -> None:
    got, expected = one(sample(name)), EXPECTED[name]
    assert got["umf"] == "1"
    assert (got["channel"], got["account_ref"], got["direction"]) == ("telegram", "7012345678", "in")
    assert (got["kind"], got["occurred_at"]) == (expected["kind"], expected["occurred_at"])
    assert got["conversation"] == CHAT
    assert got["sender"] == MARINA
    assert got["message"] == {
        "id": expected["id"],
        "seq": expected["id"],
        "text": expected["text"],
        "entities": got["message"]["entities"],
        "attachments": expected.get("attachments", []),
        "group_id": expected.get("group_id"),
        "truncated": False,
    }
    assert (got["source"] or {}).get("ref") == expected.get("ref")
    assert got["raw"] == sample(name)
    assert got["received_at"] is None


def test_own_contact_verifies_the_phone() -> None:
    got = one(sample("contact_own_phone"))
    assert got["sender"] == {**MARINA, "phone": "+79000001122", "phone_verified": True}
    assert got["message"]["attachments"] == [
        attachment(kind="contact", ref="507318842", phones=["+79000001122"], name="Марина Кузнецова", verified=True)
    ]
    assert got["reply_to"] == {
        "id": "420",
        "seq": "420",
        "text": "Нажмите кнопку ниже, чтобы поделиться номером",
        "from_us": True,
    }


@pytest.mark.parametrize("owner", [507318843, None])
def test_somebody_elses_contact_is_no_phone_of_the_sender(owner: int | None) -> None:
    body = sample("contact_own_phone")
    body["message"]["contact"]["user_id"] = owner
    body["message"]["contact"]["phone_number"] = "79000001122"
    got = one(body)
    assert got["sender"] == MARINA
    assert got["message"]["attachments"][0]["verified"] is False
    assert got["message"]["attachments"][0]["phones"] == ["+79000001122"]


def test_callback_query_names_the_button_and_its_acknowledgement() -> None:
    got = one(sample("callback_query"))
    assert (got["kind"], got["conversation"], got["sender"]) == ("button", CHAT, MARINA)
    assert got["button"] == {
        "payload": "q:813:orig",
        "title": "Оригинал",
        "source_message_id": "431",
        "ack_ref": "2178918237461929317",
        "ack_deadline": None,
    }
    assert got["occurred_at"] is None


def test_callback_query_without_a_message_still_has_a_reply_address() -> None:
    body = sample("callback_query")
    del body["callback_query"]["message"]
    body["callback_query"]["inline_message_id"] = "AAF1"
    got = one(body)
    assert got["conversation"] == CHAT
    assert (got["button"]["payload"], got["button"]["source_message_id"]) == ("q:813:orig", "AAF1")


def test_callback_query_on_an_inaccessible_message() -> None:
    body = sample("callback_query")
    body["callback_query"]["message"] = {"chat": {"id": -100200, "type": "supergroup"}, "message_id": 9, "date": 0}
    got = one(body)
    assert got["conversation"] == {"id": "-100200", "type": "group", "context": None}
    assert got["button"]["source_message_id"] == "9"
    assert got["button"]["title"] is None


def test_blocking_is_stop_and_unblocking_is_allow() -> None:
    blocked = sample("bot_blocked_by_user")
    got = one(blocked)
    assert (got["kind"], got["conversation"], got["sender"]) == ("stop", CHAT, MARINA)
    assert got["occurred_at"] == "2026-11-22T09:15:00.000Z"
    change = blocked["my_chat_member"]
    change["old_chat_member"]["status"], change["new_chat_member"]["status"] = "kicked", "member"
    assert one(blocked)["kind"] == "allow"
    change["old_chat_member"]["status"] = "administrator"
    assert parse(json.dumps(blocked).encode(), ACCOUNT) == []


def test_start_addressed_to_the_bot_in_a_group_and_other_commands() -> None:
    assert one(private(text="/start@pochinim_demo_bot ref-1"))["source"]["ref"] == "ref-1"
    for text in ("/help", "/started", "/start_over now", "я нажал /start"):
        got = one(private(text=text))
        assert (got["kind"], got["source"]) == ("message", None)


def test_forwarded_start_is_an_ordinary_message() -> None:
    got = one(private(text="/start x", forward_origin={"type": "hidden_user", "sender_user_name": "Олег", "date": 1}))
    assert got["kind"] == "message"
    assert got["forwarded"] == {"from": "Олег", "id": None, "text": "/start x"}


@pytest.mark.parametrize(
    ("fields", "source", "ident"),
    [
        ({"forward_origin": {"type": "user", "sender_user": {"id": 5, "is_bot": False, "first_name": "А"}}}, "5", None),
        (
            {"forward_origin": {"type": "channel", "chat": {"id": -1005, "type": "channel"}, "message_id": 8}},
            "-1005",
            "8",
        ),
        ({"forward_origin": {"type": "chat", "sender_chat": {"id": -7, "type": "group"}}}, "-7", None),
        ({"forward_from": {"id": 6}}, "6", None),
    ],
)
def test_forwards(fields: dict[str, Any], source: str, ident: str | None) -> None:
    assert one(private(text="т", **fields))["forwarded"] == {"from": source, "id": ident, "text": "т"}


def test_same_message_same_key_and_every_edit_a_new_one() -> None:
    text, edit = sample("text"), sample("edited_message")
    first = one(text)["dedup_key"]
    text["update_id"] += 1
    assert one(text)["dedup_key"] == first
    keys = {first, one(edit)["dedup_key"]}
    again = copy.deepcopy(edit)
    again["update_id"] += 1
    assert one(again)["dedup_key"] in keys
    again["edited_message"]["text"] = "в ту же секунду"
    keys.add(one(again)["dedup_key"])
    edit["edited_message"]["edit_date"] += 1
    keys.add(one(edit)["dedup_key"])
    assert len(keys) == 4


def test_a_get_updates_answer_is_a_batch() -> None:
    found = parse((SAMPLES / "api_200_get_updates.json").read_bytes(), ACCOUNT)
    assert [m.message.text for m in found] == ["Вы работаете в воскресенье?", "И сколько стоит диагностика?"]


def test_updates_that_do_not_concern_us_give_nothing() -> None:
    for name in ("inline_query", "chat_join_request", "poll", "purchased_paid_media", "invented_in_2030"):
        assert parse(json.dumps({"update_id": 1, name: {"id": "1"}}).encode(), ACCOUNT) == []
    assert parse(b'{"update_id": 1, "message": null}', None) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"[1]", "body"),
        (b"\xff\xfe", "body"),
        (b"{}", "update_id"),
        (b'{"update_id": null}', "update_id"),
        (b'{"update_id": true, "message": {}}', "update_id"),
        (b'{"update_id": 1, "message": "x"}', "message"),
        (b'{"update_id": 1, "message": {"message_id": 1}}', "chat.id"),
        (b'{"update_id": 1, "message": {"chat": {"id": 1}}}', "message_id"),
        (b'{"update_id": 1, "callback_query": {}}', "callback_query.from.id"),
    ],
)
def test_what_is_no_update_is_invalid_and_says_where(body: bytes, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(body, None)
    assert caught.value.field == field


def test_surprising_types_cost_only_their_field() -> None:
    body = sample("text")
    body["message"].update(
        {
            "from": {"id": 1, "first_name": 5, "username": None, "is_bot": "yes"},
            "date": 10**30,
            "entities": {"a": 1},
            "reply_to_message": 7,
            "forward_origin": [],
            "media_group_id": 1.5,
        }
    )
    got = one(body)
    assert got["message"]["text"].startswith("Здравствуйте")
    assert got["sender"] == {**MARINA, "id": "1", "display_name": None, "username": None, "locale": None}
    assert (got["occurred_at"], got["reply_to"], got["message"]["entities"]) == (None, None, [])


def test_lone_surrogates_and_nul_are_replaced() -> None:
    body = b'{"update_id":1,"message":{"message_id":1,"chat":{"id":1,"type":"private"},"text":"a\\ud800b\\u0000"}}'
    assert parse(body, None)[0].message.text == "a\ufffdb\ufffd"
