"""Which models are siblings: the same generation of the same line ("iPhone 13", "iPhone 13 Pro")."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_MODIFIERS: Final = frozenset(
    {"pro", "plus", "max", "ultra", "lite", "mini", "se", "fe", "edge", "neo", "prime", "note", "4g", "5g", "lte"}
    | {"nfc", "s", "t", "c", "e", "i", "a", "x", "turbo", "air", "slim", "fold", "flip"}
)
_GENERATION: Final = re.compile(r"([a-z]*\d+)([a-z]{0,2})", re.IGNORECASE)
_SPLIT: Final = re.compile(r"[\s_/()+-]+")


@lru_cache(maxsize=8192)
def family_of(model: str) -> str:
    """The part of a canonical model name that its siblings share; the name itself when it names no generation.

    Only what follows the first word with a digit is dropped, so "Redmi Note 10 Pro" keeps "Redmi Note 10".
    """
    words = [word for word in _SPLIT.split(model.strip()) if word]
    for index, word in enumerate(words):
        match = _GENERATION.fullmatch(word)
        if match is None or word.lower() in _MODIFIERS:
            continue
        rest = words[index + 1 :]
        if all(w.lower() in _MODIFIERS for w in rest):
            return " ".join([*words[:index], match[1]])
        return " ".join(words)
    return " ".join(words)


def are_siblings(one: str, other: str) -> bool:
    """Different models of one family."""
    return one.casefold() != other.casefold() and family_of(one).casefold() == family_of(other).casefold()
