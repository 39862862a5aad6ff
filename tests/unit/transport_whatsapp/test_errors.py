"""WhatsApp's error table, driven by captured answers."""

from __future__ import annotations

import pytest

from battcrm.infra.exchange import HttpResponse
from battcrm.kit.errors import AuthExpired, BattError, OutcomeUnknown, Permanent, RateLimited, Transient
from battcrm.transport.whatsapp.errors import error_of, result_of
from tests.unit.transport_whatsapp.bodies import SAMPLES


def answer(name: str) -> HttpResponse:
    return HttpResponse(int(name.split("_")[1]), {}, (SAMPLES / f"{name}.json").read_bytes())


CAPTURED: dict[str, tuple[type[BattError], str, float | None]] = {
    "api_400_undeliverable": (Permanent, "recipient_gone", None),
    "api_400_window_closed": (Permanent, "needs_template", None),
    "api_401_token_expired": (AuthExpired, "token_revoked", None),
    "api_429_pair_rate": (RateLimited, "chat_rate", 6.0),
    "api_429_throughput": (RateLimited, "rate_limited", 1.0),
}


@pytest.mark.parametrize("name", CAPTURED)
def test_captured_error(name: str) -> None:
    expected, code, pause = CAPTURED[name]
    with pytest.raises(BattError) as caught:
        result_of(answer(name), idempotent=False)
    assert type(caught.value) is expected
    assert (caught.value.code, getattr(caught.value, "retry_after", None)) == (code, pause)


def test_every_captured_error_is_in_the_table() -> None:
    assert sorted(p.stem for p in SAMPLES.glob("api_4*.json")) == sorted(CAPTURED)


def test_captured_successes() -> None:
    assert result_of(answer("api_200_send"), idempotent=False)["messages"][0]["id"].startswith("wamid.")
    assert result_of(answer("api_200_media_url"), idempotent=True)["file_size"] == "164220"


@pytest.mark.parametrize(
    ("number", "expected", "code"),
    [
        (0, AuthExpired, "token_revoked"),
        (10, AuthExpired, "no_permission"),
        (200, AuthExpired, "no_permission"),
        (299, AuthExpired, "no_permission"),
        (4, RateLimited, "rate_limited"),
        (80007, RateLimited, "rate_limited"),
        (133016, RateLimited, "rate_limited"),
        (131048, RateLimited, "spam_limited"),
        (131030, Permanent, "not_in_test_list"),
        (131049, Permanent, "marketing_refused"),
        (130472, Permanent, "marketing_refused"),
        (131050, Permanent, "opted_out"),
        (131051, Permanent, "unsupported"),
        (131053, Permanent, "file_refused"),
        (132000, Permanent, "template_refused"),
        (132016, Permanent, "template_refused"),
        (131031, Permanent, "account_blocked"),
        (368, Permanent, "account_blocked"),
        (131042, Permanent, "account_unpaid"),
        (131062, Permanent, "needs_phone"),
        (131000, Transient, "unavailable"),
        (131016, Transient, "unavailable"),
        (1, Transient, "unavailable"),
        (2, Transient, "unavailable"),
        (424242, Permanent, "whatsapp_424242"),
        (None, Permanent, "whatsapp_400"),
    ],
)
def test_code(number: int | None, expected: type[BattError], code: str) -> None:
    error = error_of({"code": number, "message": "words"}, 400)
    assert (type(error), error.code) == (expected, code)


def test_an_unknown_code_goes_by_the_status() -> None:
    assert isinstance(error_of({"code": 77777}, 401), AuthExpired)
    assert isinstance(error_of({"code": 77777}, 429), RateLimited)
    assert isinstance(error_of({"code": 77777}, 503), OutcomeUnknown)
    assert isinstance(error_of({"code": 77777}, 503, idempotent=True), Transient)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"[" * 5000])
@pytest.mark.parametrize("status", [200, 500, 502])
def test_an_answer_without_a_result_says_nothing_about_delivery(status: int, body: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        result_of(HttpResponse(status, {}, body), idempotent=False)
    with pytest.raises(Transient):
        result_of(HttpResponse(status, {}, body), idempotent=True)
