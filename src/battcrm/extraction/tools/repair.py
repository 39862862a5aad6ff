"""What is broken or asked to be done: a set of repair types, each with the words that say so."""

from __future__ import annotations

from collections.abc import Sequence

from battcrm.extraction.rules.line import Line
from battcrm.extraction.rules.match import Hit, scan
from battcrm.models.facts import Fact, Method


def standing(hits: Sequence[Hit]) -> list[Hit]:
    """The hits of one book that stand: a longer hit takes the words of the shorter ones inside it.

    Over exactly the same words `none` wins, then the rule that names more of them.
    """
    return [hit for hit in hits if not any(_beats(other, hit) for other in hits if other is not hit)]


def _beats(other: Hit, hit: Hit) -> bool:
    if other.covers(hit):
        return True
    if (other.first, other.last) != (hit.first, hit.last) or other.rule.value == hit.rule.value:
        return False
    if "none" in {other.rule.value, hit.rule.value}:
        return other.rule.value == "none"
    return len(other.rule.needs) > len(hit.rule.needs)


def find_repairs(line: Line) -> list[Hit]:
    """Standing repair hits of a line, in order. Bare part names are hits of kind `part`."""
    hits = standing(scan(line.words, line.tags))
    found = [hit for hit in hits if hit.rule.value != "none"]
    concrete = {hit.rule.value for hit in found}
    if _only_generic_break(found):
        return found
    return [hit for hit in found if not _superseded(hit, concrete)]


def _only_generic_break(hits: Sequence[Hit]) -> bool:
    return len(hits) <= 1


_BREAKABLE = frozenset(
    {"screen", "back_glass", "housing", "camera", "hinge", "keyboard", "button", "charging_port", "wheel"}
)


def _superseded(hit: Hit, concrete: set[str]) -> bool:
    """A bare "разбил" means the screen only while nothing else breakable is named; diagnosis only while nothing is."""
    if hit.rule.value == "screen" and hit.rule.source.endswith(": @break / no %vacuum"):
        return bool(concrete & (_BREAKABLE - {"screen"}))
    return hit.rule.value == "diagnostics" and len(concrete) > 1


def repair_facts(hits: Sequence[Hit], line: Line) -> tuple[Fact, ...]:
    """One fact for each repair type, in order of appearance, with every place it was read from."""
    groups: dict[str, list[Hit]] = {}
    for hit in hits:
        groups.setdefault(hit.rule.value, []).append(hit)
    facts = []
    for value, same in groups.items():
        best = max(same, key=lambda hit: hit.rule.confidence)
        spans = tuple(dict.fromkeys(line.span(hit.first, hit.last) for hit in same))
        facts.append(Fact(value, best.rule.confidence, Method.RULE, best.rule.source, spans))
    return tuple(facts)
