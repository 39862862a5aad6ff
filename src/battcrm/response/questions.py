"""The next question: the one that tells most about the price, with its choices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log2
from typing import Final

from battcrm.models.situation import Plan, Question
from battcrm.response.case import Case
from battcrm.response.labels import label
from battcrm.response.reasons import Reason, Rejection
from battcrm.response.text import join_name, plain

MAX_ASKS_PER_FIELD: Final = 2
# How much a field moves the price, relative to the repair type: a wrong model is a wrong price.
_IMPACT: Final = {"model": 4.0, "repair_types": 1.0}
_UNKNOWN_MODEL_BITS: Final = {True: 4.0, False: 6.0}  # brand known / nothing known
_NONE_OF_THEM: Final = 0.1  # the true model may be none of the candidates
_TITLE_CHARS: Final = 40
_FAMILIES: Final = {
    ("Apple", "phone"): "iPhone",
    ("Apple", "tablet"): "iPad",
    ("Apple", "laptop"): "MacBook",
    ("Sony", "console"): "PlayStation",
}
_COMMON_FAULTS: Final = {
    "phone": ("screen", "battery", "charging_port", "no_power", "water_damage", "back_glass"),
    "tablet": ("screen", "battery", "charging_port", "no_power", "water_damage", "software"),
    "laptop": ("screen", "keyboard", "no_power", "battery", "cleaning", "hinge"),
    "scooter": ("wheel", "battery", "controller", "no_power", "charging_port"),
    "console": ("joystick", "cleaning", "no_power", "charging_port", "board"),
    "tv": ("backlight", "screen", "no_power", "board", "speaker"),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question that could be asked: its field and its worth in weighted bits."""

    field: str
    worth: float


def next_field(case: Case) -> str | None:
    """The field worth asking about most; None when enough is known. What was not asked is noted with its reason."""
    candidates = []
    if case.model is None:
        candidates.append(Candidate("model", _model_bits(case) * _IMPACT["model"]))
    else:
        case.reject("ask_model", Rejection.KNOWN)
    if not case.repairs:
        candidates.append(Candidate("repair_types", log2(len(_faults(case)) + 1) * _IMPACT["repair_types"]))
    else:
        case.reject("ask_repair_types", Rejection.KNOWN)
    owner = _owner_worth(case)
    if case.owner is not None:
        case.reject("ask_part_owner", Rejection.KNOWN)
    elif owner < case.settings.min_question_value or "part_owner" in case.asked:
        case.reject("ask_part_owner", Rejection.ASKED if "part_owner" in case.asked else Rejection.LOW_VALUE)
    elif not candidates:
        candidates.append(Candidate("part_owner", owner))
    return max(candidates, key=lambda c: c.worth).field if candidates else None


def _model_bits(case: Case) -> float:
    scores = [max(c.score, 0.0) for c in case.known.candidates]
    total = sum(scores)
    if not scores or total <= 0:
        return _UNKNOWN_MODEL_BITS[case.brand is not None]
    shares = [*(s / total * (1 - _NONE_OF_THEM) for s in scores if s > 0), _NONE_OF_THEM]
    return -sum(p * log2(p) for p in shares)


def _owner_worth(case: Case) -> float:
    """Bits of "whose part", times the part's share of the price."""
    hinted = "part_owner" in case.situation.reading.open_fields or case.known.part_owner is not None
    p = 0.5 if hinted else case.settings.part_owner_prior
    bits = 0.0 if p in {0.0, 1.0} else -(p * log2(p) + (1 - p) * log2(1 - p))
    shares = [q.part_price / q.median for q in case.situation.graph.quotes if q.part_price and q.median > 0]
    return bits * min(1.0, max(shares, default=0.5))


def plan_question(case: Case, field: str) -> Plan:
    """The question about a field; an operator when the limit of questions or of attempts is reached."""
    if len(case.asked) >= case.settings.max_questions:
        case.reject(f"ask_{field}", Rejection.LIMIT)
        return case.operator(Reason.MAX_QUESTIONS)
    if case.asked.count(field) >= MAX_ASKS_PER_FIELD:
        case.reject(f"ask_{field}", Rejection.ASKED)
        return case.operator(Reason.MISUNDERSTOOD)
    again = case.chose_other or (field in case.asked and not case.learned)
    if field == "model":
        return _ask_model(case, again=again)
    if field == "repair_types":
        question = Question("repair_types", _fault_options(case))
        return case.ask(_reason(again), "ask_repair_again" if again else "ask_repair", question)
    options = tuple((v, label("owner", v, case.language)) for v in ("shop", "client"))
    return case.ask(_reason(again), "ask_part_owner", Question("part_owner", options))


def _reason(again: bool) -> Reason:
    return Reason.NOT_UNDERSTOOD if again else Reason.ASK_FIELD


def _ask_model(case: Case, *, again: bool) -> Plan:
    guess = case.known.model
    limits = case.settings.thresholds
    names = [join_name(c.brand, c.model) for c in sorted(case.known.candidates, key=lambda c: -c.score)]
    if guess is not None and guess.confidence >= limits.confirm_model and not again:
        name = plain(join_name(case.known.brand.value if case.known.brand else "", guess.value), _TITLE_CHARS)
        if not names:  # one option: a plain "yes" picks it
            return case.ask(Reason.CONFIRM_FIELD, "confirm_model", Question("model", ((name, name),)), device=name)
        names.insert(0, name)
    if names and not again:
        return case.ask(Reason.ASK_FIELD, "ask_model_options", Question("model", _model_options(case, names)))
    brand = _family(case)
    return case.ask(_reason(again), "ask_model_again" if again else "ask_model", Question("model"), brand=brand)


def _family(case: Case) -> str:
    """What people call the thing whose model is asked: a family where the brand makes several, else the brand."""
    brand = plain(case.brand or "", 40)
    return _FAMILIES.get((brand, case.known.device_class or ""), brand)


def _model_options(case: Case, names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    unique = list(dict.fromkeys(plain(n, _TITLE_CHARS) for n in names))[: case.settings.max_options]
    return (*((n, n) for n in unique), ("other", label("chip", "other_model", case.language)))


def _faults(case: Case) -> tuple[str, ...]:
    return _COMMON_FAULTS.get(case.known.device_class or "phone", _COMMON_FAULTS["phone"])


def _fault_options(case: Case) -> tuple[tuple[str, str], ...]:
    unsure = [f.value for f in sorted(case.known.repair_types, key=lambda f: -f.confidence)]
    codes = [c for c in dict.fromkeys((*unsure, *_faults(case))) if c != "other"][: case.settings.max_options]
    titles = [(c, label("fault", c, case.language)) for c in codes]
    return (*titles, ("other", label("chip", "other", case.language)))


def wish_options(case: Case) -> tuple[tuple[str, str], ...]:
    """Choices for "how can we help?"."""
    codes = ("repair", "status", "purchase", "sell", "info", "other")
    kept = (*codes[:-1][: case.settings.max_options], codes[-1])
    return tuple((c, label("wish", c, case.language)) for c in kept)
