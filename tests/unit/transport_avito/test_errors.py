"""Avito's error table, driven by captured answers."""

from __future__ import annotations

import pytest

from battcrm.infra.exchange import HttpResponse
from battcrm.kit.errors import AuthExpired, BattError, OutcomeUnknown, Permanent, RateLimited, Transient
from battcrm.transport.avito.errors import result_of
from tests.unit.transport_avito.bodies import SAMPLES


def answer(name: str) -> HttpResponse:
    return HttpResponse(int(name.split("_")[1]), {}, (SAMPLES / f"{name}.json").read_bytes())


CAPTURED: dict[str, tuple[type[BattError], str]] = {
    "api_401": (AuthExpired, "token_revoked"),
    "api_402_subscription": (AuthExpired, "subscription_required"),
    "api_403": (AuthExpired, "no_permission"),
    "api_404": (Permanent, "not_found"),
    "api_500": (OutcomeUnknown, "answer_lost"),
}


@pytest.mark.parametrize("name", CAPTURED)
def test_captured_error(name: str) -> None:
    with pytest.raises(BattError) as caught:
        result_of(answer(name), idempotent=False)
    assert (type(caught.value), caught.value.code) == CAPTURED[name]


def test_every_captured_error_is_in_the_table() -> None:
    assert sorted(p.stem for p in SAMPLES.glob("api_[45]*.json")) == sorted(CAPTURED)


@pytest.mark.parametrize("name", ["api_403", "api_404"])
def test_in_a_chat_a_refusal_means_the_chat(name: str) -> None:
    with pytest.raises(Permanent) as caught:
        result_of(answer(name), idempotent=False, in_chat=True)
    assert caught.value.code == "recipient_gone"


def test_captured_successes() -> None:
    for path in SAMPLES.glob("api_200*.json"):
        assert result_of(HttpResponse(200, {}, path.read_bytes()), idempotent=False)


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({}, 10.0),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "999999"}, 3600.0),
        ({"x-ratelimit-limit": "60", "x-ratelimit-remaining": "0"}, 60.0),
        ({"x-ratelimit-limit": "60", "x-ratelimit-remaining": "3"}, 10.0),
        ({"retry-after": "soon", "x-ratelimit-remaining": "?"}, 10.0),
    ],
)
def test_too_many_requests(headers: dict[str, str], pause: float) -> None:
    with pytest.raises(RateLimited) as caught:
        result_of(HttpResponse(429, headers, b""), idempotent=False)
    assert caught.value.retry_after == pause


@pytest.mark.parametrize(
    ("status", "body", "idempotent", "expected", "code"),
    [
        (400, b'{"error":{"code":400,"message":"bad"}}', False, Permanent, "bad_request"),
        (413, b"", False, Permanent, "file_too_big"),
        (415, b"", False, Permanent, "file_refused"),
        (418, b"[]", False, Permanent, "avito_418"),
        (302, b"", False, Permanent, "avito_302"),
        (500, b"<html>", True, Transient, "unavailable"),
        (503, b"", False, OutcomeUnknown, "answer_lost"),
        (200, b"<html>", False, OutcomeUnknown, "answer_lost"),
        (200, b'"ok"', True, Transient, "unavailable"),
    ],
)
def test_by_status(status: int, body: bytes, idempotent: bool, expected: type[BattError], code: str) -> None:
    with pytest.raises(BattError) as caught:
        result_of(HttpResponse(status, {}, body), idempotent=idempotent)
    assert (type(caught.value), caught.value.code) == (expected, code)
