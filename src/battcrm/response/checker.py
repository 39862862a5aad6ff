"""Guard on text written by a model: nothing that looks like a fact may be in it unless we gave that fact."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final


class Fault(StrEnum):
    """What a written text may not contain."""

    NUMBER = "number_not_given"
    NUMBER_WORD = "number_in_words"
    DATE = "date_not_given"
    PROMISE = "promise"
    LINK = "link_not_given"
    PLACEHOLDER = "placeholder"
    LENGTH = "too_long"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Finding:
    """One offending stretch of the text."""

    fault: Fault
    stretch: str


@dataclass(frozen=True, slots=True)
class Given:
    """What the text may use: amounts in kopecks, plain numbers, dates, and texts that may be repeated as they are."""

    amounts: frozenset[int] = frozenset()
    numbers: frozenset[str] = frozenset()
    dates: frozenset[date] = frozenset()
    phrases: tuple[str, ...] = field(default=())
    max_chars: int = 900


_NUMBER: Final = re.compile(r"\d+(?:[ \u00a0\u202f]\d{3})*(?:[.,]\d+)?")
_THOUSANDS: Final = re.compile(r"\s?(?:к\b|k\b|тыс\w*|thousand)", re.IGNORECASE)
_MONTHS: Final = {
    "январ": 1, "феврал": 2, "март": 3, "апрел": 4, "мая": 5, "май": 5, "июн": 6, "июл": 7, "август": 8,
    "сентябр": 9, "октябр": 10, "ноябр": 11, "декабр": 12, "january": 1, "february": 2, "march": 3, "april": 4,
    "may": 5, "june": 6, "july": 7, "august": 8, "september": 9, "october": 10, "november": 11, "december": 12,
}  # fmt: skip
_DAY_MONTH: Final = re.compile(rf"(\d{{1,2}})[ \u00a0]({'|'.join(_MONTHS)})\w*", re.IGNORECASE)
_NUMERIC_DATE: Final = re.compile(r"\b(\d{1,2})[./](\d{1,2})(?:[./](?:\d{2}|\d{4}))?\b")
_RELATIVE: Final = re.compile(
    r"(?<!\w)(?:сегодня|завтра|послезавтра|(?:в|во) (?:понедельник|вторник|сред[уы]|четверг|пятниц[уы]|суббот[уы]|воскресенье)"
    r"|today|tomorrow|tonight|(?:on )?(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday))(?!\w)",
    re.IGNORECASE,
)
_NUMBER_WORD: Final = re.compile(
    r"(?<!\w)(?:два|две|три|четыре|пять|шесть|семь|восемь|девять|десять|двух|тр[её]х|четыр[её]х|пяти|шести|семи|восьми"
    r"|девяти|десяти|\w+надцат[ьи]|двадцат[ьи]|тридцат[ьи]|сорок|(?:пять|шесть|семь|восемь)десят|девяносто|сто|двести"
    r"|тр[иё]ста|четыреста|(?:пять|шесть|семь|восемь|девять)сот|тысяч[аиу]?|полтор[аы]|пол[- ]?часа|час(?:а|ов)?"
    r"|two|three|four|five|six|seven|eight|nine|ten|\w+teen|twenty|thirty|forty|fifty|hundred|thousand)(?!\w)",
    re.IGNORECASE,
)
_PROMISE: Final = re.compile(
    r"(?<!\w)(?:гарант\w+|обеща\w+|обязательно|точно (?:\w+ )?(?:будет|сделаем|почин\w+)|сто ?процент\w*|бесплатн\w*|даром"
    r"|скидк\w*|дешевле|верн[её]м деньги|возврат\w*|компенс\w*|за наш сч[её]т|подар\w+|бонус\w*|без (?:доплат|предоплат)\w*"
    r"|в наличии|сделаем (?:за|через|сразу|быстро)|почин(?:им|ят) (?:за|через|сразу)|(?:будет )?готов\w* (?:к|через|за)"
    r"|guarantee\w*|warrant\w*|promis\w*|definitely|for free|free of charge|discount\w*|cheaper|refund\w*|compensat\w*"
    r"|bonus\w*|gift\w*|in stock|will be ready|at our expense)(?!\w)",
    re.IGNORECASE,
)
_LINK: Final = re.compile(
    r"(?:https?://|www\.|t\.me/|@\w{4,})\S*|\b[\w-]+\.(?:ru|com|org|net|рф|su|me|io)\b", re.IGNORECASE
)
_PLACEHOLDER: Final = re.compile(
    r"\{\{|\}\}|\{%|<[a-z_ ]{2,}>|\[[^\]\n]{2,40}\]|\bNone\b|\bundefined\b|\bXX+\b", re.IGNORECASE
)


def check_text(text: str, given: Given) -> tuple[Finding, ...]:
    """Everything in the text that was not given; empty = it may be sent. Errs on the side of refusing."""
    if not text.strip():
        return (Finding(Fault.EMPTY, ""),)
    findings = [Finding(Fault.LENGTH, str(len(text)))] if len(text) > given.max_chars else []
    rest = _without(text, given.phrases)
    findings += [Finding(Fault.PLACEHOLDER, m.group()) for m in _PLACEHOLDER.finditer(rest)]
    findings += [Finding(Fault.LINK, m.group()) for m in _LINK.finditer(rest)]
    findings += [Finding(Fault.PROMISE, m.group()) for m in _PROMISE.finditer(rest)]
    findings += [Finding(Fault.DATE, m.group()) for m in _RELATIVE.finditer(rest)]
    findings += [Finding(Fault.NUMBER_WORD, m.group()) for m in _NUMBER_WORD.finditer(rest)]
    rest, dates = _take_dates(rest, given)
    return (*findings, *dates, *_numbers(rest, given))


def given_from(variables: Mapping[str, Any], phrases: Iterable[str] = (), max_chars: int = 900) -> Given:
    """What a plan's variables allow: its amounts (kopecks), counts, dates, and its strings as they are."""
    amounts: set[int] = set()
    numbers: set[str] = set()
    dates: set[date] = set()
    strings: list[str] = [p for p in phrases if p]
    _collect(variables, "", amounts, numbers, dates, strings)
    return Given(frozenset(amounts), frozenset(numbers), frozenset(dates), tuple(strings), max_chars)


_MONEY_KEYS: Final = frozenset({"low", "high", "median", "span", "part_price", "diagnostics_price", "amount", "price"})


def _collect(value: Any, key: str, amounts: set[int], numbers: set[str], dates: set[date], strings: list[str]) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            _collect(item, str(name), amounts, numbers, dates, strings)
    elif isinstance(value, list | tuple):
        for item in value:
            _collect(item, key, amounts, numbers, dates, strings)
    elif isinstance(value, datetime | date):
        dates.add(value.date() if isinstance(value, datetime) else value)
    elif isinstance(value, int) and not isinstance(value, bool):
        (amounts.add if key in _MONEY_KEYS else lambda n: numbers.add(str(n)))(value)
    elif isinstance(value, str) and any(ch.isdigit() for ch in value):
        strings.append(value)


def _without(text: str, phrases: Iterable[str]) -> str:
    """The text without the stretches that were given word for word (a model name, an address, a policy)."""
    for phrase in sorted(phrases, key=len, reverse=True):
        if phrase.strip():
            text = re.sub(rf"(?<!\w){re.escape(phrase.strip())}(?!\w)", "·", text, flags=re.IGNORECASE)
    return text


def _take_dates(text: str, given: Given) -> tuple[str, list[Finding]]:
    days = {(d.day, d.month) for d in given.dates}
    findings: list[Finding] = []

    def named(match: re.Match[str]) -> str:
        stem = match.group(2).lower()
        if (int(match.group(1)), _MONTHS[stem]) not in days:
            findings.append(Finding(Fault.DATE, match.group()))
        return "·"

    def numeric(match: re.Match[str]) -> str:
        pair = (int(match.group(1)), int(match.group(2)))
        if pair in days:
            return "·"
        return match.group()  # not one of our dates: judged as numbers, and refused there

    return _NUMERIC_DATE.sub(numeric, _DAY_MONTH.sub(named, text)), findings


def _numbers(text: str, given: Given) -> list[Finding]:
    findings = []
    for match in _NUMBER.finditer(text):
        raw = re.sub(r"[ \u00a0\u202f]", "", match.group()).replace(",", ".")
        thousands = _THOUSANDS.match(text, match.end()) is not None
        if not _is_given(raw, given, thousands=thousands):
            findings.append(Finding(Fault.NUMBER, match.group()))
    return findings


def _is_given(raw: str, given: Given, *, thousands: bool) -> bool:
    if not thousands and raw in given.numbers:
        return True
    kopecks = round(float(raw) * 100) * (1000 if thousands else 1)
    return kopecks in given.amounts
