"""What the client wants. Explicit wishes beat descriptions, descriptions beat hints; among equals the later one wins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from battcrm.extraction.rules.line import Line
from battcrm.extraction.rules.match import Hit
from battcrm.models.facts import AppealType, Fact, Method

_WEIGHTS: Final = {"ask": 3.0, "tell": 2.0, "": 2.0, "soft": 1.5, "hint": 1.0}
_ANCHORED: Final = frozenset({"warranty", "status"})


@dataclass(frozen=True, slots=True)
class Cue:
    """One reason for a type: how much it counts and where it stands."""

    value: str
    weight: float
    place: int
    confidence: float
    source: str
    first: int


def type_fact(hits: Sequence[Hit], repairs: Iterable[Hit], line: Line) -> Fact | None:
    """The wish, or None when nothing speaks of one. `hits` are the standing hits of the book `type`."""
    cues = [_cue(hit) for hit in hits if hit.rule.value != "none"]
    cues += [_repair_cue(hit) for hit in repairs]
    if not cues:
        return None
    cues = _settle(cues)
    best = max(cues, key=lambda cue: (cue.weight, cue.place, cue.confidence))
    rivals = {cue.value for cue in cues if cue.weight == best.weight and cue.value != best.value}
    confidence = best.confidence - (0.06 if rivals else 0.0)
    return Fact(best.value, round(confidence, 3), Method.RULE, best.source, (line.span(best.first, best.place),))


def _cue(hit: Hit) -> Cue:
    rule = hit.rule
    return Cue(rule.value, _WEIGHTS[rule.kind], hit.last, rule.confidence, rule.source, hit.first)


def _repair_cue(hit: Hit) -> Cue:
    bare = hit.rule.kind == "part"
    source = f"type.repair: {hit.rule.value} is {'named' if bare else 'described'}"
    return Cue(AppealType.REPAIR, 1 if bare else 2, hit.last, 0.86 if bare else 0.93, source, hit.first)


def _settle(cues: list[Cue]) -> list[Cue]:
    """Meaning that does not depend on order: a price or a part belongs to the wish to buy or sell it."""
    asked = {cue.value for cue in cues if cue.weight == 3}
    if asked & {"purchase", "sell", "warranty", "status"}:
        cues = [cue for cue in cues if not (cue.value == "repair" and cue.weight < 3)]
    if "repair" in {cue.value for cue in cues} and asked <= {"info", "other"}:
        return [cue for cue in cues if cue.value != "other"]
    return cues
