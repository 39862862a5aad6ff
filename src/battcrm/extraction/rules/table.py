"""Reads the rule tables beside this file into one rule set.

A table has set lines (`@name = word word …`, continued on indented lines), sections (`[book.value confidence kind]`; kind is optional)
and one pattern per line. A `#` with a blank on either side, or at the start of a line, begins a comment.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from battcrm.extraction.rules.pattern import WORD, Classes, Rule, parse_element, parse_guards
from battcrm.kit.errors import Invalid

TABLES: Final = ("words.rules", "repair.rules", "type.rules", "parts.rules", "signals.rules")
EXTRA_CLASSES: Final = (
    "@past_fix",
    "@own_part",
    "@swollen",
    "@done",
    "@greet",
    "@thanks",
    "@small|@polite",
    "@device",
    "@ask",
    "@clean",
    "@somedev|@cooler",
    "@slip",
    "@fit|@fix|@clean",
    "@bought",
    "@alive",
    "@break|@wrong",
)
"""Word classes that code asks about although no pattern may use them."""
FIRST_BOOK: Final = "repair"
_BARRIERS: Final = {FIRST_BOOK: "@barrier", "part": "@no_owner"}
"""What a gap never jumps over: another part between a fault and its part, a device between a purchase and a part."""
_COMMON: Final = (
    *(
        "не",
        "на",
        "и",
        "у",
        "в",
        "с",
        "а",
        "за",
        "по",
        "до",
        "нет",
        "есть",
        "из",
        "от",
        "к",
        "но",
        "или",
        "если",
        "уже",
    ),
    *("вы", "вас", "мне", "меня", "он", "это", "что", "как", "сколько", "можно", "надо", "нужно", "телефон", "экран"),
    *("батарея", "дисплей", "стекло", "поменять", "замена", "для", "#dev", "#model", "#num", "#fault", "#part"),
)
"""Words of nearly every text: a rule that waits for one of them is looked at in vain."""
_SECTION: Final = re.compile(r"\[(\w+)\.([\w-]+)(?:\s+([\d.]+))?(?:\s+(\w+))?\]")
_COMMENT: Final = re.compile(r"(^|\s)#\s.*$")


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules with their word classes.

    `by_key` maps the rarest class a rule of the first pass (what is broken) needs to the numbers of the rules waiting for
    it; `by_key_late` does so for the second pass, which sees what the first one found. A number is a place in `rules`;
    `masks` are the classes each of them needs.
    """

    classes: Classes
    by_key: dict[int, tuple[int, ...]]
    by_key_late: dict[int, tuple[int, ...]]
    rules: tuple[Rule, ...]
    masks: tuple[int, ...]


@cache
def load_rules() -> RuleSet:
    """The rule set of this version. Raises Invalid naming table and line when a table is malformed."""
    classes = Classes()
    rules: list[Rule] = []
    texts = {name: resources.files(__package__).joinpath(name).read_text("utf-8").replace("ё", "е") for name in TABLES}
    for text in texts.values():
        _read_sets(text, classes)
    for name, text in texts.items():
        rules.extend(_read_rules(name, text, classes))
    for expression in (*EXTRA_CLASSES, *classes.sets):
        classes.of(expression)
    common = frozenset().union(*(_classes_with(classes, word) for word in _COMMON))
    early = [number for number, rule in enumerate(rules) if rule.book == FIRST_BOOK]
    late = [number for number, rule in enumerate(rules) if rule.book != FIRST_BOOK]
    return RuleSet(
        classes,
        _index(rules, early, common),
        _index(rules, late, common),
        tuple(rules),
        tuple(mask_of(r.needs) for r in rules),
    )


def mask_of(classes: Iterable[int]) -> int:
    """Word classes as one number with a bit for each."""
    return sum(1 << cls for cls in set(classes))


def _read_sets(text: str, classes: Classes) -> None:
    current: list[str] | None = None
    for raw in text.splitlines():
        line = _COMMENT.sub("", raw).rstrip()
        if line.startswith("@") and " = " in line:
            name, _, words = line.partition(" = ")
            current = classes.sets.setdefault(name, [])
            current.extend(words.split())
        elif line.startswith(" ") and line.strip() and current is not None:
            current.extend(line.split())
        elif line.strip():
            current = None


def _read_rules(name: str, text: str, classes: Classes) -> list[Rule]:
    rules: list[Rule] = []
    head: tuple[str, str, float, str] | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = _COMMENT.sub("", raw).rstrip()
        if not line or (line.startswith((" ", "@")) and (" = " in line or line.startswith(" "))):
            continue
        if section := _SECTION.fullmatch(line):
            book, value, confidence, kind = section.groups()
            head = (book, value, float(confidence or 1.0), kind or "")
            continue
        if head is None:
            raise Invalid(f"{name}:{number}: a pattern before any section", field=line)
        try:
            rules.append(_rule(head, line, classes))
        except Invalid as error:
            raise Invalid(f"{name}:{number}: {error.text}", field=line) from error
    return rules


def _rule(head: tuple[str, str, float, str], line: str, classes: Classes) -> Rule:
    body, _, guards = line.partition(" / ")
    elements = tuple(parse_element(part, classes) for part in body.split())
    needs = frozenset(e.cls for e in elements if e.kind == WORD and not e.optional)
    if not needs:
        raise Invalid("a pattern needs at least one word that is not optional")
    book, value, confidence, kind = head
    source = f"{book}.{value}: {line}"
    first = next(e for e in elements if e.kind == WORD)
    lead = -1 if first.optional else first.cls
    barrier = classes.of(_BARRIERS[book]) if book in _BARRIERS else -1
    return Rule(book, value, confidence, kind, elements, parse_guards(guards, classes), needs, lead, source, barrier)


def _classes_with(classes: Classes, word: str) -> set[int]:
    """Classes a form belongs to by its letters."""
    begun = (classes.prefix.get(word[:length], set()) for length in range(1, len(word) + 1))
    return classes.exact.get(word, set()).union(*begun)


def _index(rules: list[Rule], numbers: list[int], common: frozenset[int]) -> dict[int, tuple[int, ...]]:
    """Each rule under one class it needs: not one of words that stand in every text, then the one fewest rules need."""
    uses = Counter(cls for number in numbers for cls in rules[number].needs)
    by_key: dict[int, list[int]] = {}
    for number in numbers:
        key = min(rules[number].needs, key=lambda cls: (cls in common, uses[cls], cls))
        by_key.setdefault(key, []).append(number)
    return {key: tuple(found) for key, found in by_key.items()}
