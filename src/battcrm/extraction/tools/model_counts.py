"""How Russian counts agree with what they count."""

from __future__ import annotations

from typing import Final

_ONE: Final = frozenset(
    [
        "год",
        "месяц",
        "неделя",
        "неделю",
        "день",
        "час",
        "минута",
        "минуту",
        "тысяча",
        "тысячу",
        "рубль",
        "процент",
        "штука",
        "штуку",
    ]
)
_FEW: Final = frozenset(
    ["года", "месяца", "недели", "дня", "часа", "минуты", "тысячи", "рубля", "процента", "штуки", "раза"]
)
_MANY: Final = frozenset(["лет", "месяцев", "недель", "дней", "часов", "минут", "тысяч", "рублей", "процентов", "штук"])


def agrees(number: str, unit: str) -> bool:
    """Russian counts agree: "2 года" but "5 лет". "13 год назад" is a model and then a time; "2016 года" is a year."""
    if not number.isdecimal():
        return not unit.startswith(("год", "мес"))
    if len(number) == 4 and number.startswith("20") and unit.startswith("год"):
        return False
    tail = int(number) % 100
    last = tail % 10 if not 10 < tail < 20 else 0
    if unit in _ONE:
        return last == 1
    if unit in _FEW:
        return last in (2, 3, 4)
    return unit not in _MANY or last not in (1, 2, 3, 4)
