"""How facts of an appeal grow from turn to turn. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from battcrm.extraction.thresholds import ACT
from battcrm.models.facts import AppealType, Fact, Hypothesis, Reading


def merge(known: Hypothesis, fresh: Hypothesis, *, correction: bool = False) -> Hypothesis:
    """Facts after the turn. They accumulate; a correction replaces; an operator's (locked) fact stays.

    A more precise model replaces a family; another device without a correction does not overwrite the known one:
    that is a hypothesis of its own and the router's decision.
    """
    brand, model = _device(known, fresh, correction=correction)
    settled = model is not None and model.confidence >= ACT
    return Hypothesis(
        appeal_type=_wish(known.appeal_type, fresh.appeal_type),
        brand=brand,
        model=model,
        repair_types=_union(known.repair_types, fresh.repair_types, replace_all=correction),
        part_owner=_newer(known.part_owner, fresh.part_owner),
        device_class=fresh.device_class or known.device_class,
        candidates=() if settled else fresh.candidates or known.candidates,
    )


def advance(known: Sequence[Hypothesis], reading: Reading) -> tuple[Hypothesis, ...]:
    """Hypotheses of a conversation after one more reading: the last device asked about is the last in the tuple.

    Another device takes over the wish it does not state itself ("а на редми 9 сколько?").
    """
    fresh = reading.hypotheses
    if not known:
        return tuple(fresh)
    if len(fresh) > 1:
        return tuple(merge(_counterpart(known, item), item) for item in fresh)
    item = fresh[0]
    if same_device(known[-1], item) or reading.signals.correction:
        return (*known[:-1], merge(known[-1], item, correction=reading.signals.correction))
    return (_carry(known[-1], item),)


def same_device(known: Hypothesis, fresh: Hypothesis) -> bool:
    """Whether nothing in the two contradicts that they speak of one device."""
    if _differs(known.brand, fresh.brand):
        return False
    if known.model is None or fresh.model is None or not _differs(known.model, fresh.model):
        return True
    return _extends(fresh.model.value, known.model.value)


def _differs(one: Fact | None, other: Fact | None) -> bool:
    return one is not None and other is not None and one.value.casefold() != other.value.casefold()


def _extends(longer: str, shorter: str) -> bool:
    return longer.casefold().startswith(shorter.casefold() + " ")


def _counterpart(known: Sequence[Hypothesis], fresh: Hypothesis) -> Hypothesis:
    for item in known:
        if item.model is not None and fresh.model is not None and same_device(item, fresh):
            return item
    return Hypothesis(appeal_type=known[-1].appeal_type)


def _carry(known: Hypothesis, fresh: Hypothesis) -> Hypothesis:
    wish = _wish(known.appeal_type, fresh.appeal_type)
    return replace(fresh, appeal_type=wish, repair_types=fresh.repair_types or known.repair_types)


def _device(known: Hypothesis, fresh: Hypothesis, *, correction: bool) -> tuple[Fact | None, Fact | None]:
    locked = any(fact is not None and fact.locked for fact in (known.brand, known.model))
    if locked and _differs(known.brand, fresh.brand):
        return known.brand, known.model  # a model of another maker does not belong to the maker a person has named
    if locked or (not correction and not same_device(known, fresh)):
        return known.brand or fresh.brand, known.model or fresh.model
    if fresh.brand is not None and _differs(known.brand, fresh.brand):
        return fresh.brand, fresh.model
    return _newer(known.brand, fresh.brand), _newer(known.model, fresh.model)


def _newer(known: Fact | None, fresh: Fact | None) -> Fact | None:
    if fresh is None or (known is not None and known.locked):
        return known
    if known is None or fresh.value != known.value:
        weaker = known is not None and fresh.confidence < ACT <= known.confidence
        return known if weaker else fresh
    return known if known.confidence >= fresh.confidence else fresh


def _wish(known: Fact | None, fresh: Fact | None) -> Fact | None:
    """The last substantial wish: a greeting or thanks after it does not count."""
    if known is not None and fresh is not None and fresh.value == AppealType.OTHER and known.value != AppealType.OTHER:
        return known
    return _newer(known, fresh)


def _union(known: tuple[Fact, ...], fresh: tuple[Fact, ...], *, replace_all: bool) -> tuple[Fact, ...]:
    if replace_all and fresh:
        known = tuple(fact for fact in known if fact.locked)
    merged = {fact.value: fact for fact in known}
    for fact in fresh:
        before = merged.get(fact.value)
        if before is None or (not before.locked and fact.confidence > before.confidence):
            merged[fact.value] = fact
    return tuple(merged.values())
