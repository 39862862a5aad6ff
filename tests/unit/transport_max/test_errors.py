"""MAX's error table, driven by captured answers."""

from __future__ import annotations

import json

import pytest

from battcrm.infra.exchange import HttpResponse
from battcrm.kit.errors import AuthExpired, BattError, OutcomeUnknown, Permanent, RateLimited, Transient
from battcrm.transport.max.errors import result_of
from tests.unit.transport_max.bodies import SAMPLES


def answer(name: str) -> HttpResponse:
    return HttpResponse(int(name.split("_")[1]), {}, (SAMPLES / f"{name}.json").read_bytes())


CAPTURED: dict[str, tuple[type[BattError], str]] = {
    "api_400_attachment_not_ready": (Transient, "attachment_not_ready"),
    "api_401_token": (AuthExpired, "token_revoked"),
    "api_403_dialog_suspended": (Permanent, "recipient_gone"),
    "api_429": (RateLimited, "rate_limited"),
}


@pytest.mark.parametrize("name", CAPTURED)
def test_captured_error(name: str) -> None:
    with pytest.raises(BattError) as caught:
        result_of(answer(name), idempotent=False)
    assert (type(caught.value), caught.value.code) == CAPTURED[name]


def test_every_captured_error_is_in_the_table() -> None:
    assert sorted(p.stem for p in SAMPLES.glob("api_4*.json")) == sorted(CAPTURED)


def test_captured_successes() -> None:
    assert result_of(answer("api_200_send_message"), idempotent=False)["message"]["body"]["seq"] == 116328147937084000
    assert result_of(answer("api_200_subscribe"), idempotent=True) == {"success": True}
    assert result_of(answer("api_200_uploads"), idempotent=True)["url"].startswith("https://")


@pytest.mark.parametrize(
    ("status", "code", "message", "expected", "ours"),
    [
        (403, "chat.denied", "Key: error.dialog.notfound", Permanent, "recipient_gone"),
        (404, "chat.not.found", "Chat 5 not found", Permanent, "recipient_gone"),
        (403, "chat.denied", "Key: error.bot.not.moderated", Permanent, "chat_refused"),
        (403, "access.denied", "", Permanent, "no_permission"),
        (400, "proto.payload", "text: too long", Permanent, "bad_request"),
        (400, "attachment.not.found", "", Permanent, "bad_request"),
        (404, "message.not.found", "", Permanent, "not_found"),
        (405, "method", "", Permanent, "max_method"),
        (401, "", "", AuthExpired, "token_revoked"),
        (400, "verify.token", "", AuthExpired, "token_revoked"),
        (200, "too.many.requests", "", RateLimited, "rate_limited"),
        (503, "service.unavailable", "", OutcomeUnknown, "answer_lost"),
        (500, "attachment.not.ready", "", OutcomeUnknown, "answer_lost"),
    ],
)
def test_by_code_then_status(status: int, code: str, message: str, expected: type[BattError], ours: str) -> None:
    document = {"code": code, "message": message} | ({"success": False} if status == 200 else {})
    with pytest.raises(BattError) as caught:
        result_of(HttpResponse(status, {}, json.dumps(document).encode()), idempotent=False)
    assert (type(caught.value), caught.value.code) == (expected, ours)


def test_a_refusal_with_200_and_a_lost_answer() -> None:
    with pytest.raises(Permanent) as refused:
        result_of(HttpResponse(200, {}, b'{"success":false,"message":"no"}'), idempotent=False)
    assert refused.value.code == "max_200"
    for body in (b"<html>", b"[]", b""):
        with pytest.raises(OutcomeUnknown):
            result_of(HttpResponse(200, {}, body), idempotent=False)
        with pytest.raises(Transient):
            result_of(HttpResponse(200, {}, body), idempotent=True)


def test_a_pause_named_in_a_header_is_kept() -> None:
    for headers, pause in (({"retry-after": "5"}, 5.0), ({}, 1.0), ({"retry-after": "x"}, 1.0)):
        with pytest.raises(RateLimited) as caught:
            result_of(HttpResponse(429, headers, b"{}"), idempotent=False)
        assert caught.value.retry_after == pause
