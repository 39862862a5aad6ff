"""When the client is due: the quiet window, what extends it, and what cuts it short."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from battcrm.models.unified import Kind, UnifiedMessage
from battcrm.pipeline.settings import DialogSettings

_END: Final = re.compile(r"[.?!…)\]»\"]\s*$")
_GREETING: Final = re.compile(
    r"^\W*(здравствуйте|здрасьте|здрасте|добрый\s+(день|вечер)|доброе\s+утро|доброго\s+\w+|привет\w*|салам|hello|hi|"
    r"good\s+(morning|day|evening))\W*$",
    re.IGNORECASE,
)
_THANKS: Final = re.compile(
    r"^\W*(ок(ей)?\W*)?(большое\s+)?(спасибо|спс|спасиб\w*|благодарю|thanks|thank\s+you|thx)(\W+(большое|огромное|вам|тебе|"
    r"за\s+ответ|много))*\W*$|^[\s👍🙏❤️👌🤝✅\ufe0f\U0001f3fb-\U0001f3ff]+$",
    re.IGNORECASE,
)
_OPERATOR: Final = re.compile(
    r"^\W*(/?operator|оператор\w*|позовите\s+(оператора|человека|менеджера)|человека?|менеджер\w*|живой\s+человек)\W*$",
    re.IGNORECASE,
)
_MEDIA: Final = frozenset({"photo", "video", "video_note", "voice", "audio", "document", "sticker"})


def is_bare_thanks(text: str) -> bool:
    """A thank-you or a thumbs-up and nothing else: it neither supersedes a turn nor reopens anything."""
    return len(text) <= 60 and _THANKS.match(text) is not None


def is_instant(message: UnifiedMessage) -> bool:
    """Buttons, commands and a call for a human are answered at once."""
    if message.kind in (Kind.BUTTON, Kind.START):
        return True
    text = (message.words or "").strip()
    return text.startswith("/") or (len(text) <= 40 and _OPERATOR.match(text) is not None)


def due_at(message: UnifiedMessage, settings: DialogSettings, now: datetime, first_unanswered: datetime) -> datetime:
    """When the turn over this message may start: after the quiet window, never later than the hard cap."""
    if is_instant(message):
        return now
    return min(now + timedelta(seconds=_quiet(message, settings)), first_unanswered + timedelta(seconds=settings.cap))


def _quiet(message: UnifiedMessage, settings: DialogSettings) -> float:
    if settings.quiet == 0:
        return 0.0
    if any(a.kind in _MEDIA for a in message.message.attachments):
        return settings.media
    text = message.words or ""
    if _END.search(text) is None or _GREETING.match(text) is not None:
        return settings.quiet + settings.unfinished
    return settings.quiet


def extended_by_typing(due: datetime, settings: DialogSettings, now: datetime, first_unanswered: datetime) -> datetime:
    """The due time after a typing signal: the window starts again, inside the hard cap."""
    return min(max(due, now + timedelta(seconds=settings.quiet)), first_unanswered + timedelta(seconds=settings.cap))
