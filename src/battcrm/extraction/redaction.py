"""Takes personal data out of texts before they leave for a model. Offsets stay: a placeholder is as long as what it hides."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

_PHONE: Final = re.compile(
    r"(?<![\w-])(?:\+7|\+?[1-9]\d{0,2}|8)?[\s\-(]*\d{3}[\s\-)]*\d{3}[\s\-]*\d{2}[\s\-]*\d{2}(?!\d)"
)
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_CARD: Final = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_PASSPORT: Final = re.compile(r"(?<!\d)\d{2}\s?\d{2}\s?(?:№\s?)?\d{6}(?!\d)")
_PASSPORT_WORD: Final = re.compile(r"паспорт|серия", re.IGNORECASE)
_INN: Final = re.compile(r"(?<!\d)(?:\d{12}|\d{10})(?!\d)")
_SNILS: Final = re.compile(r"(?<!\d)\d{3}[- ]?\d{3}[- ]?\d{3}[- ]?\d{2}(?!\d)")
_NAME: Final = re.compile(
    r"(?i:меня\s+зовут|мо[её]\s+имя|имя\s+и\s+фамилия|фамилия|фио|на\s+имя|на\s+фамилию|my\s+name\s+is)\s*(?:—|-|:)?\s*((?:[А-ЯЁа-яёA-Za-z-]{2,}\s?){1,3})"
)
_NOT_NAMES: Final = frozenset(
    [
        "у",
        "на",
        "и",
        "а",
        "но",
        "мне",
        "меня",
        "мой",
        "моя",
        "телефон",
        "айфон",
        "сломался",
        "сломалась",
        "разбил",
        "разбила",
        "хочу",
        "нужно",
        "нужна",
        "нужен",
        "я",
        "вы",
        "вас",
        "поменять",
        "починить",
        "по",
        "с",
        "в",
        "к",
        "не",
        "это",
        "был",
        "была",
    ]
)
_INN10: Final = (2, 4, 10, 3, 5, 9, 4, 6, 8)
_INN11: Final = (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
_INN12: Final = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)


@dataclass(frozen=True, slots=True)
class RedactionPolicy:
    """Which kinds of personal data must not leave. Everything is hidden by default."""

    phones: bool = True
    emails: bool = True
    cards: bool = True
    documents: bool = True
    names: bool = True


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text of the same length as the original, and what was hidden: (kind, start, end)."""

    text: str
    hidden: tuple[tuple[str, int, int], ...] = ()


def redact(text: str, policy: RedactionPolicy = RedactionPolicy()) -> Redacted:
    """The text with typed placeholders ("[PHONE····]") of equal length. Never raises. Earlier kinds win overlaps."""
    hidden: list[tuple[str, int, int]] = []
    for kind, spans in _finders(text, policy):
        for start, end in spans:
            if all(end <= low or start >= high for _, low, high in hidden):
                hidden.append((kind, start, end))
    out = text
    for kind, start, end in hidden:
        out = out[:start] + _placeholder(kind, end - start) + out[end:]
    return Redacted(out, tuple(sorted(hidden, key=lambda item: item[1])))


def _finders(text: str, policy: RedactionPolicy) -> Iterable[tuple[str, list[tuple[int, int]]]]:
    if policy.emails:
        yield "EMAIL", _spans(_EMAIL, text)
    if policy.cards:
        yield "CARD", _spans(_CARD, text, _luhn)
    if policy.documents:
        if _PASSPORT_WORD.search(text):
            yield "PASSPORT", _spans(_PASSPORT, text)
        yield "SNILS", _spans(_SNILS, text, _snils)
        yield "INN", _spans(_INN, text, _inn)
    if policy.phones:
        yield "PHONE", _spans(_PHONE, text, _phone)
    if policy.names:
        yield "NAME", _names(text)


def _placeholder(kind: str, size: int) -> str:
    for tag in (kind, kind[0]):
        if len(tag) + 2 <= size:
            return f"[{tag}{'·' * (size - len(tag) - 2)}]"
    return "·" * size


def _digits(text: str) -> list[int]:
    return [int(c) for c in text if c.isdigit()]


def _spans(
    pattern: re.Pattern[str], text: str, valid: Callable[[list[int]], bool] | None = None
) -> list[tuple[int, int]]:
    found = []
    for match in pattern.finditer(text):
        lead = len(match.group()) - len(match.group().lstrip())
        if valid is None or valid(_digits(match.group())):
            found.append((match.start() + lead, match.end()))
    return found


def _phone(digits: list[int]) -> bool:
    return 10 <= len(digits) <= 13


def _luhn(digits: list[int]) -> bool:
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _weighted(digits: list[int], weights: tuple[int, ...]) -> int:
    return sum(d * w for d, w in zip(digits, weights, strict=False)) % 11 % 10


def _inn(digits: list[int]) -> bool:
    if len(digits) == 10:
        return _weighted(digits, _INN10) == digits[9]
    return len(digits) == 12 and _weighted(digits, _INN11) == digits[10] and _weighted(digits, _INN12) == digits[11]


def _snils(digits: list[int]) -> bool:
    if len(digits) != 11:
        return False
    total = sum(d * w for d, w in zip(digits[:9], range(9, 0, -1), strict=True))
    check = total % 101 % 100
    return check == digits[9] * 10 + digits[10] and total > 0


def _names(text: str) -> list[tuple[int, int]]:
    found = []
    for match in _NAME.finditer(text):
        end = match.start(1)
        for word in re.finditer(r"[\w-]+", match.group(1)):
            if word.group().casefold() in _NOT_NAMES:
                break
            if end > match.start(1) and not word.group()[0].isupper():
                break
            end = match.start(1) + word.end()
        if end > match.start(1):
            found.append((match.start(1), end))
    return found
