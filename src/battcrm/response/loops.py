"""Conversations that go in circles: another robot, a repeated text, our own repeated answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from battcrm.models.situation import Draft
from battcrm.response.case import Case
from battcrm.response.wording import AUTO_REPLY

_SAME_INBOUND: Final = 3


def is_auto_reply(case: Case) -> bool:
    """Whether another robot is talking: a known phrase of answering machines, and nothing we could use."""
    return bool(AUTO_REPLY.search(case.text)) and not case.learned


def is_looping(case: Case) -> bool:
    """Too many of our turns in the window, or the client's same text three times in a row."""
    if case.situation.bot_turns_recent >= case.settings.loop_turns:
        return True
    texts = [m.text.strip().lower() for m in case.situation.messages if m.direction == "in" and m.text.strip()]
    tail = texts[-_SAME_INBOUND:]
    return len(tail) == _SAME_INBOUND and len(set(tail)) == 1


def repeats(drafts: Sequence[Draft], last_texts: Sequence[str]) -> bool:
    """Whether the answer is word for word our previous one."""
    return bool(drafts and last_texts) and drafts[-1].text.strip() == last_texts[-1].strip()
