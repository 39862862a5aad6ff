"""Finds which rules hold in a text. Cost grows with the words of the text, not with the size of the tables."""

from __future__ import annotations

from functools import cache, lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

from battcrm.extraction.normalise_morph import lemma_of
from battcrm.extraction.normalise_translit import cyrillic_reading
from battcrm.extraction.rules.fuzzy import nearest
from battcrm.extraction.rules.pattern import CLAUSE_END, END, GAP, NOT, QUESTION, START, STATED, WORD, Rule
from battcrm.extraction.rules.table import load_rules, mask_of

CLAUSE: Final = 1
SENTENCE: Final = 2
MESSAGE: Final = 3
_MIN_LATIN: Final = 4
_PLACE: Final = itemgetter(1, 2)
_NEGATIONS: Final = frozenset({"не", "нет", "ни", "без", "кроме"})


class Word(NamedTuple):
    """One word as the rules see it. `before` is the strength of the break before it (0 none … 3 another message)."""

    norm: str
    start: int
    end: int
    message: int
    before: int
    classes: frozenset[int]
    question: bool = False


class Hit(NamedTuple):
    """A rule that holds for words first..last (inclusive)."""

    rule: Rule
    first: int
    last: int

    def covers(self, other: Hit) -> bool:
        """Whether this hit says more about the same words."""
        inside = self.first <= other.first and other.last <= self.last
        return inside and (self.last - self.first) > (other.last - other.first)


@lru_cache(maxsize=1 << 16)
def classes_of(norm: str, kind: str) -> frozenset[int]:
    """Word classes of a word: by its form, by a near spelling when nothing else fits."""
    table = load_rules().classes
    found: set[int] = set()
    if kind == "number" or norm.isdigit():
        found |= table.exact.get("#num", set())
    found |= table.exact.get(norm, set())
    for length in range(1, len(norm) + 1):
        found |= table.prefix.get(norm[:length], set())
    for length in range(2, len(norm) - 1):
        found |= table.suffix.get(norm[-length:], set())
    if kind == "word" and not norm.isascii():
        found |= table.lemma.get(lemma_of(norm), set())
    if not found and kind == "word":
        return _second_reading(norm)
    return frozenset(found)


def _second_reading(norm: str) -> frozenset[int]:
    """A word no rule knows as it stands: Russian in Latin letters, or a slip of the finger."""
    if norm.isascii():
        reading = cyrillic_reading(norm, _in_lexicon) if len(norm) >= _MIN_LATIN else None
        return classes_of(reading, "word") if reading is not None else frozenset()
    near = nearest(norm)
    return classes_of(near, "word") if near is not None else frozenset()


def _in_lexicon(word: str) -> bool:
    table = load_rules().classes
    return word in table.exact or any(word[:length] in table.prefix for length in range(4, len(word) + 1))


@cache
def class_of(expression: str) -> int:
    """The number of a word class that the tables or `EXTRA_CLASSES` name."""
    return load_rules().classes.of(expression)


@cache
def special(*names: str) -> frozenset[int]:
    """Classes of pseudo-words such as `#dev`."""
    table = load_rules().classes
    return frozenset(number for name in names for number in table.exact.get(name, ()))


def scan(words: tuple[Word, ...], tags: frozenset[str] = frozenset(), *, late: bool = False) -> list[Hit]:
    """Every hit of every rule of the first (or the `late`) pass, in order of appearance. Pure."""
    waiting: set[int] = set()
    present = 0
    for word in words:
        mask, early, tardy = _profile(word.classes)
        present |= mask
        waiting.update(tardy if late else early)
    table = load_rules()
    masks = table.masks
    hits: list[Hit] = []
    # Few of the waiting rules have all they need: only those are put in order, and only their hits.
    for number in sorted([number for number in waiting if masks[number] & present == masks[number]]):
        hits += _hits(table.rules[number], words, present, tags)
    if len(hits) > 1:
        hits.sort(key=_PLACE)
    return hits


@lru_cache(maxsize=1 << 15)
def _profile(classes: frozenset[int]) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """The classes as one number with a bit for each, and the numbers of the rules of both passes that wait for them."""
    table = load_rules()
    early = tuple(number for cls in classes & table.by_key.keys() for number in table.by_key[cls])
    tardy = tuple(number for cls in classes & table.by_key_late.keys() for number in table.by_key_late[cls])
    return mask_of(classes), early, tardy


def _hits(rule: Rule, words: tuple[Word, ...], present: int, tags: frozenset[str]) -> list[Hit]:
    hits: list[Hit] = []
    for guard in rule.guards:
        if guard.tag and (guard.tag in tags) is not guard.wanted:
            return hits
        if guard.whole and bool(present >> guard.cls & 1) is not guard.wanted:
            return hits
    done, lead = -1, rule.lead
    starts = range(len(words)) if lead < 0 else [at for at, word in enumerate(words) if lead in word.classes]
    for start in starts:
        if start <= done:
            continue
        end = _match(rule, 0, start, words, start)
        if end > start and (not rule.guards or _guarded(rule, words, start)):
            done = end - 1
            hits.append(Hit(rule, start, done))
    return hits


def _guarded(rule: Rule, words: tuple[Word, ...], at: int) -> bool:
    near = [guard for guard in rule.guards if guard.cls >= 0 and not guard.whole]
    if not near:
        return True
    first, last = sentence(words, at)
    here = words[first:last]
    return all(any(guard.cls in word.classes for word in here) is guard.wanted for guard in near)


def sentence(words: tuple[Word, ...], at: int) -> tuple[int, int]:
    """Half-open range of the sentence around a word."""
    first, last = at, at + 1
    while first > 0 and words[first].before < SENTENCE:
        first -= 1
    while last < len(words) and words[last].before < SENTENCE:
        last += 1
    return first, last


def _match(rule: Rule, step: int, at: int, words: tuple[Word, ...], start: int, border: int = CLAUSE) -> int:
    """End of the match (exclusive), or -1. `border` limits the break that may stand before the next word."""
    if step == len(rule.elements):
        return at
    element = rule.elements[step]
    kind = element.kind
    if kind == WORD:
        if at < len(words) and element.cls in words[at].classes and (at == start or words[at].before < border):
            end = _match(rule, step + 1, at + 1, words, start)
            if end >= 0 or not element.optional:
                return end
        return _match(rule, step + 1, at, words, start, border) if element.optional else -1
    if kind == GAP:
        return _match_gap(rule, step, at, words, start)
    return _match(rule, step + 1, at, words, start, border) if _zero_width(kind, element.cls, at, words, start) else -1


def _match_gap(rule: Rule, step: int, at: int, words: tuple[Word, ...], start: int) -> int:
    element = rule.elements[step]
    for skip in range(element.reach + 1):
        end = _match(rule, step + 1, at + skip, words, start, element.border)
        if end >= 0:
            return end
        place = at + skip
        if place >= len(words) or words[place].before >= element.border:
            return -1
        if not element.over_not and words[place].norm in _NEGATIONS:
            return -1
        if rule.barrier in words[place].classes:
            return -1
    return -1


def _zero_width(kind: int, cls: int, at: int, words: tuple[Word, ...], start: int) -> bool:
    if kind == NOT:
        return _absent(cls, at, words, start)
    if kind == START:
        return at == 0 or (at < len(words) and words[at].before >= SENTENCE)
    border = words[at].before if at < len(words) else MESSAGE
    if kind in {CLAUSE_END, STATED}:
        return border >= CLAUSE and not (kind == STATED and at > 0 and words[at - 1].question)
    if border < SENTENCE:
        return False
    return kind == END or (kind == QUESTION and at > 0 and words[at - 1].question)


def _absent(cls: int, at: int, words: tuple[Word, ...], start: int) -> bool:
    """Before the first word of a pattern: the word before is not of the class; later: the next one in the clause is not."""
    if at == start:
        return at == 0 or words[at].before >= CLAUSE or cls not in words[at - 1].classes
    return at >= len(words) or words[at].before >= CLAUSE or cls not in words[at].classes
