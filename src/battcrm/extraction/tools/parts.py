"""Whose part goes in: the client's own or the shop's."""

from __future__ import annotations

from collections.abc import Sequence

from battcrm.extraction.rules.line import Line
from battcrm.extraction.rules.match import Hit
from battcrm.models.facts import Fact, Method


def part_fact(hits: Sequence[Hit], line: Line) -> Fact | None:
    """The owner of the part; the later statement wins. `hits` are the standing hits of the book `part`."""
    found = [hit for hit in hits if hit.rule.value != "none"]
    if not found:
        return None
    last = max(found, key=lambda hit: (hit.last, hit.rule.confidence))
    return Fact(
        last.rule.value, last.rule.confidence, Method.RULE, last.rule.source, (line.span(last.first, last.last),)
    )
