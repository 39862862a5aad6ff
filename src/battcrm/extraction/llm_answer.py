"""Checks what a model answered: against the schema, against the text (every fact needs its quote), against the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from battcrm.kit.errors import Invalid
from battcrm.models.facts import REPAIR_TYPES, AppealType, Candidate, Fact, Hypothesis, Method, PartOwner, Reading, Span

QUOTED: Final = 0.9
UNQUOTED: Final = 0.6
_CANDIDATE: Final = 0.5


class Names(Protocol):
    """The part of the catalogue that answers are checked against."""

    def resolve(self, brand: str | None, model: str) -> tuple[str, str] | None:
        """Canonical (brand, model) of a name, None when unknown."""
        ...

    def maker(self, name: str) -> str | None:
        """Canonical maker, None when unknown."""
        ...


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Repair(_Strict):
    """One repair type with its quote."""

    type: str
    evidence: str = Field("", max_length=400)


class Item(_Strict):
    """One device of the answer."""

    appeal_type: AppealType | None = None
    appeal_evidence: str = Field("", max_length=400)
    brand: str | None = Field(None, max_length=80)
    model: str | None = Field(None, max_length=80)
    device_evidence: str = Field("", max_length=400)
    repair_types: tuple[Repair, ...] = Field((), max_length=12)
    part_owner: PartOwner | None = None
    part_evidence: str = Field("", max_length=400)


class Answer(_Strict):
    """The whole answer."""

    items: tuple[Item, ...] = Field(min_length=1, max_length=8)


def parse_answer(raw: Mapping[str, Any]) -> Answer:
    """The answer as a typed value. Raises Invalid when it does not keep to the schema; its contents are not repeated."""
    try:
        return Answer.model_validate(raw)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise Invalid(f"the model's answer breaks the schema at {where}", field=where, code="invalid_answer") from None


def find_quote(quote: str, texts: Sequence[str]) -> Span | None:
    """Where a quote stands, letter for letter but for case and ё; None when it is nowhere."""
    wanted = _fold(quote.strip())
    if len(wanted) < 2:
        return None
    for index, text in enumerate(texts):
        start = _fold(text).find(wanted)
        if start >= 0:
            return Span(index, start, start + len(wanted))
    return None


def _fold(text: str) -> str:
    # Per character, so that offsets stay: str.casefold may change the length.
    return "".join(low if len(low := c.lower()) == 1 else c for c in text).replace("ё", "е")


def apply_answer(reading: Reading, answer: Answer, texts: Sequence[str], names: Names, source: str) -> Reading:
    """The reading with its open fields filled. Fields that rules settled are never touched."""
    pairs = _pairs(reading.hypotheses, answer.items)
    fill = _Filler(reading.open_fields, texts, names, source)
    hypotheses = tuple(fill.hypothesis(known, item) for known, item in pairs)
    left = frozenset(name for name in reading.open_fields if not getattr(hypotheses[-1], name, None))
    return replace(reading, hypotheses=hypotheses, open_fields=left)


def _pairs(known: Sequence[Hypothesis], items: Sequence[Item]) -> Iterable[tuple[Hypothesis, Item | None]]:
    if len(known) == len(items):
        return zip(known, items, strict=True)
    return [*((item, None) for item in known[:-1]), (known[-1], items[-1])]


class _Filler:
    """Fills one hypothesis at a time from one item of the answer."""

    def __init__(self, wanted: frozenset[str], texts: Sequence[str], names: Names, source: str) -> None:
        self._wanted, self._texts, self._names, self._source = wanted, texts, names, source

    def hypothesis(self, known: Hypothesis, item: Item | None) -> Hypothesis:
        if item is None:
            return known
        if "appeal_type" in self._wanted and item.appeal_type is not None:
            known = replace(known, appeal_type=self._fact(item.appeal_type, item.appeal_evidence))
        if "part_owner" in self._wanted and item.part_owner is not None and known.part_owner is None:
            known = replace(known, part_owner=self._fact(item.part_owner, item.part_evidence))
        if "repair_types" in self._wanted:
            known = replace(known, repair_types=self._repairs(known, item))
        return self._device(known, item) if self._wanted & {"brand", "model"} else known

    def _fact(self, value: str, evidence: str) -> Fact:
        span = find_quote(evidence, self._texts)
        return Fact(value, QUOTED if span else UNQUOTED, Method.MODEL, self._source, (span,) if span else ())

    def _repairs(self, known: Hypothesis, item: Item) -> tuple[Fact, ...]:
        facts = {fact.value: fact for fact in known.repair_types}
        for repair in item.repair_types:
            fact = self._fact(repair.type, repair.evidence)
            before = facts.get(repair.type)
            if repair.type in REPAIR_TYPES and (before is None or before.confidence < fact.confidence):
                facts[repair.type] = fact
        return tuple(facts.values())

    def _device(self, known: Hypothesis, item: Item) -> Hypothesis:
        if item.model is None or known.model is not None:
            if item.brand and known.brand is None and (maker := self._names.maker(item.brand)) is not None:
                return replace(known, brand=self._fact(maker, item.device_evidence))
            return known
        found = self._names.resolve(item.brand or (known.brand.value if known.brand else None), item.model)
        if found is None:
            candidate = Candidate(item.brand or "", item.model, _CANDIDATE)
            return replace(known, candidates=(*known.candidates, candidate))
        if known.brand is not None and known.brand.value != found[0]:
            return replace(known, candidates=(*known.candidates, Candidate(*found, _CANDIDATE)))
        brand = known.brand or self._fact(found[0], item.device_evidence)
        return replace(known, brand=brand, model=self._fact(found[1], item.device_evidence), candidates=())
