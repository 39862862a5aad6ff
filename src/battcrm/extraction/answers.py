"""Short answers: what "2", "да", "12 про" or "свой" mean, given what the shop has just asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from battcrm.extraction.rules.line import Line
from battcrm.models.facts import REPAIR_TYPES, AppealType, Fact, Hypothesis, Method, PartOwner, Reading, Signals

SHORT: Final = 6
"""An answer of at most this many words is read as an answer to the question."""

_OWN: Final = frozenset(
    [
        "свой",
        "своя",
        "свою",
        "свое",
        "свои",
        "своим",
        "своей",
        "мой",
        "моя",
        "мою",
        "моё",
        "мое",
        "моим",
        "моей",
        "собственный",
        "собственная",
        "есть",
        "куплен",
        "куплена",
        "купил",
        "купила",
        "привезу",
        "принесу",
    ]
)
_SHOPS: Final = frozenset(
    [
        "ваш",
        "ваша",
        "вашу",
        "ваше",
        "вашим",
        "вашей",
        "ваши",
        "нету",
        "ставьте",
        "закажите",
        "оригинал",
        "копия",
        "ваших",
    ]
)
_FIELD_OF: Final = {
    "device": "model",
    "repair": "repair_types",
    "repair_type": "repair_types",
    "type": "appeal_type",
    "part": "part_owner",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The open question: the field it settles and the options as they were offered (values or titles)."""

    field: str
    options: tuple[str, ...] = ()


def asked(expecting: str | None, options: Sequence[str]) -> Asked | None:
    """The question of a context, with the field's canonical name; None when nothing was asked."""
    if not expecting:
        return None
    return Asked(_FIELD_OF.get(expecting, expecting), tuple(options))


def chosen(question: Asked, signals: Signals, text: str) -> str | None:
    """The option that was picked: by number, by its own words, or by "да" when there is but one."""
    options = question.options
    if signals.choice is not None and 1 <= signals.choice <= len(options):
        return options[signals.choice - 1]
    if signals.agrees and len(options) == 1:
        return options[0]
    said = _plain(text)
    exact = [option for option in options if said and _plain(option) == said]
    if exact:
        return exact[0]
    ending = [option for option in options if said and _plain(option).endswith(said)]
    return ending[0] if len(ending) == 1 else None


def _plain(text: str) -> str:
    return "".join(c for c in text.casefold().replace("ё", "е") if c.isalnum())


def fill(
    reading: Reading,
    line: Line,
    question: Asked,
    text: str,
    read_option: Callable[[str], Hypothesis],
    known: Hypothesis | None,
) -> Reading:
    """The reading with the asked field filled where the text answers it. Other readings come back unchanged."""
    if len(line.words) > SHORT:
        return reading
    option = chosen(question, reading.signals, text)
    main = reading.main
    if option is not None:
        # A bare "2" is the option's number and nothing else: not a model, not a quantity.
        main = Hypothesis() if reading.signals.choice is not None else main
        main = _with_option(main, question.field, option, read_option)
    elif question.field == "part_owner" and main.part_owner is None:
        main = replace(main, part_owner=_owner(line))
    if main is reading.main and not _answers(main, question.field):
        return reading
    if _only_implied(main.appeal_type, known):
        main = replace(main, appeal_type=None)
    settled = {question.field, "appeal_type"} | ({"brand", "model"} if question.field in {"brand", "model"} else set())
    open_fields = reading.open_fields - settled if _answers(main, question.field) else reading.open_fields
    return replace(reading, hypotheses=(*reading.hypotheses[:-1], main), open_fields=open_fields)


def _only_implied(wish: Fact | None, known: Hypothesis | None) -> bool:
    """An answer says nothing new about the wish: "экран" to "что купить?" does not turn a purchase into a repair."""
    if wish is None or wish.value in {AppealType.OTHER, AppealType.INFO}:
        return wish is not None
    return known is not None and known.appeal_type is not None and wish.source.startswith("type.repair: ")


def _answers(hypothesis: Hypothesis, name: str) -> bool:
    return bool(getattr(hypothesis, name, None))


def _with_option(main: Hypothesis, name: str, option: str, read_option: Callable[[str], Hypothesis]) -> Hypothesis:
    if name == "repair_types":
        codes = (option,) if option in REPAIR_TYPES else tuple(f.value for f in read_option(option).repair_types)
        return replace(main, repair_types=tuple(_picked(code) for code in codes)) if codes else main
    if name == "part_owner":
        known = option if option in set(PartOwner) else _owner_word(option)
        return replace(main, part_owner=_picked(known)) if known else main
    if name == "appeal_type":
        return replace(main, appeal_type=_picked(option)) if option in set(AppealType) else main
    if name in {"brand", "model"}:
        read = read_option(option)
        if read.brand is None and read.model is None:
            return main
        brand = _picked(read.brand.value) if read.brand else main.brand
        return replace(main, brand=brand, model=_picked(read.model.value) if read.model else main.model, candidates=())
    return main


def _picked(value: str) -> Fact:
    return Fact(value, 0.96, Method.RULE, "answer: picked option")


def _owner(line: Line) -> Fact | None:
    norms = {word.norm for word in line.words}
    if bool(norms & _OWN) == bool(norms & _SHOPS):
        return None
    value = PartOwner.CLIENT if norms & _OWN else PartOwner.SHOP
    return Fact(value, 0.95, Method.RULE, "answer: whose part", (line.span(0, len(line.words) - 1),))


def _owner_word(title: str) -> str | None:
    words = set(title.casefold().split())
    if words & _OWN:
        return PartOwner.CLIENT
    return PartOwner.SHOP if words & _SHOPS else None
