"""What the opinion sees of a text: lemmas, pairs of them, beginnings of words, the named sets of the rule tables, roles."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Final

from battcrm.extraction.normalise_morph import lemma_of
from battcrm.extraction.opinion.roles import play_of, role_features
from battcrm.extraction.rules.line import Line
from battcrm.extraction.rules.match import SENTENCE
from battcrm.extraction.rules.table import load_rules

VERSION: Final = "3"
"""Raise it when the same text gives other features: the weights must then be fitted anew."""
_PREFIXES: Final = (3, 4, 5, 6)
_NUMBER: Final = "#num"
_ASCII: Final = 128
NOT: Final = frozenset({"не", "ни", "без"})
"""Words that deny the next one in the clause ("не греется", "без трещин"): said of a trouble, that is the opposite."""


def loose_features(line: Line) -> list[str]:
    """What no single word shows: neighbouring lemmas (`.` is the start of a sentence, `?` the end of a question), how often
    the text asks, and the kinds of devices in it."""
    found = ["%" + tag for tag in line.tags]
    before = "."
    for word in line.words:
        lemma = key_of(word.norm)
        found.append(f". {lemma}" if word.before >= SENTENCE else f"{before} {lemma}")
        if word.question:
            found.append(f"{lemma} ?")
            found.append("?")
        before = lemma
    return found


def features_of(line: Line) -> Iterator[str]:
    """Every feature of a text, repeated as often as it occurs."""
    before = ""
    for word in line.words:
        yield from word_features(word.norm, word.classes, denied=before in NOT and not word.before)
        before = word.norm
    yield from loose_features(line)
    yield from role_features(play_of(line.words))


def word_features(norm: str, classes: frozenset[int], *, denied: bool = False) -> Iterator[str]:
    """Features of one word alone: its lemma, its beginnings, the sets it belongs to. A denied word has its own."""
    return (f"!{name}" for name in _plain_features(norm, classes)) if denied else _plain_features(norm, classes)


def _plain_features(norm: str, classes: frozenset[int]) -> Iterator[str]:
    yield "=" + key_of(norm)
    if norm[:1] != "#" and not norm.isdigit():
        yield from (norm[:length] for length in _PREFIXES if len(norm) > length)
    names = set_names()
    yield from sorted(names[number] for number in classes if number in names)


@lru_cache(maxsize=1 << 15)
def key_of(norm: str) -> str:
    """The lemma of a Russian word; all numbers are one word."""
    if norm.isdigit():
        return _NUMBER
    return lemma_of(norm) if norm and ord(norm[0]) >= _ASCII else norm


@cache
def set_names() -> dict[int, str]:
    """Names of the word sets by class number."""
    classes = load_rules().classes
    return {classes.of(name): name for name in classes.sets}
