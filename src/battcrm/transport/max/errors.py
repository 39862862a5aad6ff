"""MAX's answers → our error tree: the one table of this channel. Code, message and status decide, in this order."""

from __future__ import annotations

from typing import Any, Final

from battcrm.infra.exchange import HttpResponse
from battcrm.infra.redact import redact
from battcrm.kit.errors import AuthExpired, BattError, OutcomeUnknown, Permanent, RateLimited, Transient
from battcrm.kit.text import loads
from battcrm.transport import wire

NOT_READY: Final = "attachment_not_ready"
RATE_PAUSE: Final = 1.0


def result_of(answer: HttpResponse, *, idempotent: bool) -> dict[str, Any]:
    """The object of a successful answer; otherwise raises the mapped error.

    `{"success": false}` is a refusal whatever the status. A 5xx, or a 2xx that is no JSON object, tells nothing about
    delivery: OutcomeUnknown, or Transient if `idempotent`.
    """
    try:
        document = loads(answer.body)
    except (ValueError, RecursionError):
        document = None
    if answer.status < 300 and isinstance(document, dict) and document.get("success") is not False:
        return document
    raise error_of(answer, wire.obj(document), idempotent=idempotent)


def error_of(answer: HttpResponse, document: dict[str, Any], *, idempotent: bool = False) -> BattError:
    """The error for MAX's `{"code", "message"}`; what is in no table goes by the HTTP status."""
    status, code = answer.status, wire.text(document.get("code")) or ""
    message = wire.text(document.get("message")) or ""
    text = redact(f"MAX answered {status} {code}: {message or 'no text'}"[:300])
    if status == 429 or code == "too.many.requests":
        return RateLimited(text, code="rate_limited", retry_after=_pause(answer))
    if status >= 500:
        return Transient(text, code="unavailable") if idempotent else OutcomeUnknown(text, code="answer_lost")
    if code == "attachment.not.ready" or "attachment.file.not.processed" in message:
        return Transient(text, code=NOT_READY, retry_after=RATE_PAUSE)
    if code.startswith("verify.token") or status == 401:
        return AuthExpired(text, code="token_revoked")
    if any(mark in message or mark in code for mark in _GONE):
        return Permanent(text, code="recipient_gone")
    known = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if known is not None:
        return Permanent(text, code=known)
    if 300 <= status < 500 or document.get("success") is False:
        return Permanent(text, code=f"max_{code.replace('.', '_') or status}")
    return Transient(text, code="unavailable") if idempotent else OutcomeUnknown(text, code="answer_lost")


def _pause(answer: HttpResponse) -> float:
    asked = wire.size(wire.whole(answer.headers.get("retry-after")))
    return min(float(asked), 3600.0) if asked else RATE_PAUSE


# Words inside `message`: one code, chat.denied, stands for several things.
_GONE: Final = (
    "error.dialog.suspended",
    "error.dialog.notfound",
    "error.dialog.not.found",
    "chat.not.found",
    "user.not.found",
)
_BY_CODE: Final = {
    "chat.denied": "chat_refused",
    "proto.payload": "bad_request",
}
_BY_STATUS: Final = {
    400: "bad_request",
    403: "no_permission",
    404: "not_found",
    413: "file_too_big",
    415: "file_refused",
}
