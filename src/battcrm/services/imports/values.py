"""What people write in a cell: money, dates, numbers, kinds of repair, whose part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from battcrm.kit.errors import Invalid
from battcrm.models.facts import REPAIR_TYPES

_CURRENCY: Final = re.compile(r"(?:rub|руб(?:лей|ля|ль)?|[рr]|₽|коп)\.?$|^₽", re.IGNORECASE)
_BLANK: Final = re.compile(r"[\s\u00a0\u2007\u2009\u202f'’]+")
_GROUPED: Final = re.compile(r"([+-]?\d{1,3})((?:\.\d{3})+|(?:,\d{3})+)(?:[.,](\d{1,2}))?", re.ASCII)
_SIMPLE: Final = re.compile(r"([+-]?\d+)(?:[.,](\d+))?", re.ASCII)
_MAX_KOPECKS: Final = 10**12
_FORMATS: Final = ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y")
_CLIENTS: Final = frozenset({"client", "customer", "клиент", "клиента", "клиентская", "своя", "заказчик", "заказчика"})
_SHOPS: Final = frozenset({"shop", "our", "мастерская", "наша", "сервис", "сервиса", "магазин", "мастерской"})
_DONE: Final = ("done", "closed", "paid", "выдан", "готов", "закрыт", "выполнен", "оплачен", "завершен", "завершён")
_REFUSED: Final = ("refus", "cancel", "lost", "отказ", "отмен", "без ремонта", "не подлежит")
# The first stem that is found decides, so the more specific stand first.
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "back_glass": ("задне", "задняя крышк", "крышк", "back glass", "back_glass"),
    "camera": ("камер", "camera"),
    "backlight": ("подсветк", "backlight"),
    "screen": ("экран", "диспле", "стекл", "матриц", "тачскрин", "сенсор", "модул", "screen", "display", "lcd"),
    "battery": ("аккум", "акб", "батаре", "battery"),
    "charging_port": ("зарядк", "разъ", "charging", "port"),
    "housing": ("корпус", "housing"),
    "speaker": ("динамик", "speaker"),
    "microphone": ("микрофон", "microphone"),
    "keyboard": ("клавиатур", "keyboard"),
    "hinge": ("петл", "hinge"),
    "joystick": ("стик", "joystick"),
    "button": ("кнопк", "button"),
    "water_damage": ("залит", "влаг", "вода", "утопл", "water"),
    "no_power": ("не включ", "no power"),
    "board": ("плат", "пайк", "board"),
    "unlock": ("разблок", "unlock"),
    "data_recovery": ("восстановление данн", "данны", "data"),
    "cleaning": ("чистк", "профилакт", "термопаст", "clean"),
    "software": ("прошивк", "программ", " по", "windows", "software", "установк"),
    "network": ("сеть", "wi-fi", "wifi", "антенн", "network"),
    "controller": ("контроллер", "controller"),
    "wheel": ("колес", "покрышк", "камера колеса", "шин", "wheel", "tyre", "tire"),
    "diagnostics": ("диагност", "diagnos"),
}


def text(value: Any) -> str:
    """A cell as trimmed text; whole floats of a spreadsheet lose their `.0`."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _BLANK.sub(" ", str(value).replace("\x00", "")).strip()


def money(value: Any, field: str) -> int | None:
    """Kopecks, or None for an empty cell. Invalid for what is no amount, is negative or absurdly large."""
    raw = text(value)
    if raw in ("", "-", "—"):
        return None
    bare = _CURRENCY.sub("", _BLANK.sub("", raw))
    plain = _plain(bare)
    if plain is None or len(plain) > 20:
        raise Invalid(f"{raw[:40]!r} is not an amount", field=field, remedy="write it as 12500 or 12 500,00")
    kopecks = int((Decimal(plain) * 100).to_integral_value())
    if not 0 <= kopecks <= _MAX_KOPECKS:
        raise Invalid(f"{raw[:40]!r} is out of range", field=field, remedy="amounts are from 0 to 10 billion roubles")
    return kopecks


def _plain(number: str) -> str | None:
    """The amount with a point before kopecks and no other separator. "12.500" is twelve thousand five hundred."""
    grouped = _GROUPED.fullmatch(number)
    if grouped is not None:
        return f"{grouped[1]}{re.sub('[.,]', '', grouped[2])}.{grouped[3] or 0}"
    simple = _SIMPLE.fullmatch(number)
    return None if simple is None else f"{simple[1]}.{simple[2] or 0}"


def count(value: Any, field: str) -> int | None:
    """A whole number of pieces, or None for an empty cell; "есть" is 1 and "нет" is 0."""
    raw = text(value).casefold()
    if not raw:
        return None
    known = {"есть": 1, "да": 1, "yes": 1, "нет": 0, "no": 0, "под заказ": 0}
    if raw in known:
        return known[raw]
    match = re.fullmatch(r"(\d{1,9})(?:[.,]0+)?(?:\s*(?:шт|pcs)\.?)?", raw)
    if match is None:
        raise Invalid(f"{raw[:40]!r} is not a number of pieces", field=field, remedy="write a whole number, or нет")
    return int(match[1])


def moment(value: Any, field: str, zone: ZoneInfo, now: datetime) -> datetime | None:
    """Aware UTC time; a date alone is noon in the shop's zone. Invalid for the future or before 2000."""
    if value is None or text(value) == "":
        return None
    found = _read_moment(value)
    if found is None:
        raise Invalid(f"{text(value)[:40]!r} is not a date", field=field, remedy="write it as 31.12.2025 or 2025-12-31")
    aware = (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    if aware > now or aware.year < 2000:
        raise Invalid(f"{text(value)[:40]!r} is not a past date", field=field, remedy="correct the date")
    return aware


def _read_moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, 12)  # noqa: DTZ001 - the shop's zone is added by the caller
    raw = text(value)
    for form in _FORMATS:
        try:
            found = datetime.strptime(raw, form)  # noqa: DTZ007 - the shop's zone is added by the caller
        except ValueError:
            continue
        return found if "%H" in form else found.replace(hour=12)
    try:
        found = datetime.fromisoformat(raw)
    except ValueError:
        return None
    return found.replace(hour=12) if len(raw) == 10 else found


def repair_types(value: Any, field: str) -> tuple[str, ...]:
    """Codes of one or more works, separated by comma, semicolon, plus or slash. Invalid for a word we do not know."""
    found: dict[str, None] = {}
    for piece in re.split(r"[,;+/|]| и ", text(value).casefold()):
        word = piece.strip()
        if not word:
            continue
        kind = word if word in REPAIR_TYPES else _kind(word)
        if kind is None:
            known = ", ".join(REPAIR_TYPES)
            raise Invalid(f"unknown repair {word[:40]!r}", field=field, remedy=f"use one of: {known}")
        found[kind] = None
    if not found:
        raise Invalid("the kind of repair is missing", field=field, remedy="fill the cell, for example экран")
    return tuple(sorted(found))


def _kind(word: str) -> str | None:
    padded = f" {word}"
    return next((kind for kind, stems in _KINDS.items() if any(stem in padded for stem in stems)), None)


def part_owner(value: Any, field: str) -> str | None:
    """`client`, `shop`, or None for an empty cell."""
    word = text(value).casefold()
    if not word:
        return None
    first = word.split()[0]
    if first in _CLIENTS:
        return "client"
    if first in _SHOPS:
        return "shop"
    raise Invalid(f"{word[:40]!r} does not say whose part", field=field, remedy="write клиент or мастерская")


def status(value: Any) -> str:
    """`done` unless the word says refused or that work goes on; an empty cell of a journal of the past is done."""
    word = text(value).casefold()
    if any(stem in word for stem in _REFUSED):
        return "refused"
    return "done" if not word or word.startswith(_DONE) else "open"
