"""Content of Telegram messages: text, media, groups; expectations by hand from the platform's documentation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from battcrm.transport.telegram.parse import parse
from tests.unit.transport.telegram_cases import ACCOUNT, attachment, one, private, sample


def test_entities_keep_their_utf16_offsets() -> None:
    got = one(
        private(
            text="👍🏻 сайт и @oleg",
            entities=[
                {"type": "text_link", "offset": 5, "length": 4, "url": "https://example.org/"},
                {"type": "text_mention", "offset": 12, "length": 5, "user": {"id": 77, "first_name": "О"}},
                {"type": "bold", "offset": -1, "length": 2},
                "junk",
            ],
        )
    )
    assert got["message"]["entities"] == [
        {"type": "text_link", "offset": 5, "length": 4, "url": "https://example.org/"},
        {"type": "text_mention", "offset": 12, "length": 5, "url": "tg://user?id=77"},
    ]


def test_caption_has_its_own_entities() -> None:
    body = sample("photo_caption")
    body["message"]["caption_entities"] = [{"type": "bold", "offset": 0, "length": 3}]
    assert one(body)["message"]["entities"] == [{"type": "bold", "offset": 0, "length": 3, "url": None}]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (
            "video",
            {
                "file_id": "V",
                "width": 640,
                "height": 360,
                "duration": 7,
                "mime_type": "video/mp4",
                "file_name": "a.mp4",
            },
            {
                "kind": "video",
                "ref": "V",
                "width": 640,
                "height": 360,
                "duration": 7,
                "mime": "video/mp4",
                "filename": "a.mp4",
            },
        ),
        (
            "video_note",
            {"file_id": "N", "length": 384, "duration": 3, "file_size": 10},
            {"kind": "video_note", "ref": "N", "width": 384, "height": 384, "duration": 3, "size": 10},
        ),
        (
            "audio",
            {"file_id": "A", "duration": 60, "performer": "П", "title": "Т", "mime_type": "audio/mpeg"},
            {"kind": "audio", "ref": "A", "duration": 60, "name": "П", "title": "Т", "mime": "audio/mpeg"},
        ),
        (
            "venue",
            {"location": {"latitude": 55.7, "longitude": 49.1}, "title": "Сервис", "address": "Ленина, 1"},
            {"kind": "venue", "lat": 55.7, "lon": 49.1, "title": "Сервис", "address": "Ленина, 1"},
        ),
    ],
)
def test_other_media(field: str, value: dict[str, Any], expected: dict[str, Any]) -> None:
    got = one(private(**{field: value}))
    expected = {**expected, "kind": "location"} if field == "venue" else expected
    assert got["kind"] == "message"
    assert got["message"]["attachments"] == [attachment(**expected)]


def test_venue_and_its_location_and_animation_and_its_document_count_once() -> None:
    place = {"latitude": 55.7, "longitude": 49.1}
    venue = one(private(venue={"location": place, "title": "Т", "address": "А"}, location=place))
    assert [a["title"] for a in venue["message"]["attachments"]] == ["Т"]
    file = {"file_id": "G", "mime_type": "video/mp4"}
    animation = one(private(animation=file, document=file))
    assert [(a["kind"], a["ref"]) for a in animation["message"]["attachments"]] == [("video", "G")]


def test_largest_photo_wins_in_any_order() -> None:
    body = sample("photo_caption")
    body["message"]["photo"].reverse()
    assert one(body)["message"]["attachments"][0]["ref"] == "AgACAgIAAxkBAAIBp1y"


def test_unknown_content_stays_visible_and_service_notes_do_not() -> None:
    dice = one(private(dice={"emoji": "🎲", "value": 4}))
    assert (dice["kind"], dice["message"]["attachments"][0]["emoji"]) == ("unsupported", "🎲")
    poll = one(private(poll={"id": "1", "question": "Когда?", "options": []}))
    assert (poll["kind"], poll["message"]["text"]) == ("message", "Когда?")
    assert (poll["message"]["attachments"][0]["kind"], poll["message"]["attachments"][0]["name"]) == ("unknown", "poll")
    assert one(private(invented_in_2030={"a": 1}))["kind"] == "unsupported"
    assert parse(json.dumps(private(new_chat_members=[{"id": 1}])).encode(), ACCOUNT) == []
    assert parse(json.dumps(private(pinned_message={"message_id": 1})).encode(), ACCOUNT) == []


def test_reaction_points_to_its_message() -> None:
    body = {
        "update_id": 5,
        "message_reaction": {
            "chat": {"id": 507318842, "type": "private"},
            "message_id": 440,
            "user": {"id": 507318842, "is_bot": False, "first_name": "Марина"},
            "date": 1795338440,
            "old_reaction": [],
            "new_reaction": [{"type": "emoji", "emoji": "👍"}],
        },
    }
    got = one(body)
    assert (got["kind"], got["message"]["text"], got["reply_to"]["id"]) == ("reaction", "👍", "440")
    body["message_reaction"]["new_reaction"] = []  # type: ignore[index]
    assert one(body)["message"]["text"] is None


def test_groups_and_channels_are_told_apart() -> None:
    body = sample("text")
    body["message"]["chat"] = {"id": -100123, "type": "supergroup", "title": "Чат"}
    assert one(body)["conversation"] == {"id": "-100123", "type": "group", "context": None}
    post = {
        "update_id": 9,
        "channel_post": {
            "message_id": 3,
            "sender_chat": {"id": -100777, "type": "channel", "title": "Новости"},
            "chat": {"id": -100777, "type": "channel", "title": "Новости"},
            "date": 1795338440,
            "text": "пост",
        },
    }
    got = one(post)
    assert (got["kind"], got["conversation"]["type"], got["sender"]["display_name"]) == (
        "message",
        "channel",
        "Новости",
    )
