"""Word-level repair: look-alikes, stretched letters, number words, transliteration. Every function is cheap or cached."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from battcrm.extraction import normalise_chars as chars
from battcrm.extraction.gazetteer.aliases import vocabulary
from battcrm.extraction.normalise_morph import is_word
from battcrm.extraction.normalise_numbers import NUMBER_WORDS, ORDINAL_TAILS
from battcrm.extraction.normalise_translit import cyrillic_reading

_STRETCHED: Final = re.compile(r"([^\W\d_])\1{2,}")
_OVERLONG: Final = re.compile(r"([^\W\d_])\1{3,}")
_DOUBLED: Final = re.compile(r"([^\W\d_])\1+")
_LATIN_WORD: Final = re.compile(r"[a-zA-Z'46]*[a-zA-Z][a-zA-Z'46]*")
_ORDINAL: Final = re.compile(r"(\d+)([а-я]+)")
_ENGLISH: Final = frozenset(
    [
        "the",
        "and",
        "you",
        "for",
        "not",
        "with",
        "this",
        "that",
        "have",
        "has",
        "are",
        "was",
        "were",
        "can",
        "does",
        "how",
        "much",
        "what",
        "when",
        "where",
        "who",
        "why",
        "your",
        "my",
        "is",
        "it",
        "phone",
        "screen",
        "battery",
        "broken",
        "repair",
        "fix",
        "price",
        "cost",
        "display",
        "glass",
        "need",
        "hello",
        "hi",
        "thanks",
        "please",
        "help",
        "buy",
        "sell",
        "replace",
        "replacement",
        "charger",
        "charging",
        "charge",
        "camera",
        "button",
        "back",
        "cover",
        "water",
        "damage",
        "service",
        "open",
        "close",
        "today",
        "tomorrow",
        "address",
        "work",
        "works",
        "working",
        "does",
        "doesn't",
        "dont",
        "don't",
        "will",
        "would",
        "could",
        "should",
        "from",
        "to",
        "of",
        "in",
        "on",
        "at",
        "by",
        "or",
        "if",
        "so",
        "no",
        "yes",
        "do",
    ]
)
_SHORT_RUSSIAN: Final[dict[str, str]] = {
    "ne": "не", "na": "на", "i": "и", "v": "в", "s": "с", "u": "у", "a": "а", "k": "к", "o": "о", "za": "за",
    "ya": "я", "po": "по", "do": "до", "ot": "от", "iz": "из", "li": "ли", "no": "но", "my": "мы", "vy": "вы",
    "da": "да", "net": "нет", "dlya": "для", "pod": "под", "kak": "как", "ili": "или", "on": "он", "to": "то",
    "est": "есть", "chto": "что",
}  # fmt: skip
_MIN_TRANSLIT: Final = 3


def kind_of(text: str) -> str:
    """word, number, code, punct or emoji."""
    first = text[0]
    if not (first.isalnum()):
        return "emoji" if ord(first) >= 0x2190 and not "\u2500" > first > "\u2300" else "punct"
    if text.isdecimal():
        return "number"
    return "word" if text.isalpha() or not any(char.isdigit() for char in text) else "code"


def plain_digits(text: str) -> str:
    """Digits of any script as ASCII digits."""
    return text if text.isascii() else "".join(_digit(char) for char in text)


def _digit(char: str) -> str:
    return str(int(char)) if char.isdecimal() else char


def known(word: str) -> bool:
    """Whether a lower-case word is Russian or one of our device words."""
    return word in vocabulary() or (chars.has_cyrillic(word) and is_word(word))


def in_english(word: str) -> bool:
    """Whether a lower-case word is one of the common English words of this trade."""
    return word in _ENGLISH


def reads_as_russian(word: str) -> bool:
    """Whether a lower-case Latin word is Russian in Latin letters."""
    return word.isalpha() and cyrillic_reading(word, known) is not None


def repair(text: str, kind: str, translit: bool) -> str:
    """The word with look-alike letters made one script, stretches shortened, transliteration read as Russian."""
    if kind == "code":
        return _repair_code(text)
    if chars.has_latin(text) and chars.has_cyrillic(text):
        text = _one_script(text)
    if _STRETCHED.search(text) and text not in vocabulary():
        text = _shorten(text)
    if text.isascii():
        return _from_latin(text, translit)
    return _disguised_latin(text)


def _one_script(text: str) -> str:
    """A word of mixed scripts in the script that makes it a known word, the script of most letters tried first."""
    cyrillic, latin = chars.to_cyrillic_shape(text), chars.to_latin_shape(text)
    mostly_latin = 2 * sum(char.isascii() for char in text) > len(text)
    for form in (latin, cyrillic) if mostly_latin else (cyrillic, latin):
        if known(form):
            return form
    if latin.isascii():
        return latin
    return text if chars.has_latin(cyrillic) else cyrillic


def _shorten(text: str) -> str:
    once, twice = _STRETCHED.sub(r"\1", text), _STRETCHED.sub(r"\1\1", text)
    if known(once) or not known(twice):
        plain = _DOUBLED.sub(r"\1", once)
        return plain if not known(once) and known(plain) else once
    return twice


def _from_latin(text: str, translit: bool) -> str:
    if translit and text in _SHORT_RUSSIAN:
        return _SHORT_RUSSIAN[text]
    if text in vocabulary() or text in _ENGLISH:
        return text
    shape = chars.to_cyrillic_shape(text)
    if len(text) >= _MIN_TRANSLIT and not chars.has_latin(shape) and is_word(shape) and not translit:
        return shape
    if translit:
        return cyrillic_reading(text, known) or text
    return text


def _disguised_latin(text: str) -> str:
    """A device word written wholly in look-alike Cyrillic letters ("росо" for "poco")."""
    if text in vocabulary() or is_word(text):
        return text
    shape = chars.to_latin_shape(text)
    return shape if shape.isascii() and shape in vocabulary() else text


def _repair_code(text: str) -> str:
    if _OVERLONG.search(text):
        text = _OVERLONG.sub(r"\1", text)
    ordinal = _ORDINAL.fullmatch(text)
    if ordinal and ordinal.group(2) in ORDINAL_TAILS and (len(ordinal.group(2)) > 1 or ordinal.group(2) == "й"):
        return ordinal.group(1)
    return text


def number_word(norm: str) -> str | None:
    """Digits for a number word ("десятка", "тринадцатый") or an ordinal in digits; else None."""
    if norm.isdecimal():
        return norm
    return NUMBER_WORDS.get(norm)


def latin_of(norm: str, kind: str) -> str:
    """Latin shape of a repaired token: by look for codes, by sound for words."""
    if norm.isascii():
        return norm
    if kind == "code":
        shape = chars.to_latin_shape(norm)
        return shape if shape.isascii() else chars.to_latin_sound(norm)
    return chars.to_latin_sound(norm)


def is_transliterated(text: str) -> bool:
    """Whether a text without Cyrillic letters reads as Russian: most of its longer words do."""
    if chars.has_cyrillic(text) or not chars.has_latin(text):
        return False
    return _transliterated(text.lower())


@lru_cache(maxsize=500)
def _transliterated(text: str) -> bool:
    found = [word for word in _LATIN_WORD.findall(text) if len(word) >= _MIN_TRANSLIT]
    free = [word for word in found if word not in vocabulary()]
    if not free:
        return False
    russian = sum(1 for word in free if word not in _ENGLISH and cyrillic_reading(word, known) is not None)
    english = sum(1 for word in free if word in _ENGLISH)
    return russian > english and 2 * russian >= len(free)
