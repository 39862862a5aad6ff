"""Graph API answers → our error tree: the one table of this channel. The numeric code decides, never the wording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from battcrm.infra.exchange import HttpResponse
from battcrm.infra.redact import redact
from battcrm.kit.errors import AuthExpired, BattError, OutcomeUnknown, Permanent, RateLimited, Transient
from battcrm.kit.text import loads
from battcrm.transport import wire

NEEDS_TEMPLATE: Final = "needs_template"
# The out worker pauses the one chat for this code, the whole channel for other rate limits.
CHAT_RATE: Final = "chat_rate"
THROUGHPUT_PAUSE: Final = 1.0
PAIR_PAUSE: Final = 6.0
APP_PAUSE: Final = 60.0
SPAM_PAUSE: Final = 600.0
RETRY_PAUSE: Final = 2.0

_Make = Callable[[str], BattError]


def result_of(answer: HttpResponse, *, idempotent: bool) -> dict[str, Any]:
    """The object of a successful answer; otherwise raises the mapped error.

    A 5xx without an error of Graph's own, or a 2xx that is no JSON object, tells nothing about delivery:
    OutcomeUnknown, or Transient if `idempotent`.
    """
    try:
        document = loads(answer.body)
    except (ValueError, RecursionError):
        document = None
    failure = wire.obj(wire.obj(document).get("error"))
    if failure:
        raise error_of(failure, answer.status, idempotent=idempotent)
    if answer.status < 300 and isinstance(document, dict):
        return document
    raise _by_status(f"Graph answered {answer.status} without a result", answer.status, idempotent)


def error_of(failure: dict[str, Any], status: int, *, idempotent: bool = False) -> BattError:
    """The error for Graph's `error` object; a code that is not in the table goes by the HTTP status."""
    number = wire.whole(failure.get("code"))
    details = wire.text(wire.obj(failure.get("error_data")).get("details"))
    words = details or wire.text(failure.get("message")) or "no text"
    text = redact(f"WhatsApp error {number}: {words}"[:300])
    known = _BY_CODE.get(number) if number is not None else None
    return known(text) if known else _by_status(text, status, idempotent, number)


def _by_status(text: str, status: int, idempotent: bool, number: int | None = None) -> BattError:
    if status == 401:
        return AuthExpired(text, code="token_revoked")
    if status == 429:
        return RateLimited(text, code="rate_limited", retry_after=THROUGHPUT_PAUSE)
    if 400 <= status < 500 or (number is not None and status < 500):
        return Permanent(text, code=f"whatsapp_{number if number is not None else status}")
    if idempotent:
        return Transient(text, code="unavailable")
    return OutcomeUnknown(text, code="answer_lost")


def _permanent(code: str) -> _Make:
    return lambda text: Permanent(text, code=code)


def _pause(code: str, seconds: float) -> _Make:
    return lambda text: RateLimited(text, code=code, retry_after=seconds)


def _later(text: str) -> BattError:
    return Transient(text, code="unavailable", retry_after=RETRY_PAUSE)


def _revoked(text: str) -> BattError:
    return AuthExpired(text, code="token_revoked")


def _forbidden(text: str) -> BattError:
    return AuthExpired(text, code="no_permission")


_BY_CODE: Final[dict[int, _Make]] = {
    0: _revoked,
    190: _revoked,
    10: _forbidden,
    **dict.fromkeys(range(200, 300), _forbidden),
    4: _pause("rate_limited", APP_PAUSE),
    80007: _pause("rate_limited", APP_PAUSE),
    130429: _pause("rate_limited", THROUGHPUT_PAUSE),
    133016: _pause("rate_limited", APP_PAUSE),
    131048: _pause("spam_limited", SPAM_PAUSE),
    131056: _pause(CHAT_RATE, PAIR_PAUSE),
    131047: _permanent(NEEDS_TEMPLATE),
    131026: _permanent("recipient_gone"),
    131030: _permanent("not_in_test_list"),
    131049: _permanent("marketing_refused"),
    130472: _permanent("marketing_refused"),
    131050: _permanent("opted_out"),
    131051: _permanent("unsupported"),
    131052: _permanent("file_refused"),
    131053: _permanent("file_refused"),
    131062: _permanent("needs_phone"),
    **dict.fromkeys(range(132000, 132017), _permanent("template_refused")),
    131031: _permanent("account_blocked"),
    368: _permanent("account_blocked"),
    131042: _permanent("account_unpaid"),
    100: _permanent("bad_request"),
    131008: _permanent("bad_request"),
    131009: _permanent("bad_request"),
    1: _later,
    2: _later,
    131000: _later,
    131016: _later,
}
