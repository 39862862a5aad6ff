"""Facts of an appeal as they are kept in `appeal.known`, and how they change from turn to turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from battcrm.models.facts import Candidate, Fact, Hypothesis, Method


def to_json(known: Hypothesis) -> dict[str, Any]:
    """Compact JSON of a hypothesis: only what is known."""
    document: dict[str, Any] = {}
    for name in ("appeal_type", "brand", "model", "part_owner"):
        fact: Fact | None = getattr(known, name)
        if fact is not None:
            document[name] = _fact(fact)
    if known.repair_types:
        document["repair_types"] = [_fact(f) for f in known.repair_types]
    if known.device_class:
        document["device_class"] = known.device_class
    if known.candidates:
        document["candidates"] = [[c.brand, c.model, round(c.score, 4)] for c in known.candidates]
    return document


def from_json(document: dict[str, Any]) -> Hypothesis:
    """The hypothesis again; spans are not kept here (they live in the fact rows)."""
    return Hypothesis(
        appeal_type=_load(document.get("appeal_type")),
        brand=_load(document.get("brand")),
        model=_load(document.get("model")),
        repair_types=tuple(f for d in document.get("repair_types", ()) if (f := _load(d)) is not None),
        part_owner=_load(document.get("part_owner")),
        device_class=document.get("device_class"),
        candidates=tuple(Candidate(*c) for c in document.get("candidates", ())),
    )


def facts_of(known: Hypothesis) -> Iterator[tuple[str, Fact]]:
    """(field, fact) of everything known; several for `repair_types`."""
    for name in ("appeal_type", "brand", "model", "part_owner"):
        fact: Fact | None = getattr(known, name)
        if fact is not None:
            yield name, fact
    for fact in known.repair_types:
        yield "repair_types", fact


def changed_facts(before: Hypothesis, after: Hypothesis) -> list[tuple[str, Fact]]:
    """What a turn established: facts whose value, method or lock differ from what was known."""
    old = {(name, f.value, f.method, f.locked) for name, f in facts_of(before)}
    return [(name, f) for name, f in facts_of(after) if (name, f.value, f.method, f.locked) not in old]


def _fact(fact: Fact) -> dict[str, Any]:
    document: dict[str, Any] = {"v": fact.value, "c": round(fact.confidence, 4), "m": fact.method.value}
    if fact.source:
        document["s"] = fact.source
    if fact.locked:
        document["l"] = True
    return document


def _load(document: dict[str, Any] | None) -> Fact | None:
    if not document:
        return None
    return Fact(
        value=document["v"],
        confidence=document["c"],
        method=Method(document["m"]),
        source=document.get("s", ""),
        locked=bool(document.get("l")),
    )
