"""What the client wants. Explicit wishes beat descriptions, descriptions beat hints; among equals the later one wins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from battcrm.extraction.rules.line import Line
from battcrm.extraction.rules.match import Hit, class_of, sentence
from battcrm.extraction.tools.parts import CHOICE
from battcrm.models.facts import AppealType, Fact, Method, PartOwner

_WEIGHTS: Final = {"ask": 3.0, "tell": 2.0, "": 2.0, "soft": 1.5, "hint": 1.0}
_ASK: Final = 3.0
_TOLD: Final = 2.0
_UNDER_WARRANTY: Final = frozenset({"repair", "status", "info"})
_ELSEWHERE: Final = "elsewhere"
"""The kind of a hit that says an earlier repair was not ours."""
_OVER_REPAIR: Final = frozenset({"warranty", "sell"})


@dataclass(frozen=True, slots=True)
class Cue:
    """One reason for a type: how much it counts and where it stands.

    `brought` speaks of a part of the client's own, or of bringing one: whoever buys it, it is to be put in.
    `named` is a repair that was named or described, not only its price.
    """

    value: str
    weight: float
    place: int
    confidence: float
    source: str
    first: int
    brought: bool = False
    named: bool = False


def type_fact(hits: Sequence[Hit], repairs: Iterable[Hit], owners: Iterable[Hit], line: Line) -> Fact | None:
    """The wish, or None when nothing speaks of one. `hits` are the standing hits of the book `type`, `owners` of `part`."""
    said = [hit for hit in hits if hit.rule.value != "none"]
    if any(hit.rule.kind == _ELSEWHERE for hit in hits):
        said = [hit for hit in said if hit.rule.value != AppealType.WARRANTY or _names_us(hit, line)]
    cues = [_cue(hit) for hit in said]
    cues += [_repair_cue(hit) for hit in repairs]
    named = bool(line.devices) or any(cue.value == AppealType.REPAIR for cue in cues)
    cues += [_owner_cue(hit, named) for hit in owners if hit.rule.value != "none"]
    if not cues:
        return None
    cues = _settle(cues, line)
    best = max(cues, key=lambda cue: (cue.weight, cue.place, cue.confidence))
    rivals = {cue.value for cue in cues if cue.weight == best.weight and cue.value != best.value}
    confidence = best.confidence - (0.06 if rivals else 0.0)
    return Fact(best.value, round(confidence, 3), Method.RULE, best.source, (line.span(best.first, best.place),))


def _names_us(hit: Hit, line: Line) -> bool:
    """Whether a complaint says who is to blame: "у вас", "ваш мастер"."""
    return any(class_of("@you") in word.classes for word in line.words[hit.first : hit.last + 1])


def _cue(hit: Hit) -> Cue:
    rule = hit.rule
    return Cue(rule.value, _WEIGHTS[rule.kind], hit.last, rule.confidence, rule.source, hit.first)


def _repair_cue(hit: Hit) -> Cue:
    bare = hit.rule.kind == "part"
    source = f"type.repair: {hit.rule.value} is {'named' if bare else 'described'}"
    return Cue(AppealType.REPAIR, 1 if bare else 2, hit.last, 0.86 if bare else 0.93, source, hit.first, named=True)


def _owner_cue(hit: Hit, named: bool) -> Cue:
    """Who speaks of bringing a part, or of ours going in, wants it put in; if of none in particular, he only asks."""
    own = hit.rule.value == PartOwner.CLIENT
    weight = (_ASK if own else 2.0) if named else 1.0
    source = f"type.repair: {hit.rule.value}'s part"
    return Cue(AppealType.REPAIR, weight, hit.last, 0.92, source, hit.first, brought=own or hit.rule.kind == CHOICE)


def _settle(cues: list[Cue], line: Line) -> list[Cue]:
    """Meaning that does not depend on order: what a price, a part or a request for repair belongs to."""
    if any(cue.brought for cue in cues):
        cues = [cue for cue in cues if cue.value != AppealType.PURCHASE]
    asked = {cue.value for cue in cues if cue.weight == _ASK}
    if asked & {"purchase", "sell", "warranty", "status"}:
        cues = [cue for cue in cues if not (cue.value == "repair" and cue.weight < _ASK)]
    cues = [cue for cue in cues if cue.value != AppealType.INFO or not _beside_repair(cue, cues, line)]
    masters = [cue for cue in cues if cue.weight == _ASK and cue.value in _OVER_REPAIR]
    return [cue for cue in cues if not any(_outranks(master, cue, line) for master in masters)]


def _beside_repair(info: Cue, cues: Sequence[Cue], line: Line) -> bool:
    """Whether the same turn asks for a repair apart from it: who asks the way beside it has not come for the way.

    Apart is another sentence; in the same one it is a part and a price, both outside the words of the question.
    """
    first, end = sentence(line.words, info.place)
    repairs = [cue for cue in cues if cue.value == AppealType.REPAIR]
    if any(cue.weight >= _TOLD and (cue.first >= end or cue.place < first) for cue in repairs):
        return True
    outside = [cue for cue in repairs if cue.first > info.place or cue.place < info.first]
    return any(cue.named for cue in outside) and any(cue.weight < _TOLD and not cue.named for cue in outside)


def _outranks(master: Cue, cue: Cue, line: Line) -> bool:
    """A complaint asks for repair anyway, wherever it does; a sale does so only in its own sentence."""
    if master.value == AppealType.WARRANTY:
        return cue.value in _UNDER_WARRANTY
    if cue.value != AppealType.REPAIR:
        return False
    first, last = sentence(line.words, master.first)
    return first <= cue.first < last
