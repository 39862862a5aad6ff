"""Number words of Russian chat: cardinals, ordinals, and the nouns people call models by ("десятка", "тринашка")."""

from __future__ import annotations

from typing import Final

_ORDINAL_ENDINGS: Final = ("ый", "ого", "ому", "ым", "ом", "ая", "ой", "ую", "ое", "ые", "ых")
_NOUN_ENDINGS: Final = ("ка", "ки", "ке", "ку", "кой", "ок")
_CARDINALS: Final[dict[str, int]] = {
    "один": 1, "два": 2, "две": 2, "три": 3, "четыре": 4, "пять": 5, "шесть": 6, "семь": 7, "восемь": 8,
    "девять": 9, "десять": 10, "одиннадцать": 11, "одинадцать": 11, "двенадцать": 12, "тринадцать": 13,
    "четырнадцать": 14, "пятнадцать": 15, "шестнадцать": 16, "семнадцать": 17, "восемнадцать": 18,
    "девятнадцать": 19, "двадцать": 20, "тридцать": 30, "сорок": 40, "пятьдесят": 50, "шестьдесят": 60,
    "семьдесят": 70, "восемьдесят": 80, "девяносто": 90, "сто": 100, "двести": 200,
}  # fmt: skip
_ORDINAL_STEMS: Final[dict[str, int]] = {
    "перв": 1, "втор": 2, "четверт": 4, "четвёрт": 4, "пят": 5, "шест": 6, "седьм": 7, "восьм": 8, "девят": 9,
    "десят": 10, "одиннадцат": 11, "одинадцат": 11, "двенадцат": 12, "тринадцат": 13, "четырнадцат": 14,
    "пятнадцат": 15, "шестнадцат": 16, "семнадцат": 17, "восемнадцат": 18, "девятнадцат": 19, "двадцат": 20,
    "тридцат": 30, "сороков": 40, "пятидесят": 50, "шестидесят": 60, "семидесят": 70, "восьмидесят": 80,
    "девяност": 90,
}  # fmt: skip
_NOUN_STEMS: Final[dict[str, int]] = {
    "двой": 2, "трой": 3, "четвер": 4, "пятер": 5, "шестер": 6, "семер": 7, "восьмер": 8, "девят": 9, "десят": 10,
    "одинаш": 11, "одиннаш": 11, "одиннадцат": 11, "двенаш": 12, "двенадцат": 12, "тринаш": 13, "тринадцат": 13,
    "четырнаш": 14, "четырнадцат": 14, "пятнаш": 15, "пятнадцат": 15, "шестнаш": 16, "шестнадцат": 16,
}  # fmt: skip
_THIRD: Final = (
    "третий", "третьего", "третьему", "третьим", "третьем", "третья", "третьей", "третью", "третье", "третьи",
)  # fmt: skip
_OBLIQUE: Final[dict[str, int]] = {
    "пяти": 5, "шести": 6, "семи": 7, "восьми": 8, "девяти": 9, "десяти": 10, "одиннадцати": 11, "двенадцати": 12,
    "тринадцати": 13, "четырнадцати": 14, "пятнадцати": 15, "двадцати": 20, "тридцати": 30,
}  # fmt: skip


def _table() -> dict[str, str]:
    words = {word: str(value) for word, value in {**_CARDINALS, **_OBLIQUE}.items()}
    words.update(dict.fromkeys(_THIRD, "3"))
    for stem, value in _ORDINAL_STEMS.items():
        words.update({stem + ending: str(value) for ending in _ORDINAL_ENDINGS})
    for stem, value in _NOUN_STEMS.items():
        words.update({stem + ending: str(value) for ending in _NOUN_ENDINGS})
    return {word.replace("ё", "е"): value for word, value in words.items()}


NUMBER_WORDS: Final[dict[str, str]] = _table()
MODEL_NOUNS: Final[frozenset[str]] = frozenset(
    stem + ending for stem in _NOUN_STEMS for ending in _NOUN_ENDINGS if stem not in {"двой", "трой"}
)
"""Forms that name a model by its number and hardly anything else in a repair shop ("восьмерка")."""

_AMOUNTS: Final = frozenset((*_CARDINALS, *_OBLIQUE))


def names_model(text: str) -> bool:
    """Whether a written number is an ordinal or a model nickname ("тринадцатый", "десятка"), not an amount ("пять")."""
    return text not in _AMOUNTS


ORDINAL_TAILS: Final = frozenset(
    (
        "й",
        "ый",
        "ий",
        "ой",
        "я",
        "ая",
        "е",
        "ое",
        "го",
        "ого",
        "му",
        "ому",
        "м",
        "ом",
        "ю",
        "ую",
        "ка",
        "ку",
        "ке",
        "ки",
        "шка",
        "шку",
    )
)
"""What may be glued to digits to make an ordinal: "13-й", "10ка"."""
