"""Words around data: plural forms, money, dates and device names, in Russian and English."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from battcrm.models.facts import Hypothesis

LANGUAGES: Final = ("ru", "en")
NBSP: Final = "\u00a0"
_MONTHS: Final = {
    "ru": [
        "января",
        "февраля",
        "марта",
        "апреля",
        "мая",
        "июня",
        "июля",
        "августа",
        "сентября",
        "октября",
        "ноября",
        "декабря",
    ],
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
}
_DAYS: Final = {
    "ru": ["в понедельник", "во вторник", "в среду", "в четверг", "в пятницу", "в субботу", "в воскресенье"],
    "en": ["on Monday", "on Tuesday", "on Wednesday", "on Thursday", "on Friday", "on Saturday", "on Sunday"],
}
_CURRENCY: Final = {"RUB": "₽", "USD": "$", "EUR": "€", "KZT": "₸", "BYN": "Br"}
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")
_NAME: Final = re.compile(r"[^\W\d_]{2,20}(?:-[^\W\d_]{2,20})?")


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """The time zone; UTC when the name is not known, so that a bad setting never costs an answer."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def plural(n: int, language: str, *forms: str) -> str:
    """Form of a word for a number: three forms in Russian (1, 2, 5), two in English (1, 2)."""
    if language == "en":
        return forms[0] if n == 1 else forms[1]
    tens, ones = n % 100, n % 10
    if ones == 1 and tens != 11:
        return forms[0]
    return forms[1] if 2 <= ones <= 4 and not 12 <= tens <= 14 else forms[2]


def amount(kopecks: int, language: str) -> str:
    """Major units with thousands separated; kopecks only when there are any. No currency sign."""
    whole, rest = divmod(abs(kopecks), 100)
    separator, point = (NBSP, ",") if language == "ru" else (",", ".")
    text = f"{whole:,}".replace(",", separator) + (f"{point}{rest:02d}" if rest else "")
    return f"-{text}" if kopecks < 0 else text


def money(kopecks: int, language: str, currency: str = "RUB") -> str:
    """An amount with its currency: "3 900 ₽"."""
    return f"{amount(kopecks, language)}{NBSP}{_CURRENCY.get(currency, currency)}"


def money_range(low: int, high: int, language: str, currency: str = "RUB") -> str:
    """A range with one currency sign: "3 900–4 600 ₽"; a single amount when both ends are equal."""
    if low == high:
        return money(low, language, currency)
    return f"{amount(low, language)}–{money(high, language, currency)}"


def day(moment: datetime, language: str, timezone: str) -> str:
    """Day and month in the zone: "3 марта", "3 March"."""
    local = moment.astimezone(zone(timezone))
    return f"{local.day}{NBSP}{_MONTHS[language][local.month - 1]}"


def when(moment: datetime, now: datetime, language: str, timezone: str) -> str:
    """A coming moment as people say it: "сегодня в 10:00", "завтра в 10:00", "в среду, 3 марта, в 10:00"."""
    local, today = moment.astimezone(zone(timezone)), now.astimezone(zone(timezone)).date()
    ahead = (local.date() - today).days
    clock = f"{local.hour}:{local.minute:02d}"
    if ahead in {0, 1}:
        word = {"ru": ("сегодня в", "завтра в"), "en": ("today at", "tomorrow at")}[language][ahead]
        return f"{word} {clock}"
    join = {"ru": ", в ", "en": " at "}[language]
    return f"{_DAYS[language][local.weekday()]}, {day(moment, language, timezone)}{join}{clock}"


def device_name(known: Hypothesis) -> str:
    """Brand and model as a customer would say them; a brand already inside the model is not doubled."""
    brand = known.brand.value if known.brand else ""
    model = known.model.value if known.model else ""
    return join_name(brand, model)


def join_name(brand: str, model: str) -> str:
    """Brand and model without a doubled or needless brand ("Apple iPhone" is just iPhone)."""
    if not model or not brand:
        return model or brand
    if brand == "Apple" and model.lower().startswith(("iphone", "ipad", "macbook", "imac", "airpods")):
        return model
    return model if model.lower().startswith(brand.lower()) else f"{brand} {model}"


def plain(text: str, limit: int) -> str:
    """Foreign text made harmless for one line of ours: no control or direction marks, bounded length."""
    flat = " ".join(_UNSAFE.sub(" ", text).split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def first_name(name: str | None) -> str | None:
    """A client's first name if it looks like one; anything else (links, jokes, emoji) is not repeated to them."""
    match = _NAME.match(name or "")
    if match is None or (len(match.group()) != len(name or "") and (name or "")[match.end()] != " "):
        return None
    return match.group().capitalize() if match.group().islower() else match.group()


def split_text(text: str, limit: int) -> list[str]:
    """Parts of at most `limit` characters, cut at a paragraph, a line, a sentence or a space, in that order."""
    parts: list[str] = []
    rest = text.strip()
    while len(rest) > limit > 0:
        cut = _cut(rest, limit)
        parts.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*parts, rest] if rest else parts


def _cut(text: str, limit: int) -> int:
    for mark in ("\n\n", "\n", ". ", " "):
        position = text.rfind(mark, 0, limit)
        if position > limit // 3:
            return position + (1 if mark == ". " else 0)
    return limit


@lru_cache(maxsize=1)
def _morph() -> Callable[[str], list[object]]:
    import pymorphy3  # heavy (29 MB): loaded only when a word really has to be inflected

    parse: Callable[[str], list[object]] = pymorphy3.MorphAnalyzer(lang="ru").parse
    return parse


@lru_cache(maxsize=4096)
def in_case(word: str, case: str) -> str:
    """A Russian word in a grammatical case (`gent`, `datv`, `accs`, `ablt`, `loct`); unchanged if it has none."""
    if not re.fullmatch(r"[а-яёА-ЯЁ-]+", word):
        return word
    parsed: object = _morph()(word)[0]
    inflected = parsed.inflect({case})  # type: ignore[attr-defined]
    if inflected is None:
        return word
    result: str = inflected.word
    return result.capitalize() if word[0].isupper() else result
