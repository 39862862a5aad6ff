"""Appeals meant in passing: by a number of their model, by an ordinal, by being the other of two."""

from __future__ import annotations

import re
from typing import Final

from battcrm.models.situation import AppealView, Routing
from battcrm.resolution.pools import continue_or_link, existing
from battcrm.resolution.reasons import Why
from battcrm.resolution.view import View

_WORDS: Final = 6
_WORD: Final = re.compile(r"[^\W_]+", re.UNICODE)
_ORDINALS: Final = (
    ("одиннадцат", "11"), ("двенадцат", "12"), ("тринадцат", "13"), ("четырнадцат", "14"), ("пятнадцат", "15"),
    ("шестнадцат", "16"), ("семнадцат", "17"), ("втор", "2"), ("трет", "3"), ("четверт", "4"), ("четвёрт", "4"),
    ("пят", "5"), ("шест", "6"), ("седьм", "7"), ("восьм", "8"), ("девят", "9"), ("десят", "10"),
)  # fmt: skip
# A number after these is a time or an amount; before these it counts something.
_BEFORE: Final = frozenset(["в", "к", "до", "после", "за", "через", "от", "около", "часов", "at", "by", "in", "till"])
_AFTER: Final = re.compile(
    r"(?:(?:час|мин|дн|день|дня|сут|недел|месяц|руб|тыс|шт|раз|процент|год|лет|числ|hour|day)\w*|[чркhk])$",
    re.IGNORECASE,
)
_OTHER: Final = re.compile(
    r"(?:втор(?:ой|ая|ое|ого|ую|ом)|друг(?:ой|ая|ое|ого|ую|ом)|the other|the second)", re.IGNORECASE
)
_SECOND: Final = re.compile(r"втор(?:ой|ая|ое|ого|ую|ом)|the second", re.IGNORECASE)
_FIRST: Final = re.compile(r"перв(?:ый|ая|ое|ого|ую|ом)|the first", re.IGNORECASE)


def by_operators_word(view: View) -> Routing | None:
    """Words that are read again stay in their appeal once a person has named its device, whatever they name."""
    appeal = view.settled_appeal()
    return existing(appeal, Why.SETTLED, 0.97) if appeal is not None else None


def by_number_of_model(view: View) -> Routing | None:
    """Several are open and no device is named, but a number that only one of their models has ("а тринадцатый?")."""
    if len(view.open) < 2 or view.device.named:
        return None
    said = _numbers(view.text)
    meant = [a for a in view.open if said & _model_numbers(a)] if said else []
    return existing(meant[0], Why.MENTION, 0.85, view.open) if len(meant) == 1 else None


def by_the_other(view: View) -> Routing | None:
    """Two are open and "the other one" is meant: the one not spoken of last; "the first" is the one that began first.

    "The second" is the other one too, unless both were spoken of in one breath: then they are counted as they began.
    """
    if len(view.open) != 2 or view.device.named or view.repairs or len(_WORD.findall(view.text)) > _WORDS - 2:
        return None
    first, second = sorted(view.open, key=lambda a: (a.opened_at, a.number))
    if _SECOND.search(view.text) and first.touched_at == second.touched_at:
        return existing(second, Why.MENTION, 0.75, view.open)
    if _OTHER.search(view.text):
        return existing(view.open[1], Why.MENTION, 0.75, view.open)
    if _FIRST.search(view.text):
        return existing(first, Why.MENTION, 0.75, view.open)
    return None


def by_chat(view: View) -> Routing | None:
    """Several are open in several chats, and no device is named: the only one this chat has spoken of."""
    if len(view.open) < 2 or view.device.named:
        return None
    spoken = {m.appeal_id for m in view.episode if not m.fresh}
    here = [a for a in view.open if a.appeal_id in spoken]
    return continue_or_link(view, here[0], Why.THIS_CHAT, 0.85) if len(here) == 1 else None


def _numbers(text: str) -> set[str]:
    """Numbers and ordinals of a short text that neither count nor tell a time; the last one is what is wanted."""
    words = _WORD.findall(text.lower())
    if len(words) > _WORDS:
        return set()
    found: list[str] = []
    for place, word in enumerate(words):
        number = word if word.isdecimal() and len(word) <= 3 else _ordinal(word)
        counted = place + 1 < len(words) and _AFTER.match(words[place + 1]) is not None
        if number and not counted and (place == 0 or words[place - 1] not in _BEFORE):
            found.append(number)
    return set(found)


def _ordinal(word: str) -> str:
    return next(
        (n for stem, n in _ORDINALS if word.startswith(stem) and word != stem and len(word) <= len(stem) + 4), ""
    )


def _model_numbers(appeal: AppealView) -> set[str]:
    model = appeal.known.model
    return set(re.findall(r"\d+", model.value)) if model is not None else set()
