"""Character-level repair: Unicode forms, look-alike letters, keyboard layouts. Pure tables and small functions."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Invisible marks people paste along with text, and the frames of keycap emoji ("1️⃣" is the digit 1).
_DROPPED: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufe0e\ufe0f\u20e3\u0301]")
_CYRILLIC: Final = re.compile("[\u0400-\u04ff]")
_LATIN: Final = re.compile("[a-zA-Z]")
# Compatibility forms that would turn into misleading letters ("№" into "No").
_KEPT: Final = frozenset("№™…½¼¾")

CYR_TO_LAT_SHAPE: Final = dict(zip("авекмнорстухіјѕ", "abekmhopctyxijs", strict=True))
LAT_TO_CYR_SHAPE: Final = dict(zip("abcehikmoptxyu", "авсенікмортхуи", strict=True))
CYR_TO_LAT_SOUND: Final[dict[str, str]] = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ж": "zh", "з": "z", "и": "i", "й": "y",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u",
    "ф": "f", "х": "h", "ц": "c", "ч": "ch", "ш": "sh", "щ": "sch", "ъ": "", "ы": "y", "ь": "", "э": "e",
    "ю": "yu", "я": "ya", "і": "i",
}  # fmt: skip

_LAT_KEYS: Final = "qwertyuiop[]asdfghjkl;'zxcvbnm,.`"
_CYR_KEYS: Final = "йцукенгшщзхъфывапролджэячсмитьбюё"
TO_CYR_LAYOUT: Final = str.maketrans(
    _LAT_KEYS + _LAT_KEYS.upper() + '{}:"<>~', _CYR_KEYS + _CYR_KEYS.upper() + "ХЪЖЭБЮЁ"
)
TO_LAT_LAYOUT: Final = str.maketrans(_CYR_KEYS + _CYR_KEYS.upper(), _LAT_KEYS + _LAT_KEYS.upper())

_TO_LAT_SHAPE: Final = str.maketrans(CYR_TO_LAT_SHAPE)
_TO_CYR_SHAPE: Final = str.maketrans(LAT_TO_CYR_SHAPE)
_TO_SOUND: Final = str.maketrans(CYR_TO_LAT_SOUND)


def to_latin_shape(word: str) -> str:
    """Lower-case `word` with Cyrillic letters replaced by the Latin letters they look like, where there is one."""
    return word.translate(_TO_LAT_SHAPE)


def to_cyrillic_shape(word: str) -> str:
    """Lower-case `word` with Latin letters replaced by the Cyrillic letters they look like, where there is one."""
    return word.translate(_TO_CYR_SHAPE)


def to_latin_sound(word: str) -> str:
    """Plain transliteration of a lower-case Cyrillic word."""
    return word.translate(_TO_SOUND)


def has_cyrillic(word: str) -> bool:
    """Whether any letter is Cyrillic."""
    return _CYRILLIC.search(word) is not None


def has_latin(word: str) -> bool:
    """Whether any letter is basic Latin."""
    return _LATIN.search(word) is not None


def canonical(text: str) -> tuple[str, list[tuple[int, int]] | None]:
    """NFKC text without invisible marks, and for each of its characters where it begins and ends in the original.

    The list is None when the offsets are the same (nearly always), so the common case costs one check.
    """
    if not _DROPPED.search(text) and unicodedata.is_normalized("NFKC", text):
        return text, None
    out: list[str] = []
    offsets: list[tuple[int, int]] = []
    length = len(text)
    start = 0
    while start < length:
        end = start + 1
        while end < length and (unicodedata.combining(text[end]) or _DROPPED.match(text[end])):
            end += 1
        group = _DROPPED.sub("", text[start:end])
        form = group if group in _KEPT else unicodedata.normalize("NFKC", group)
        out.append(form)
        offsets.extend([(start, end)] * len(form))
        start = end
    return "".join(out), offsets
