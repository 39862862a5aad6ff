"""One reader for all extraction tests: the catalogue is loaded once a process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from battcrm.extraction.dispatcher import RuleReader
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.extraction.thresholds import ACT
from battcrm.models.facts import Fact, Hypothesis, Reading


@dataclass(frozen=True, slots=True)
class Asked:
    known: Hypothesis | None = None
    expecting: str | None = None
    options: tuple[str, ...] = ()


@cache
def catalogue() -> Catalogue:
    return Catalogue.load()


@cache
def reader() -> RuleReader:
    return RuleReader(catalogue())


def read(*texts: str, context: Asked | None = None) -> Reading:
    return reader().read(texts, context)


def sure(fact: Fact | None) -> str | None:
    return fact.value if fact is not None and fact.confidence >= ACT else None


def repairs(hypothesis: Hypothesis) -> set[str]:
    return {fact.value for fact in hypothesis.repair_types if fact.confidence >= ACT}
