"""Turns a client's text into repaired tokens that still know their place in the original.

Repairs, in this order: Unicode forms, keyboard-layout slips, look-alike letters, stretched letters, number words,
Russian in Latin letters. Nothing is thrown away: a token keeps its written form beside the repaired one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from battcrm.extraction import normalise_chars as chars
from battcrm.extraction import normalise_words as words
from battcrm.extraction.normalise_layout import repair_layout
from battcrm.extraction.normalise_morph import lemma_of

MAX_CHARS: Final = 8_000
MAX_WORD: Final = 64
_TOKEN: Final = re.compile(r"[^\W_]+|\s+|[^\w\s]|_")


class Token(NamedTuple):
    """One word, number, code, mark or emoji.

    `text` is as written (NFKC, lower case, "ё" as "е"); `norm` is repaired; `latin` is the likeliest Latin shape, for
    codes and model names; `lemma` is the dictionary form. `kind`: word, number, code (letters with digits), punct,
    emoji. A named tuple, as every message makes dozens. `start` and `end` are offsets in the original text. `glued` says there is no space before it.
    """

    text: str
    norm: str
    latin: str
    lemma: str
    kind: str
    start: int
    end: int
    glued: bool


@dataclass(frozen=True, slots=True)
class Normalised:
    """A text as tokens. `translit`: Russian written in Latin letters; `layout_fixed`: typed in the wrong layout."""

    original: str
    tokens: tuple[Token, ...]
    translit: bool
    layout_fixed: bool


def normalise(text: str) -> Normalised:
    """Tokens of the text. Never raises; work is linear in its length; only the first 8,000 characters are read."""
    original = text
    shaped, offsets = chars.canonical(text[:MAX_CHARS])
    shaped, layout_fixed = repair_layout(shaped)
    translit = words.is_transliterated(shaped)
    return Normalised(original, _tokens(shaped, offsets, translit), translit, layout_fixed)


def _tokens(text: str, offsets: list[tuple[int, int]] | None, translit: bool) -> tuple[Token, ...]:
    out: list[Token] = []
    glued = False
    for match in _TOKEN.finditer(text):
        piece = match.group()
        if piece.isspace():
            glued = False
            continue
        start, end = match.span()
        if offsets is not None:
            start, end = offsets[start][0], offsets[end - 1][1]
        shape = _shape(piece, translit) if len(piece) <= MAX_WORD else _plain(piece)
        out.append(Token(*shape, start, end, glued))
        glued = True
    return tuple(out)


def _plain(piece: str) -> tuple[str, str, str, str, str]:
    """A run too long to be a word: kept as it is and out of every cache."""
    text = piece.lower()
    return text, text, text, text, "code" if any(map(str.isdecimal, text)) else "word"


@lru_cache(maxsize=50_000)
def _shape(piece: str, translit: bool) -> tuple[str, str, str, str, str]:
    """(text, norm, latin, lemma, kind) of one piece; cached, since chats repeat the same words."""
    text = piece.lower().replace("ё", "е")
    kind = words.kind_of(text)
    if kind in ("punct", "emoji"):
        return text, text, text, text, kind
    if kind == "number":
        norm = words.plain_digits(text)
        return text, norm, norm, norm, kind
    norm = words.repair(text, kind, translit)
    lemma = lemma_of(norm) if kind == "word" and chars.has_cyrillic(norm) else norm
    number = words.number_word(norm)
    if number is not None:
        return text, number, number, lemma, "number"
    return text, norm, words.latin_of(norm, kind), lemma, kind
