"""Typos: a word nobody knows is read as the lexicon word one slip away."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final

from rapidfuzz.distance import DamerauLevenshtein

from battcrm.extraction.normalise_morph import is_word
from battcrm.extraction.profanity import is_profane
from battcrm.extraction.rules.table import load_rules

_MIN_STEM: Final = 5
_UNVOWELLED: Final = str.maketrans("аеиоуыэюя", "*" * 9)
_MAKERS: Final = frozenset(
    [
        "хонор",
        "хуавей",
        "самсунг",
        "сяоми",
        "ксиоми",
        "редми",
        "поко",
        "реалми",
        "леново",
        "асус",
        "айфон",
        "нокиа",
        "техно",
        "инфиникс",
        "айпад",
        "макбук",
        "дайсон",
    ]
)


@cache
def _stems() -> dict[str, tuple[str, ...]]:
    """Lexicon stems by first two letters, and again by letters two and three (a slip may hit the first letter)."""
    table = load_rules().classes
    index: dict[str, set[str]] = {}
    for stem in {*table.prefix, *table.exact}:
        if len(stem) >= _MIN_STEM and stem.isalpha() and not stem.isascii():
            index.setdefault(stem[0], set()).add(stem)
            index.setdefault(stem[1], set()).add(stem)
    return {letter: tuple(sorted(stems)) for letter, stems in index.items()}


def _is_known(word: str) -> bool:
    """Whether a word stands for itself: the dictionary has it, or it is a swear word, however near to a part's name."""
    return is_word(word) or is_profane(word)


@lru_cache(maxsize=1 << 15)
def nearest(word: str) -> str | None:
    """The longest stem within one slip (swap, loss, gain or change of a letter) of the word's start; None if there is none.

    Of several the likeliest, the same in every process. Only for Cyrillic words the dictionary does not know.
    """
    if len(word) < _MIN_STEM or not word.isalpha() or word.isascii() or word in _MAKERS or _is_known(word):
        return None
    table = load_rules().classes
    best: str | None = None
    for stem in {*_stems().get(word[0], ()), *_stems().get(word[1], ())}:
        if best is not None and len(stem) < len(best):
            continue
        heads = {word} if stem not in table.prefix else {word[: len(stem) + d] for d in (-1, 0, 1)}
        if not any(DamerauLevenshtein.distance(stem, head, score_cutoff=1) <= 1 for head in heads):
            continue
        if best is None or len(stem) > len(best) or _likeness(stem, word) > _likeness(best, word):
            best = stem
    return best


def _likeness(stem: str, word: str) -> tuple[bool, str]:
    """Orders stems of one length: those that sound the same, a vowel mistaken for another, then by spelling alone.

    Without an order the choice would hang on the hash seed of the process.
    """
    return stem.translate(_UNVOWELLED) == word[: len(stem)].translate(_UNVOWELLED), stem
