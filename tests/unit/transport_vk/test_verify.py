"""VK's handshake and secret."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from battcrm.kit.errors import Invalid
from battcrm.transport.base import ChannelAccount, WebhookRequest
from battcrm.transport.vk.manifest import MANIFEST
from battcrm.transport.vk.verify import verify
from tests.unit.transport_vk.bodies import sample

SECRETS = {"token": "t", "webhook_secret": "d3moSecretVk"}


def account(**settings: Any) -> ChannelAccount:
    return ChannelAccount(UUID(int=1), UUID(int=2), "vk", "221004567", SECRETS, settings)


def request(body: Any) -> WebhookRequest:
    return WebhookRequest("POST", "p", {}, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize("name", ["confirmation", "confirmation_with_secret"])
def test_the_handshake_is_answered_with_the_bare_string(name: str) -> None:
    verdict = verify(request(sample(name)), account(confirmation="a1b2c3d4"))
    assert verdict.ok
    assert verdict.immediate is not None
    assert (verdict.immediate.status, verdict.immediate.body) == (200, b"a1b2c3d4")
    assert verdict.immediate.content_type.startswith("text/plain")


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({"secret": "wrong"}, {"confirmation": "a1"}),
        ({"secret": ""}, {"confirmation": "a1"}),
        ({"group_id": 1}, {"confirmation": "a1"}),
        ({}, {}),
        ({}, {"confirmation": ""}),
        ({}, {"confirmation": "a1", "confirmation_needs_secret": True}),
    ],
)
def test_a_handshake_that_is_not_ours_gets_no_string(changes: dict[str, Any], settings: dict[str, Any]) -> None:
    verdict = verify(request(sample("confirmation") | changes), account(**settings))
    assert not verdict.ok
    assert verdict.immediate is None


def test_group_ids_are_compared_as_text_of_the_number() -> None:
    assert verify(request(sample("message_new_text") | {"group_id": "221004567"}), account()).ok
    assert not verify(request(sample("message_new_text") | {"group_id": True}), account()).ok


def test_a_body_that_cannot_be_read_cannot_be_authentic() -> None:
    with pytest.raises(Invalid):
        verify(request(b"{"), account())


def test_the_door_answers_two_letters() -> None:
    assert (MANIFEST.accepted.body, MANIFEST.accepted.status, MANIFEST.secret_in_body) == (b"ok", 200, True)
