"""WhatsApp's subscription challenge and signature."""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

import pytest

from battcrm.transport.base import ChannelAccount, WebhookRequest
from battcrm.transport.whatsapp.verify import verify
from tests.unit.transport_whatsapp.bodies import NUMBER, SAMPLES, sample

SECRETS = {"token": "t", "app_secret": "s3cret", "verify_token": "demo-verify-token"}
ACCOUNT = ChannelAccount(UUID(int=1), UUID(int=2), "whatsapp", NUMBER, SECRETS)


def get(**changes: str | None) -> WebhookRequest:
    query = {k: v for k, v in (sample("verify_get_query") | changes).items() if v is not None}
    return WebhookRequest("GET", "p", query, {}, b"")


def test_the_challenge_comes_back_as_plain_text() -> None:
    verdict = verify(get(), ACCOUNT)
    assert verdict.ok
    assert verdict.immediate is not None
    assert (verdict.immediate.status, verdict.immediate.body) == (200, b"1158201444")
    assert verdict.immediate.content_type.startswith("text/plain")


@pytest.mark.parametrize(
    "changes",
    [
        {"hub.verify_token": "wrong"},
        {"hub.verify_token": None},
        {"hub.verify_token": ""},
        {"hub.verify_token": "токен"},
        {"hub.mode": "unsubscribe"},
        {"hub.mode": None},
    ],
)
def test_anybody_else_gets_403(changes: dict[str, str | None]) -> None:
    verdict = verify(get(**changes), ACCOUNT)
    assert not verdict.ok
    assert verdict.immediate is not None
    assert (verdict.immediate.status, verdict.immediate.body) == (403, b"")


def test_an_account_without_a_verify_token_confirms_nothing() -> None:
    bare = ChannelAccount(UUID(int=1), UUID(int=2), "whatsapp", NUMBER)
    verdict = verify(get(**{"hub.verify_token": ""}), bare)
    assert verdict.immediate is not None
    assert verdict.immediate.status == 403


def test_the_signature_covers_the_bytes_as_sent() -> None:
    body = (SAMPLES / "text.json").read_bytes()
    signature = "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    headers = {"x-hub-signature-256": signature}
    assert verify(WebhookRequest("POST", "p", {}, headers, body), ACCOUNT).ok
    compact = body.replace(b"\n", b"").replace(b"  ", b"")
    assert not verify(WebhookRequest("POST", "p", {}, headers, compact), ACCOUNT).ok


def test_a_body_that_is_not_json_can_be_authentic() -> None:
    signature = "sha256=" + hmac.new(b"s3cret", b"\xff", hashlib.sha256).hexdigest()
    assert verify(WebhookRequest("POST", "p", {}, {"x-hub-signature-256": signature}, b"\xff"), ACCOUNT).ok
