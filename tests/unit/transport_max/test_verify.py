"""The secret we registered comes back in a header."""

from __future__ import annotations

from dataclasses import replace

import pytest

from battcrm.transport.base import WebhookRequest
from battcrm.transport.max.verify import HEADER, verify
from tests.unit.transport_max.bodies import ACCOUNT

SECRET = "demo_Max-secret"
CONNECTED = replace(ACCOUNT, secrets={"webhook_secret": SECRET})


@pytest.mark.parametrize(
    ("given", "good"), [(SECRET, True), (SECRET + "x", False), (SECRET[:-1], False), ("", False), ("ключ", False)]
)
def test_the_header(given: str, good: bool) -> None:
    assert verify(WebhookRequest("POST", "p", {}, {HEADER: given}, b"{}"), CONNECTED).ok is good


def test_without_a_secret_nothing_is_accepted() -> None:
    assert not verify(WebhookRequest("POST", "p", {}, {}, b"{}"), CONNECTED).ok
    for secrets in ({}, {"webhook_secret": ""}):
        bare = replace(ACCOUNT, secrets=secrets)
        assert not verify(WebhookRequest("POST", "p", {}, {HEADER: ""}, b"{}"), bare).ok
