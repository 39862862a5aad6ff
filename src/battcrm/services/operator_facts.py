"""Facts an operator sets, and what becomes of facts when the messages they came from move. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from battcrm.kit.errors import Invalid
from battcrm.kit.text import storable
from battcrm.models.facts import REPAIR_TYPES, AppealType, Fact, Hypothesis, Method, PartOwner
from battcrm.pipeline.knowledge import facts_of

SOURCE: Final = "operator"
SCALARS: Final = ("appeal_type", "brand", "model", "part_owner")
PRICED_BY: Final = ("brand", "model", "repair_types", "part_owner")
"""Fields a price hangs on."""
_NAMES: Final = {
    "type": "appeal_type", "wish": "appeal_type", "repair": "repair_types", "repairs": "repair_types",
    "part": "part_owner", "owner": "part_owner",
}  # fmt: skip
_ALLOWED: Final[dict[str, tuple[str, ...]]] = {
    "appeal_type": tuple(AppealType),
    "repair_types": tuple(REPAIR_TYPES),
    "part_owner": tuple(PartOwner),
}
_LIMIT: Final = 80


@dataclass(frozen=True, slots=True)
class FactLine:
    """A row of `fact`: where a value came from."""

    fact_id: UUID
    field: str
    value: str
    confidence: float
    method: str
    source: str
    created_at: datetime

    @property
    def fact(self) -> Fact:
        """As the appeal keeps it."""
        return Fact(self.value, self.confidence, Method(self.method), self.source, locked=self.method == SOURCE)


def wanted_facts(pairs: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Checked values by field; an empty one means that the field is not known. Invalid names field and remedy."""
    wanted: dict[str, tuple[str, ...]] = {}
    for name, given in pairs.items():
        field = _NAMES.get(name, name)
        if field not in (*SCALARS, "repair_types"):
            raise Invalid(f"there is no fact {name!r}", field=name, remedy="type, brand, model, repair or part_owner")
        values = tuple(dict.fromkeys(v for raw in given if (v := " ".join(storable(raw).split()))))
        if field != "repair_types" and len(values) > 1:
            raise Invalid(f"{field} has one value, not {len(values)}", field=field, remedy="give one, or none to clear")
        wanted[field] = tuple(_checked(field, value) for value in values)
    return wanted


def _checked(field: str, value: str) -> str:
    allowed = _ALLOWED.get(field)
    if allowed is not None and value.lower() not in allowed:
        raise Invalid(f"{field} cannot be {value!r}", field=field, remedy=f"one of: {', '.join(allowed)}")
    if len(value) > _LIMIT:
        raise Invalid(f"{field} has {len(value)} characters", field=field, remedy=f"at most {_LIMIT}")
    return value if allowed is None else value.lower()


def with_set(known: Hypothesis, wanted: Mapping[str, Sequence[str]]) -> Hypothesis:
    """What is known after the operator's word: locked, so that no later message changes it.

    A new brand without a model forgets the model, which was another maker's. A model locks its brand too. Invalid when
    a model has no brand to belong to.
    """
    values = {field: tuple(_locked(v) for v in given) for field, given in wanted.items()}
    known = replace(
        known,
        appeal_type=_one(values, "appeal_type", known.appeal_type),
        part_owner=_one(values, "part_owner", known.part_owner),
        repair_types=values.get("repair_types", known.repair_types),
    )
    if "brand" not in values and "model" not in values:
        return known
    brand = _one(values, "brand", known.brand)
    same_maker = brand is None or (known.brand is not None and brand.value.casefold() == known.brand.value.casefold())
    model = _one(values, "model", known.model if same_maker else None)
    if model is not None and brand is None:
        raise Invalid("a model without its brand", field="brand", remedy="give the brand too: --set brand=…")
    if model is not None and brand is not None and "model" in values:
        brand = _locked(brand.value)
    moved = not same_maker or model is None
    return replace(
        known, brand=brand, model=model, candidates=(), device_class=None if moved else known.device_class
    )  # fmt: skip


def _locked(value: str) -> Fact:
    return Fact(value, 1.0, Method.OPERATOR, SOURCE, locked=True)


def _one(values: Mapping[str, tuple[Fact, ...]], field: str, before: Fact | None) -> Fact | None:
    if field not in values:
        return before
    return values[field][0] if values[field] else None


def without_moved(known: Hypothesis, gone: Sequence[FactLine], left: Sequence[FactLine]) -> Hypothesis:
    """What an appeal still knows once `gone` came from messages of another one; `left` are the rows that stay.

    A value nobody said in what stays falls back to the last one said before it. Values that never had a row stay.
    """
    lost = {(line.field, line.value) for line in gone}
    kept = {(line.field, line.value) for line in left}
    changes: dict[str, Fact | None] = {}
    for name, fact in facts_of(known):
        if name == "repair_types" or fact.locked or (name, fact.value) not in lost or (name, fact.value) in kept:
            continue
        earlier = [line for line in left if line.field == name]
        changes[name] = earlier[-1].fact if earlier else None
    repairs = tuple(
        f
        for f in known.repair_types
        if f.locked or ("repair_types", f.value) not in lost or ("repair_types", f.value) in kept
    )
    left_alone = replace(known, repair_types=repairs, **changes)  # type: ignore[arg-type]
    if "brand" in changes or "model" in changes:
        left_alone = replace(left_alone, candidates=(), device_class=None)
    return left_alone


def with_moved(known: Hypothesis, came: Sequence[FactLine], own: Sequence[FactLine], other: Hypothesis) -> Hypothesis:
    """What an appeal knows with the facts that came to it; `own` are its rows, `other` the appeal they came from.

    What was said last wins, an operator's fact stays, repairs add up.
    """
    newest: dict[str, FactLine] = {}
    for line in sorted(came, key=lambda x: (x.created_at, x.fact_id)):
        newest[line.field] = line
    last_own = {line.field: line.created_at for line in sorted(own, key=lambda x: x.created_at)}
    take = {
        name: line.fact
        for name, line in newest.items()
        if name in SCALARS and not _stands(getattr(known, name), last_own.get(name), line)
    }
    if known.model is not None and known.model.locked:
        take.pop("brand", None)
    if known.brand is not None and known.brand.locked and take.get("model") and _other_maker(known, other):
        take.pop("model")
    if "brand" in take and known.brand is not None and take["brand"].value != known.brand.value and "model" not in take:
        known = replace(known, model=None, candidates=(), device_class=None)
    had = {f.value for f in known.repair_types}
    more = {line.value: line.fact for line in came if line.field == "repair_types" and line.value not in had}
    grown = replace(known, repair_types=(*known.repair_types, *more.values()), **take)  # type: ignore[arg-type]
    if grown.model is not None:
        grown = replace(grown, candidates=())
    if "brand" in take or "model" in take:
        grown = replace(grown, device_class=other.device_class or grown.device_class)
    return grown


def _stands(known: Fact | None, said_at: datetime | None, line: FactLine) -> bool:
    if known is None:
        return False
    return known.locked or (said_at is not None and said_at > line.created_at)


def _other_maker(known: Hypothesis, other: Hypothesis) -> bool:
    return known.brand is not None and other.brand is not None and known.brand.value != other.brand.value


def values_of(known: Hypothesis) -> dict[str, list[str]]:
    """The values by field, for people and comparisons."""
    values: dict[str, list[str]] = {}
    for name, fact in facts_of(known):
        values.setdefault(name, []).append(fact.value)
    return values


def price_moved(before: Hypothesis, after: Hypothesis) -> bool:
    """Whether something changed that a price hangs on."""
    old, new = values_of(before), values_of(after)
    return any(sorted(old.get(f, [])) != sorted(new.get(f, [])) for f in PRICED_BY)
