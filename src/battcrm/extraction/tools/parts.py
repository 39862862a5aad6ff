"""Whose part goes in: the client's own or the shop's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from battcrm.extraction.rules.line import Line
from battcrm.extraction.rules.match import Hit
from battcrm.models.facts import Fact, Method

CHOICE: Final = "choice"
"""The kind of a hit that leaves to us whose part goes in."""


def part_fact(hits: Sequence[Hit], line: Line) -> Fact | None:
    """The owner of the part; the later statement wins. `hits` are the standing hits of the book `part`.

    Who lets us choose ("ваш экран или мой нести?") states neither of the two.
    """
    found = [hit for hit in hits if hit.rule.value != "none"]
    choices = [hit for hit in found if hit.rule.kind == CHOICE]
    found = [hit for hit in found if hit.rule.kind == CHOICE or not any(_overlap(hit, one) for one in choices)]
    if not found:
        return None
    last = max(found, key=lambda hit: (hit.last, hit.rule.confidence))
    return Fact(
        last.rule.value, last.rule.confidence, Method.RULE, last.rule.source, (line.span(last.first, last.last),)
    )


def _overlap(one: Hit, other: Hit) -> bool:
    return one.first <= other.last and other.first <= one.last
