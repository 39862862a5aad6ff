"""VK's error table, driven by captured answers."""

from __future__ import annotations

import json

import pytest

from battcrm.infra.exchange import HttpResponse
from battcrm.kit.errors import AuthExpired, BattError, OutcomeUnknown, Permanent, RateLimited, Transient
from battcrm.transport.vk.client import sent_of
from battcrm.transport.vk.errors import error_of, result_of
from tests.unit.transport_vk.bodies import SAMPLES


def answer(name: str) -> HttpResponse:
    return HttpResponse(200, {}, (SAMPLES / f"{name}.json").read_bytes())


CAPTURED: dict[str, tuple[type[BattError], str, float | None]] = {
    "api_error_5_token": (AuthExpired, "token_revoked", None),
    "api_error_6_too_many": (RateLimited, "rate_limited", 0.5),
    "api_error_9_flood": (RateLimited, "chat_rate", 300.0),
    "api_error_901_no_permission": (Permanent, "recipient_gone", None),
    "api_error_911_keyboard": (Permanent, "bad_buttons", None),
    "api_error_914_too_long": (Permanent, "text_too_long", None),
}


@pytest.mark.parametrize("name", CAPTURED)
def test_captured_error(name: str) -> None:
    expected, code, pause = CAPTURED[name]
    with pytest.raises(BattError) as caught:
        result_of(answer(name), idempotent=False)
    assert type(caught.value) is expected
    assert (caught.value.code, getattr(caught.value, "retry_after", None)) == (code, pause)


def test_every_captured_error_is_in_the_table() -> None:
    assert sorted(p.stem for p in SAMPLES.glob("api_error_*.json")) == sorted(CAPTURED)


def test_captured_successes() -> None:
    many = sent_of(result_of(answer("api_ok_send_peer_ids"), idempotent=False))
    assert many == {"peer_id": 612345987, "message_id": 1601, "conversation_message_id": 201}
    assert sent_of(result_of(answer("api_ok_send_single"), idempotent=False)) == {"message_id": 1602}


@pytest.mark.parametrize(
    ("number", "expected", "code"),
    [
        (1, Transient, "internal"),
        (10, Transient, "internal"),
        (14, Transient, "captcha"),
        (29, RateLimited, "daily_limit"),
        (27, AuthExpired, "token_revoked"),
        (1117, AuthExpired, "token_revoked"),
        (7, Permanent, "no_permission"),
        (15, Permanent, "no_permission"),
        (917, Permanent, "no_permission"),
        (100, Permanent, "bad_request"),
        (900, Permanent, "recipient_gone"),
        (902, Permanent, "recipient_gone"),
        (909, Permanent, "edit_refused"),
        (912, Permanent, "bad_buttons"),
        (913, Permanent, "text_too_long"),
        (945, Permanent, "chat_refused"),
        (988, Permanent, "chat_refused"),
        (4242, Permanent, "vk_4242"),
        (None, Permanent, "vk_None"),
    ],
)
def test_code(number: int | None, expected: type[BattError], code: str) -> None:
    error = error_of(number, "words")
    assert (type(error), error.code) == (expected, code)


def test_an_error_inside_the_list_is_raised() -> None:
    with pytest.raises(Permanent) as caught:
        sent_of([{"peer_id": 5, "message_id": 0, "error": {"code": 901, "description": "no"}}])
    assert caught.value.code == "recipient_gone"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"[" * 5000])
@pytest.mark.parametrize("status", [200, 500, 502, 504])
def test_an_answer_without_a_result_says_nothing_about_delivery(status: int, body: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        result_of(HttpResponse(status, {}, body), idempotent=False)
    with pytest.raises(Transient):
        result_of(HttpResponse(status, {}, body), idempotent=True)


def test_http_refusals() -> None:
    with pytest.raises(RateLimited) as caught:
        result_of(HttpResponse(429, {"retry-after": "7"}, b""), idempotent=False)
    assert caught.value.retry_after == 7.0
    with pytest.raises(Permanent):
        result_of(HttpResponse(413, {}, b""), idempotent=False)


def test_the_token_in_a_message_does_not_reach_the_error() -> None:
    document = {"error": {"error_code": 100, "error_msg": "bad access_token=vk1.a.secret given"}}
    with pytest.raises(Permanent) as caught:
        result_of(HttpResponse(200, {}, json.dumps(document).encode()), idempotent=False)
    assert "vk1.a.secret" not in caught.value.text
