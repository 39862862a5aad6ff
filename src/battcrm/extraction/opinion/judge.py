"""Where rules and likeness disagree: who is believed, and when nobody is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from battcrm.extraction.opinion.opinion import Opinion
from battcrm.extraction.opinion.weights import OWNERS, REPAIRS
from battcrm.extraction.rules.line import Line
from battcrm.extraction.thresholds import ACT
from battcrm.models.facts import AppealType, Fact, Hypothesis, Method

_DOUBT_TYPE: Final = 0.1
_TRUST_TYPE: Final = 0.8
_OVERRULE_TYPE: Final = 0.97
_DOUBT_REPAIR: Final = 0.2
_DOUBT_SURE_REPAIR: Final = 0.1
_DOUBT_CERTAIN_REPAIR: Final = 0.02
_TRUST_REPAIR: Final = 0.4
_TRUST_OWNER: Final = 0.5
_DOUBT_OWNER: Final = 0.02
_OVERRULE_OWNER: Final = 0.8
"""Found on batches of dialogues that neither the rules nor the weights had seen; see docs/guides/extraction.md."""
_SURE: Final = 0.96
_CERTAIN: Final = 0.97
_AGREED: Final = 0.5
_DOUBTED: Final = 0.65
_TRUSTED: Final = 0.8
_ENOUGH: Final = 3
"""Fewer words than this say too little to be likened to anything."""


def applies(line: Line, known: Hypothesis | None) -> bool:
    """Whether an opinion of the text counts: on a first wish of some length. What comes after leans on what was said before."""
    if len(line.words) - len(line.devices) < _ENOUGH:
        return False
    return known is None or known.appeal_type is None or known.appeal_type.value == AppealType.OTHER


def judged_type(fact: Fact | None, opinion: Opinion, *, brought: bool = False) -> Fact | None:
    """The wish after both were heard: kept, doubted (below ACT), overruled, or found where the rules found none.

    `brought` says that the client brings the part: then a repair is no matter of doubt.
    """
    if brought and fact is not None and fact.value == AppealType.REPAIR:
        return fact
    likest = opinion.best_type
    if fact is not None and fact.confidence >= ACT:
        weighed = _weighed(fact, opinion.types[fact.value], _DOUBT_TYPE)
        if weighed.confidence >= ACT or opinion.types[likest] < _OVERRULE_TYPE:
            return weighed
    elif opinion.types[likest] < _TRUST_TYPE:
        return fact
    return Fact(likest, _TRUSTED, Method.RULE, f"opinion: like dialogues of type {likest}")


def judged_repairs(
    facts: Sequence[Fact],
    opinion: Opinion,
    wish: Fact | None,
    denied: frozenset[str] = frozenset(),
    *,
    owned: bool = False,
) -> tuple[Fact, ...]:
    """Repairs after both were heard. A text where the rules found none gets the likely ones, if it wishes a repair.

    `denied` are types the client says are not the trouble: beside them likeness finds nothing. `owned` says that the text
    tells whose part goes in: then a part that is merely named is the one.
    """
    if facts:
        return tuple(_weighed(fact, opinion.share(fact.value), _floor(fact, owned=owned)) for fact in facts)
    if denied or wish is None or wish.value not in {AppealType.REPAIR, AppealType.WARRANTY}:
        return ()  # a text that says what is not the trouble is like the trouble it denies
    likely = opinion.likely(REPAIRS, _TRUST_REPAIR)
    return tuple(
        Fact(value, _TRUSTED, Method.RULE, f"opinion: like {value}") for value in likely if value not in denied
    )


def judged_owner(fact: Fact | None, opinion: Opinion, wish: Fact | None, *, named: bool = True) -> Fact | None:
    """Whose part: the rules' word, else a likely owner where a repair is wished. The rules are overruled or doubted too.

    `named` says that the text names a part: of none there is no owner to be found.
    """
    if wish is None or wish.value != AppealType.REPAIR or (fact is None and not named):
        return fact
    likely = opinion.likely(OWNERS, _TRUST_OWNER if fact is None else _OVERRULE_OWNER)
    if likely and (fact is None or (likely[0] != fact.value and fact.confidence < _CERTAIN)):
        return Fact(likely[0], _TRUSTED, Method.RULE, f"opinion: like a {likely[0]}'s part")
    return fact and _weighed(fact, opinion.share(fact.value), _DOUBT_OWNER)


def _floor(fact: Fact, *, owned: bool) -> float:
    """A fault told in so many words is doubted later than a part that is merely named.

    `other` is a hundred unlike things: no text is much like all of them.
    """
    if owned or fact.value == "other" or fact.confidence >= _CERTAIN:
        return _DOUBT_CERTAIN_REPAIR
    return _DOUBT_SURE_REPAIR if fact.confidence >= _SURE else _DOUBT_REPAIR


def _weighed(fact: Fact, share: float, floor: float) -> Fact:
    """Doubted below the floor; surer where the opinion thinks so too."""
    if share < floor:
        return replace(fact, confidence=min(fact.confidence, _DOUBTED), source=f"{fact.source} (doubted)")
    if share >= _AGREED and ACT <= fact.confidence < _SURE:
        return replace(fact, confidence=_SURE)
    return fact
