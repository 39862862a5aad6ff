"""Which devices a lone number may mean."""

from __future__ import annotations

from typing import Final

from battcrm.extraction.gazetteer.catalogue import Catalogue, Model

_MAKERS: Final = ("apple", "xiaomi", "honor", "realme", "oneplus")


def by_number(catalogue: Catalogue, number: str, device_class: str | None) -> list[Model]:
    """Models called by this number alone, one maker after another, the likeliest maker first."""
    found: list[Model] = []
    for maker in _MAKERS:
        models = [item.model for item in catalogue.named(f"{maker}|{number} ")]
        found.extend(model for model in models if device_class in (None, model.device_class) and model.weight > 0)
    return sorted(found, key=lambda model: -model.weight)
