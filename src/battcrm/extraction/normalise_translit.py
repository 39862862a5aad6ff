"""Reading Russian written in Latin letters: "razbil ekran" -> "разбил экран"."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

_MAX_READINGS: Final = 256
_MAX_WORD: Final = 24

# Longest keys first; every key lists its readings, the likeliest first.
_UNITS: Final[dict[str, tuple[str, ...]]] = {
    "shch": ("щ",), "sch": ("щ",), "tsya": ("тся",), "yo": ("е", "йо"), "jo": ("е",), "io": ("ио", "е"),
    "zh": ("ж",), "kh": ("х",), "ch": ("ч",), "sh": ("ш", "щ"), "ts": ("ц", "тс"), "yu": ("ю",), "ju": ("ю",), "iu": ("ю",),
    "ya": ("я",), "ja": ("я",), "ia": ("я", "иа"), "ye": ("е", "ье"), "je": ("е",), "ph": ("ф",), "ai": ("ай", "аи"), "ei": ("ей", "еи", "эй"),
    "oi": ("ой", "ои"), "iy": ("ий",), "yi": ("ый",), "ij": ("ий",), "yj": ("ый",), "ck": ("к",), "ee": ("ее", "и"),
    "a": ("а",), "b": ("б",), "c": ("ц", "к", "с"), "d": ("д",), "e": ("е", "э"), "f": ("ф",), "g": ("г",), "h": ("х", "н"),
    "i": ("и", "й"), "j": ("й", "ж"), "k": ("к",), "l": ("л", "ль"), "m": ("м", "мь"), "n": ("н", "нь"), "o": ("о",), "p": ("п",),
    "q": ("к", "я"), "r": ("р", "рь"), "s": ("с", "сь"), "t": ("т", "ть"), "u": ("у",), "v": ("в", "вь"), "w": ("в", "ш"),
    "x": ("х", "кс"), "y": ("ы", "й", "у"), "z": ("з",), "4": ("ч",), "6": ("ш",), "'": ("ь",),
}  # fmt: skip


@lru_cache(maxsize=20_000)
def units(word: str) -> tuple[tuple[str, ...], ...]:
    """The readings of each unit of the word, or an empty tuple when it has a character that is not Latin."""
    out: list[tuple[str, ...]] = []
    at = 0
    while at < len(word):
        for size in (4, 3, 2, 1):
            readings = _UNITS.get(word[at : at + size]) if at + size <= len(word) else None
            if readings is not None:
                out.append(readings)
                at += size
                break
        else:
            return ()
    return tuple(out)


def cyrillic_reading(word: str, known: Callable[[str], bool]) -> str | None:
    """The first Cyrillic reading of a lower-case Latin word that `known` accepts, or None. Bounded work."""
    if len(word) > _MAX_WORD:
        return None
    parts = units(word)
    if not parts:
        return None
    readings = [""]
    for index, options in enumerate(parts):
        usable = options if index else _first(options)
        readings = [head + tail for tail in usable for head in readings][:_MAX_READINGS]
    return next((reading for reading in readings if known(reading)), None)


def _first(options: tuple[str, ...]) -> tuple[str, ...]:
    """At the start of a word "e" is "э" as often as "е"; a soft sign cannot follow nothing."""
    return tuple(dict.fromkeys(options))
