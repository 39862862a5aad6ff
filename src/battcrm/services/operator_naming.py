"""Devices as the catalogue spells them, for people who type them their own way."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from battcrm.models.facts import Fact
from battcrm.pipeline.ports import Extractor, ReadingContext
from battcrm.services.operator_correct import Naming

_SURE: Final = 0.75
_NOBODY: Final = ReadingContext(UUID(int=0))


def naming(extractor: Extractor) -> Naming:
    """What the extractor reads in "айфон 13 про": ("Apple", "iPhone 13 Pro", "phone"); None when it is not sure."""

    def named(text: str) -> tuple[str, str, str | None] | None:
        found = extractor.read([text], _NOBODY).main
        if found.brand is None or not _sure(found.brand):
            return None
        model = found.model.value if found.model is not None and _sure(found.model) else ""
        return found.brand.value, model, found.device_class

    return named


def _sure(fact: Fact) -> bool:
    return fact.confidence >= _SURE
