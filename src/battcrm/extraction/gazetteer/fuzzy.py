"""Misspelt makers and product lines: only for unknown words, only at a small distance, cached by word."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from rapidfuzz import process
from rapidfuzz.distance import OSA

from battcrm.extraction import normalise_chars as chars
from battcrm.extraction.gazetteer.aliases import Alias, aliases, data_lines
from battcrm.extraction.gazetteer.neutral import is_neutral
from battcrm.extraction.normalise_morph import is_word

_MIN_LETTERS: Final = 5
_MIN_MODIFIER: Final = 4
_TWO_SLIPS: Final = 8


@lru_cache(maxsize=1)
def _targets() -> dict[bool, list[str]]:
    heads = [form for form, alias in aliases().items() if len(form) >= _MIN_LETTERS and _worth(alias)]
    return {script: [form for form in heads if form.isascii() is script] for script in (True, False)}


@lru_cache(maxsize=1)
def _class_words() -> frozenset[str]:
    return frozenset(
        word for row in data_lines("classes.tsv") if row[0] not in ("weak", "place") for word in row[1].split()
    )


def _worth(alias: Alias) -> bool:
    return alias.kind in ("brand", "family")


@lru_cache(maxsize=20_000)
def near_modifier(word: str) -> bool:
    """Whether an unknown word looks like a misspelt modifier ("ультрра", "промаакс"): enough to doubt a shorter name."""
    if len(word) < _MIN_MODIFIER or not word.isalpha() or word in aliases() or is_neutral(word):
        return False
    if chars.has_cyrillic(word) and is_word(word):
        return False
    return process.extractOne(word, _modifiers(), scorer=OSA.distance, score_cutoff=1) is not None


@lru_cache(maxsize=1)
def _modifiers() -> list[str]:
    return [form for form, alias in aliases().items() if len(form) >= _MIN_MODIFIER and alias.kind == "mod"]


@lru_cache(maxsize=20_000)
def near_alias(word: str) -> Alias | None:
    """The maker or line an unknown word misspells; None when nothing is near or two different ones are."""
    if len(word) < _MIN_LETTERS or not word.isalpha() or (chars.has_cyrillic(word) and is_word(word)):
        return None
    slips = 2 if len(word) >= _TWO_SLIPS else 1
    if word in _class_words():
        return None
    found = process.extract(word, _targets()[word.isascii()], scorer=OSA.distance, score_cutoff=slips, limit=8)
    found = [item for item in found if item[1] < 2 or item[0][0] == word[0]]
    if not found:
        return None
    nearest = min(score for _, score, _ in found)
    meanings = {(aliases()[form].brand, aliases()[form].atoms) for form, score, _ in found if score == nearest}
    return aliases()[found[0][0]] if len(meanings) == 1 else None
