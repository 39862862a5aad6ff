"""Only the unguessable address proves that Avito speaks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from battcrm.transport.avito.verify import verify
from battcrm.transport.base import WebhookRequest
from tests.unit.transport_avito.bodies import ACCOUNT

KEY = "hook-key-0123456789abcdefghijklmn"
CONNECTED = replace(ACCOUNT, secrets={"hook_key": KEY})


@pytest.mark.parametrize(
    ("path", "good"),
    [(KEY, True), (KEY + "x", False), (KEY[:-1], False), ("", False), ("ключ", False), ("\udcff", False)],
)
def test_the_address(path: str, good: bool) -> None:
    signed = {"x-avito-messenger-signature": "0" * 64}
    for body in (b"{}", b"not json"):
        assert verify(WebhookRequest("POST", path, {}, signed, body), CONNECTED).ok is good


def test_without_an_address_nothing_is_accepted() -> None:
    for secrets in ({}, {"hook_key": ""}):
        assert not verify(WebhookRequest("POST", "", {}, {}, b"{}"), replace(ACCOUNT, secrets=secrets)).ok
