"""VK's answers → our error tree: the one table of this channel. VK answers HTTP 200 even for errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from battcrm.infra.exchange import HttpResponse
from battcrm.infra.redact import redact
from battcrm.kit.errors import AuthExpired, BattError, OutcomeUnknown, Permanent, RateLimited, Transient
from battcrm.kit.text import loads
from battcrm.transport import wire

BAD_BUTTONS: Final = "bad_buttons"
# The out worker pauses the one chat for this code, the whole channel for other rate limits.
CHAT_RATE: Final = "chat_rate"
RATE_PAUSE: Final = 0.5
FLOOD_PAUSE: Final = 300.0
DAILY_PAUSE: Final = 3600.0
CAPTCHA_PAUSE: Final = 600.0
INTERNAL_PAUSE: Final = 2.0

_Make = Callable[[str], BattError]


def result_of(answer: HttpResponse, *, idempotent: bool) -> Any:
    """`response` of a successful answer; otherwise raises the mapped error.

    A 5xx, or a 2xx that is not VK's JSON, tells nothing about delivery: OutcomeUnknown, or Transient if `idempotent`.
    """
    try:
        document = wire.obj(loads(answer.body))
    except (ValueError, RecursionError):
        document = {}
    if isinstance(document.get("error"), dict):
        failure = document["error"]
        raise error_of(wire.whole(failure.get("error_code")), wire.text(failure.get("error_msg")))
    if answer.status < 300 and "response" in document:
        return document["response"]
    if answer.status == 429:
        raise RateLimited("VK answered 429", code="rate_limited", retry_after=_header_seconds(answer) or RATE_PAUSE)
    if 400 <= answer.status < 500:
        raise Permanent(f"VK answered {answer.status}", code=f"vk_http_{answer.status}")
    text = f"VK answered {answer.status} without a result"
    if idempotent:
        raise Transient(text, code="unavailable")
    raise OutcomeUnknown(text, code="answer_lost")


def error_of(number: int | None, message: str | None) -> BattError:
    """The error for a code, from the top level or from inside the list that `peer_ids` gives."""
    text = redact(f"VK error {number}: {message or 'no text'}"[:300])
    known = _BY_CODE.get(number) if number is not None else None
    return known(text) if known else Permanent(text, code=f"vk_{number}")


def _header_seconds(answer: HttpResponse) -> float | None:
    seconds = wire.size(wire.whole(answer.headers.get("retry-after")))
    return float(seconds) if seconds else None


def _permanent(code: str) -> _Make:
    return lambda text: Permanent(text, code=code)


def _pause(code: str, seconds: float) -> _Make:
    return lambda text: RateLimited(text, code=code, retry_after=seconds)


def _later(code: str, seconds: float) -> _Make:
    return lambda text: Transient(text, code=code, retry_after=seconds)


def _revoked(text: str) -> BattError:
    return AuthExpired(text, code="token_revoked")


# `internal` is Transient, not unknown: a repeated random_id returns the first message instead of sending another.
_BY_CODE: Final[dict[int, _Make]] = {
    1: _later("internal", INTERNAL_PAUSE),
    10: _later("internal", INTERNAL_PAUSE),
    5: _revoked,
    27: _revoked,
    1117: _revoked,
    6: _pause("rate_limited", RATE_PAUSE),
    9: _pause(CHAT_RATE, FLOOD_PAUSE),
    29: _pause("daily_limit", DAILY_PAUSE),
    14: _later("captcha", CAPTCHA_PAUSE),
    7: _permanent("no_permission"),
    15: _permanent("no_permission"),
    917: _permanent("no_permission"),
    932: _permanent("no_permission"),
    100: _permanent("bad_request"),
    900: _permanent("recipient_gone"),
    901: _permanent("recipient_gone"),
    902: _permanent("recipient_gone"),
    909: _permanent("edit_refused"),
    911: _permanent(BAD_BUTTONS),
    912: _permanent(BAD_BUTTONS),
    913: _permanent("text_too_long"),
    914: _permanent("text_too_long"),
    920: _permanent("edit_refused"),
    924: _permanent("edit_refused"),
    950: _permanent("reply_too_late"),
    **dict.fromkeys((943, 944, 945, 946), _permanent("chat_refused")),
    **dict.fromkeys(range(983, 989), _permanent("chat_refused")),
}
