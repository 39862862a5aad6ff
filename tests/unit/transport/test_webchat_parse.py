"""Bad input to the web chat is refused with the name of the field."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from battcrm.kit.errors import Invalid
from battcrm.transport.base import ChannelAccount
from battcrm.transport.webchat import tokens
from battcrm.transport.webchat.parse import parse

GOOD: dict[str, Any] = {"client_message_id": "m1", "visitor_id": "v1", "text": "привет"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"client_message_id": None}, "client_message_id"),
        ({"client_message_id": "с пробелом"}, "client_message_id"),
        ({"client_message_id": "x" * 65}, "client_message_id"),
        ({"visitor_id": 5}, "visitor_id"),
        ({"text": ""}, "text"),
        ({"text": " \n"}, "text"),
        ({"text": 5}, "text"),
        ({"text": "я" * 4001}, "text"),
        ({"type": 1}, "type"),
        ({"name": "н" * 101}, "name"),
        ({"phone": "нет"}, "phone"),
        ({"button": "q"}, "button"),
        ({"button": {"title": "x"}}, "button.payload"),
        ({"button": {"payload": "p" * 257}}, "button.payload"),
        ({"attachments": {}}, "attachments"),
        ({"attachments": [{"kind": "photo", "ref": "r"}] * 11}, "attachments"),
        ({"attachments": [{"kind": "photo", "ref": "r"}, 5]}, "attachments[1]"),
        ({"attachments": [{"kind": "exe", "ref": "r"}]}, "attachments[0].kind"),
        ({"attachments": [{"kind": "photo"}]}, "attachments[0].ref"),
        ({"attachments": [{"kind": "photo", "url": "javascript:alert(1)"}]}, "attachments[0].url"),
        ({"attachments": [{"kind": "location", "lat": 91, "lon": 0}]}, "attachments[0].lat"),
        ({"utm": []}, "utm"),
        ({"reply_to": {}}, "reply_to"),
    ],
)
def test_refusal_names_the_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(json.dumps({**GOOD, **change}).encode())
    assert caught.value.field == field


def test_same_client_id_of_two_visitors_are_two_messages() -> None:
    keys = {parse(json.dumps({**GOOD, "visitor_id": v}).encode())[0].dedup_key for v in ("v1", "v2", "v1")}
    assert len(keys) == 2


def test_phone_is_kept_in_one_form_and_unverified() -> None:
    sender = parse(json.dumps({**GOOD, "phone": "8 (900) 000-11-22"}).encode())[0].sender
    assert (sender.phone, sender.phone_verified) == ("+79000001122", False)


def test_tokens_are_bound_to_chat_and_secret() -> None:
    first = ChannelAccount(UUID(int=1), UUID(int=2), "webchat", "a", {"session_secret": "s"})
    other_chat = ChannelAccount(UUID(int=1), UUID(int=3), "webchat", "a", {"session_secret": "s"})
    rotated = ChannelAccount(UUID(int=1), UUID(int=2), "webchat", "a", {"session_secret": "t"})
    visitor = tokens.new_visitor()
    token = tokens.issue(first, visitor)
    assert tokens.visitor_of(first, token) == visitor
    assert tokens.visitor_of(other_chat, token) is None
    assert tokens.visitor_of(rotated, token) is None
    assert tokens.visitor_of(first, token.replace(visitor, tokens.new_visitor())) is None
    assert len({tokens.new_visitor() for _ in range(100)}) == 100
