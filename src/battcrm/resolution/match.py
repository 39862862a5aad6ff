"""How well a wish fits an appeal: by device, by repair, by the question that is open."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from battcrm.models.facts import AppealType, Fact, Hypothesis
from battcrm.models.situation import AppealStatus, AppealView

OPEN: Final = frozenset(
    {AppealStatus.NEW, AppealStatus.COLLECTING, AppealStatus.QUOTED, AppealStatus.AGREED, AppealStatus.IN_REPAIR}
)
EARLY: Final = frozenset({AppealStatus.NEW, AppealStatus.COLLECTING})
AT_WORK: Final = frozenset({AppealStatus.AGREED, AppealStatus.IN_REPAIR})
WISHES: Final = frozenset({AppealType.REPAIR, AppealType.PURCHASE, AppealType.SELL})
# A repair that only one kind of device can need tells the device without naming it.
CLASS_OF_REPAIR: Final = {
    "keyboard": "laptop",
    "hinge": "laptop",
    "joystick": "console",
    "wheel": "scooter",
    "controller": "scooter",
    "backlight": "tv",
}
_PUNCTUATION: Final = re.compile(r"[\s\-()+._/]+")


class Fit(IntEnum):
    """Relation of the device named in a message to an appeal's device."""

    DIFFERENT = 0
    UNSAID = 1  # the message names no device
    FILLS = 2  # the appeal has no device yet
    COMPATIBLE = 3  # brand, class or one of the candidates agrees
    REFINES = 4  # the same name with a modifier more or less
    SAME = 5


@dataclass(frozen=True, slots=True)
class Device:
    """A device as far as it was named, normalised for comparison."""

    brand: str = ""
    model: str = ""
    device_class: str = ""
    candidates: frozenset[tuple[str, str]] = frozenset()

    @property
    def named(self) -> bool:
        """Whether anything at all was said about the device."""
        return bool(self.brand or self.model or self.device_class or self.candidates)


def squeeze(name: str) -> str:
    """A name without case, spaces, hyphens and brackets; plus signs keep their meaning."""
    return _PUNCTUATION.sub("", name.replace("+", "plus")).lower()


def _value(fact: Fact | None, floor: float) -> str:
    return squeeze(fact.value) if fact is not None and (fact.locked or fact.confidence >= floor) else ""


def device_of(hypothesis: Hypothesis, floor: float) -> Device:
    """The device of a hypothesis; facts below `floor` count only as candidates."""
    model = _value(hypothesis.model, floor)
    brand = _value(hypothesis.brand, floor)
    if model and brand and model.startswith(brand) and model != brand:
        model = model[len(brand) :]
    candidates = frozenset((squeeze(c.brand), squeeze(c.model)) for c in hypothesis.candidates) if not model else ()
    return Device(brand, model, (hypothesis.device_class or "").lower(), frozenset(candidates))


def repairs_of(hypothesis: Hypothesis, floor: float) -> frozenset[str]:
    """Repair types said with enough confidence."""
    return frozenset(f.value for f in hypothesis.repair_types if f.locked or f.confidence >= floor)


def type_of(hypothesis: Hypothesis, floor: float) -> AppealType | None:
    """The appeal type, if it is a known one."""
    fact = hypothesis.appeal_type
    if fact is None or not (fact.locked or fact.confidence >= floor):
        return None
    return AppealType(fact.value) if fact.value in set(AppealType) else None


def fit(said: Device, known: Device) -> Fit:
    """How the device that was named relates to the device of an appeal."""
    if not said.named:
        return Fit.UNSAID
    if said.device_class and known.device_class and said.device_class != known.device_class:
        return Fit.DIFFERENT
    if said.brand and known.brand and said.brand != known.brand:
        return Fit.DIFFERENT
    if said.model and known.model:
        return _fit_models(said.model, known.model)
    if not (known.brand or known.model or known.candidates):
        return Fit.COMPATIBLE if _only_class(said) and known.device_class else Fit.FILLS
    return Fit.COMPATIBLE if _candidates_agree(said, known) else Fit.DIFFERENT


def _candidates_agree(said: Device, known: Device) -> bool:
    """False when a named model, or a brand, is none of the other side's candidates."""
    if said.candidates and known.model:
        return any(model == known.model for _, model in said.candidates)
    if known.candidates and said.model:
        return any(model == said.model for _, model in known.candidates)
    if said.candidates and known.brand:
        return any(brand == known.brand for brand, _ in said.candidates)
    return True


def _only_class(device: Device) -> bool:
    return bool(device.device_class) and not (device.brand or device.model or device.candidates)


def _fit_models(said: str, known: str) -> Fit:
    if said == known:
        return Fit.SAME
    if said.startswith(known) or known.startswith(said):
        rest = said[len(known) :] if len(said) > len(known) else known[len(said) :]
        return Fit.REFINES if not rest[0].isdigit() else Fit.DIFFERENT
    return Fit.DIFFERENT


def answers(hypothesis: Hypothesis, appeal: AppealView, floor: float, choice: int | None) -> bool:
    """Whether the message settles exactly what this appeal was asked last."""
    expected = appeal.expecting
    if expected is None:
        return False
    if choice is not None and appeal.options:
        return 0 <= choice <= len(appeal.options)
    if expected in {"model", "brand"}:
        return device_of(hypothesis, floor).named
    if expected == "repair_types":
        return bool(repairs_of(hypothesis, floor))
    if expected == "part_owner":
        return hypothesis.part_owner is not None
    if expected == "appeal_type":
        return type_of(hypothesis, floor) in WISHES
    return False
