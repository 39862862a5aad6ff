"""Texts typed with the wrong keyboard layout: "ghbdtn" is "привет", "шзрщту" is "iphone"."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from battcrm.extraction import normalise_chars as chars
from battcrm.extraction.gazetteer.aliases import vocabulary
from battcrm.extraction.normalise_morph import is_word
from battcrm.extraction.normalise_words import in_english, known, reads_as_russian

_CHUNK: Final = re.compile(r"\S+")
_EDGES: Final = ".,!?:;()\"'"
_UNREADABLE: Final = "\ufffd"
# "9а" after a slip is 9A: no model ends in the letter of that key.
_SUFFIX_A: Final = frozenset(f"{number}а" for number in range(1, 100))
_MAX_CHUNK: Final = 64
_SURE_LETTERS: Final = 4
_LATIN: Final = re.compile(r"[a-zA-Z]")
_CODE: Final = re.compile(r"[^\W\d_]{1,2}\d{1,4}[^\W\d_]{0,2}|\d{1,4}[^\W\d_]{1,2}|[^\W\d_]")


def repair_layout(text: str) -> tuple[str, bool]:
    """The text with slips retyped, character for character, and whether there were any."""
    if _LATIN.search(text):
        repaired = _to_cyrillic(text)
        if repaired is not None:
            return repaired, True
    if chars.has_cyrillic(text):
        repaired = _to_latin(text)
        if repaired is not None:
            return repaired, True
    return text, False


def _to_cyrillic(text: str) -> str | None:
    if not any(_is_slip(chunk) for chunk in text.split() if len(chunk) <= _MAX_CHUNK and chunk[0].isascii()):
        return None
    chunks = [match.span() for match in _CHUNK.finditer(text)]
    plain = [(span, text[span[0] : span[1]]) for span in chunks]
    latin = [(span, chunk) for span, chunk in plain if _LATIN.search(chunk) and not chars.has_cyrillic(chunk)]
    latin = [(span, chunk) for span, chunk in latin if len(chunk) <= _MAX_CHUNK]
    slips = [(span, chunk) for span, chunk in latin if _is_slip(chunk)]
    if not slips:
        return None
    open_chunks = sum(1 for _, chunk in latin if len(chunk) >= _SURE_LETTERS and not _explained(chunk))
    whole = len(slips) > open_chunks and not chars.has_cyrillic(text)
    out = list(text)
    named = any(_is_latin_name(chunk) and chunk.strip(_EDGES).isalpha() for _, chunk in latin)
    for (start, end), chunk in latin if whole else slips:
        if whole and _is_latin_name(chunk) and (named or not _CODE.fullmatch(chunk.strip(_EDGES))):
            continue
        out[start:end] = _retype(chunk)
    return "".join(out)


def _explained(chunk: str) -> bool:
    return _is_slip(chunk) or _is_latin_name(chunk)


def _retype(chunk: str) -> str:
    """The chunk in the Cyrillic layout. Marks at its end stay marks unless they are needed to make a word."""
    core = chunk.rstrip(_EDGES)
    full = chunk.translate(chars.TO_CYR_LAYOUT)
    if core != chunk and not known(full.lower().replace("ё", "е")):
        return core.translate(chars.TO_CYR_LAYOUT) + chunk[len(core) :]
    return full


@lru_cache(maxsize=20_000)
def _is_slip(chunk: str) -> bool:
    """A Latin chunk that is nothing in Latin and a word in the other layout."""
    core = chunk.rstrip(_EDGES).lower()
    if len(core) < _SURE_LETTERS or _is_latin_name(chunk) or in_english(core):
        return False
    word = _retype(chunk).rstrip(_EDGES).lower().replace("ё", "е")
    if not word.isalpha() or not known(word):
        return False
    return not reads_as_russian(core)


def _is_latin_name(chunk: str) -> bool:
    core = chunk.strip(_EDGES).lower()
    return core in vocabulary() or any(char.isdigit() for char in core)


def _to_latin(text: str) -> str | None:
    if not any(_is_latin_slip(chunk) for chunk in text.split() if len(chunk) <= _MAX_CHUNK):
        return None
    spans = [match.span() for match in _CHUNK.finditer(text)]
    short = [index for index, span in enumerate(spans) if span[1] - span[0] <= _MAX_CHUNK]
    slips = [index for index in short if _is_latin_slip(text[spans[index][0] : spans[index][1]])]
    if not slips:
        return None
    out = list(text)
    for index in slips:
        last = index
        while last + 1 < len(spans) and _belongs(text[spans[last + 1][0] : spans[last + 1][1]]):
            last += 1
        for at in range(index, last + 1):
            start, end = spans[at]
            out[start:end] = _retype_latin(text[start:end])
    return "".join(out)


@lru_cache(maxsize=20_000)
def _is_latin_slip(chunk: str) -> bool:
    core = chunk.strip(_EDGES).lower()
    if len(core) < _SURE_LETTERS or core in vocabulary() or not core.isalpha() or is_word(core.replace("ё", "е")):
        return False
    return core.translate(chars.TO_LAT_LAYOUT) in vocabulary()


def _retype_latin(chunk: str) -> str:
    """The chunk in the Latin layout. In a short code a letter that is as likely to be a look-alike ("а52": A52 or, by
    its key, F52) becomes U+FFFD: unreadable, so that no model is made of it."""
    core = chunk.strip(_EDGES).lower()
    if core in _SUFFIX_A:
        return chunk
    retyped = chunk.translate(chars.TO_LAT_LAYOUT)
    if not _CODE.fullmatch(core):
        return retyped
    pairs = zip(chunk, retyped, strict=True)
    return "".join(_UNREADABLE if _two_ways(old.lower(), new.lower()) else new for old, new in pairs)


def _two_ways(old: str, new: str) -> bool:
    shape = chars.to_latin_shape(old)
    return shape not in (old, new)


def _belongs(chunk: str) -> bool:
    """A short code or modifier right after a slip was typed in the same layout ("зщсщ ч3 зкщ")."""
    core = chunk.strip(_EDGES).lower()
    if core.isdigit():
        return True
    if core in vocabulary() or (len(core) > 2 and is_word(core)):
        return False
    if _CODE.fullmatch(core):
        return True
    return core.translate(chars.TO_LAT_LAYOUT) in vocabulary()
