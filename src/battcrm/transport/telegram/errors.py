"""Telegram's answers to our error tree: the one table of this channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from battcrm.infra.exchange import HttpResponse
from battcrm.infra.redact import redact
from battcrm.kit.errors import (
    AuthExpired,
    BattError,
    Conflict,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    Transient,
)
from battcrm.kit.text import loads
from battcrm.transport import wire

DEFAULT_PAUSE: Final = 5.0

NOT_MODIFIED: Final = "not_modified"
BAD_MARKUP: Final = "bad_markup"
MIGRATED: Final = "chat_migrated"
STALE_QUERY: Final = "query_too_old"

# Wording changes between versions: the code decides first, then the first substring (lower case) that occurs.
_BAD_REQUEST: Final = (
    ("message is not modified", NOT_MODIFIED),
    ("can't parse entities", BAD_MARKUP),
    ("query is too old", STALE_QUERY),
    ("query id is invalid", STALE_QUERY),
    ("chat not found", "recipient_gone"),
    ("user not found", "recipient_gone"),
    ("peer_id_invalid", "recipient_gone"),
    ("message is too long", "text_too_long"),
    ("caption is too long", "text_too_long"),
    ("message text is empty", "empty"),
    ("message to edit not found", "edit_refused"),
    ("message can't be edited", "edit_refused"),
    ("not enough rights", "no_permission"),
    ("have no rights", "no_permission"),
    ("file is too big", "file_too_big"),
    ("wrong file identifier", "file_refused"),
    ("wrong type of the web page content", "file_refused"),
    ("failed to get http url content", "file_refused"),
    ("button_data_invalid", "bad_buttons"),
    ("reply markup", "bad_buttons"),
)


class Migrated(Permanent):
    """The group became a supergroup; `chat_id` is its new address. Nothing was sent."""

    def __init__(self, chat_id: str) -> None:
        super().__init__("the group has a new address", code=MIGRATED)
        self.chat_id = chat_id


def result_of(answer: HttpResponse, *, idempotent: bool) -> Any:
    """`result` of a successful answer; otherwise raises the mapped error.

    A 5xx, or a 2xx that is not Telegram's JSON, tells nothing about delivery: OutcomeUnknown, or Transient if
    `idempotent`.
    """
    try:
        document = wire.obj(loads(answer.body))
    except (ValueError, RecursionError):
        document = {}
    if answer.status < 300 and document.get("ok") is True and "result" in document:
        return document["result"]
    code = answer.status if answer.status >= 400 else wire.size(document.get("error_code")) or answer.status
    raise _error(code, document, answer, idempotent)


def _error(code: int, document: dict[str, Any], answer: HttpResponse, idempotent: bool) -> BattError:
    text = redact(wire.text(document.get("description")) or f"HTTP {code}")
    parameters = wire.obj(document.get("parameters"))
    if code == 429:
        pause = wire.size(parameters.get("retry_after")) or _header_seconds(answer) or DEFAULT_PAUSE
        return RateLimited(text, code="rate_limited", retry_after=float(pause))
    if code == 400:
        moved = wire.ident(parameters.get("migrate_to_chat_id"))
        return Migrated(moved) if moved else Permanent(text, code=_bad_request(text))
    known = _BY_CODE.get(code)
    if known is not None:
        return known(text)
    if 400 <= code < 500:
        return Permanent(text, code=f"telegram_{code}")
    if idempotent:
        return Transient(text, code="unavailable")
    return OutcomeUnknown(text, code="answer_lost")


_BY_CODE: Final[dict[int, Callable[[str], BattError]]] = {
    401: lambda text: AuthExpired(text, code="token_revoked"),
    403: lambda text: Permanent(text, code="recipient_gone"),
    # A malformed token is "Not Found": there is no such bot path.
    404: lambda text: AuthExpired(text, code="token_unknown"),
    409: lambda text: Conflict(text, code="webhook_active" if "webhook" in text.lower() else "other_poller"),
    413: lambda text: Permanent(text, code="file_too_big"),
}


def _bad_request(text: str) -> str:
    lowered = text.lower()
    return next((code for part, code in _BAD_REQUEST if part in lowered), "bad_request")


def _header_seconds(answer: HttpResponse) -> int:
    value = answer.headers.get("retry-after", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 6 else 0
