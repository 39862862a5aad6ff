"""Russian morphology, loaded on first use and cached by word."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pymorphy3 import MorphAnalyzer

_OWN_LEMMAS: Final[dict[str, str]] = {"нету": "нет"}


@lru_cache(maxsize=1)
def _analyzer() -> MorphAnalyzer:
    import pymorphy3  # a fifth of a second: paid by the first Russian word, not by every start

    return pymorphy3.MorphAnalyzer()


@lru_cache(maxsize=100_000)
def is_word(word: str) -> bool:
    """Whether the lower-case Cyrillic word is a dictionary form."""
    return bool(_analyzer().word_is_known(word))


@lru_cache(maxsize=100_000)
def lemma_of(word: str) -> str:
    """Normal form of a lower-case Cyrillic word, "ё" as "е"; the word itself when the dictionary offers nothing."""
    if word in _OWN_LEMMAS:
        return _OWN_LEMMAS[word]
    parses = _analyzer().parse(word)
    return str(parses[0].normal_form).replace("ё", "е") if parses else word


@lru_cache(maxsize=100_000)
def has_case(word: str, cases: frozenset[str]) -> bool:
    """Whether any dictionary reading of the word stands in one of the cases (pymorphy names: gent, ablt, ...)."""
    return any(parse.is_known and parse.tag.case in cases for parse in _analyzer().parse(word))


def warm_up() -> None:
    """Load the dictionary now, so that the first client does not wait for it."""
    lemma_of("экран")
