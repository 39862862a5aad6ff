"""What the tests of this folder share."""

from __future__ import annotations

from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.extraction.normalise import normalise
from battcrm.extraction.tools.model import DeviceMention, find_devices
from battcrm.models.facts import Candidate, Fact, Hypothesis, Method

CATALOGUE = Catalogue.load()


def devices(text: str, known: Hypothesis | None = None) -> tuple[DeviceMention, ...]:
    return find_devices(normalise(text), 0, CATALOGUE, known)


def facts(text: str, known: Hypothesis | None = None) -> list[tuple[str | None, str | None]]:
    """(brand, model) of every mention that is not negated."""
    return [
        (item.brand.value if item.brand else None, item.model.value if item.model else None)
        for item in devices(text, known)
        if not item.negated
    ]


def known(brand: str, model: str | None = None, candidates: tuple[Candidate, ...] = ()) -> Hypothesis:
    return Hypothesis(
        brand=Fact(brand, 0.96, Method.GAZETTEER) if brand else None,
        model=Fact(model, 0.96, Method.GAZETTEER) if model else None,
        candidates=candidates,
    )
