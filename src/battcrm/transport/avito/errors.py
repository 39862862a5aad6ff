"""Avito's answers → our error tree: the one table of this channel. The HTTP status decides, never the wording."""

from __future__ import annotations

from typing import Any, Final

from battcrm.infra.exchange import HttpResponse
from battcrm.infra.redact import redact
from battcrm.kit.errors import AuthExpired, BattError, OutcomeUnknown, Permanent, RateLimited, Transient
from battcrm.kit.text import loads
from battcrm.transport import wire

CONTENT_POLICY: Final = "content_policy"
MINUTE: Final = 60.0
RATE_PAUSE: Final = 10.0


def result_of(answer: HttpResponse, *, idempotent: bool, in_chat: bool = False) -> Any:
    """The JSON of a successful answer; otherwise raises the mapped error.

    `in_chat`: the call is about one chat, so a refusal means the chat, not the account. A 5xx, or a 2xx that is not
    JSON, tells nothing about delivery: OutcomeUnknown, or Transient if `idempotent`.
    """
    document = _decoded(answer.body)
    if 200 <= answer.status < 300 and isinstance(document, dict | list):
        return document
    raise _error(answer, wire.obj(wire.obj(document).get("error")), idempotent, in_chat)


def _decoded(body: bytes) -> Any:
    try:
        return loads(body)
    except (ValueError, RecursionError):
        return None


def _error(answer: HttpResponse, failure: dict[str, Any], idempotent: bool, in_chat: bool) -> BattError:
    status = answer.status
    text = redact(f"Avito answered {status}: {wire.text(failure.get('message')) or 'no text'}"[:300])
    if status == 429:
        return RateLimited(text, code="rate_limited", retry_after=_pause(answer))
    if status in (403, 404) and in_chat:
        return Permanent(text, code="recipient_gone")
    known = _BY_STATUS.get(status)
    if known is not None:
        return known[0](text, code=known[1])
    if 300 <= status < 500:
        return Permanent(text, code=f"avito_{status}")
    if idempotent:
        return Transient(text, code="unavailable")
    return OutcomeUnknown(text, code="answer_lost")


def _pause(answer: HttpResponse) -> float:
    """Limits count per minute: without Retry-After an exhausted minute is waited out."""
    asked = wire.size(wire.whole(answer.headers.get("retry-after")))
    if asked:
        return min(float(asked), 3600.0)
    return MINUTE if wire.whole(answer.headers.get("x-ratelimit-remaining")) == 0 else RATE_PAUSE


_BY_STATUS: Final[dict[int, tuple[type[Permanent | AuthExpired], str]]] = {
    400: (Permanent, "bad_request"),
    401: (AuthExpired, "token_revoked"),
    # The paid level that opens the API has run out: nothing will go before the owner has paid.
    402: (AuthExpired, "subscription_required"),
    403: (AuthExpired, "no_permission"),
    404: (Permanent, "not_found"),
    413: (Permanent, "file_too_big"),
    415: (Permanent, "file_refused"),
}
