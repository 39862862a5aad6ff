"""What stays open: fields the text speaks of that the rules could not settle. Each one costs a model call, so be strict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from battcrm.extraction.hypotheses import Device
from battcrm.extraction.rules.line import Line
from battcrm.extraction.rules.match import Hit
from battcrm.extraction.thresholds import ACT
from battcrm.models.facts import AppealType, Fact, Hypothesis, Signals

_STRANGE_WORDS: Final = 2
_LEANING: Final = 0.65
"""A wish this likely, but not sure, is worth a call even where every word is known."""
_FILLERS: Final = frozenset(
    [
        "а",
        "б",
        "бы",
        "в",
        "во",
        "вам",
        "вас",
        "ведь",
        "вот",
        "все",
        "всё",
        "всем",
        "вы",
        "где",
        "да",
        "для",
        "до",
        "его",
        "ее",
        "ей",
        "если",
        "есть",
        "еще",
        "же",
        "за",
        "и",
        "из",
        "или",
        "им",
        "их",
        "к",
        "как",
        "когда",
        "кто",
        "ли",
        "меня",
        "мне",
        "мной",
        "мы",
        "на",
        "надо",
        "нам",
        "нас",
        "наш",
        "не",
        "него",
        "нее",
        "нет",
        "ни",
        "но",
        "ну",
        "о",
        "об",
        "он",
        "она",
        "они",
        "оно",
        "от",
        "очень",
        "по",
        "под",
        "подскажите",
        "пожалуйста",
        "почему",
        "при",
        "про",
        "просто",
        "с",
        "сам",
        "сама",
        "само",
        "сейчас",
        "со",
        "себя",
        "так",
        "такая",
        "такой",
        "там",
        "то",
        "тоже",
        "только",
        "тут",
        "ты",
        "у",
        "уже",
        "хотел",
        "хотела",
        "что",
        "чтобы",
        "чтоб",
        "это",
        "этот",
        "эта",
        "эту",
        "я",
        "можно",
        "нужно",
        "нужен",
        "нужна",
        "сегодня",
        "завтра",
        "вчера",
        "день",
        "дня",
        "дней",
        "неделю",
        "неделя",
        "месяц",
        "год",
        "назад",
        "потом",
        "после",
        "перед",
        "будет",
        "было",
        "была",
        "был",
        "быть",
        "есть",
        "тебе",
        "типа",
        "короче",
        "вообще",
        "прям",
        "прямо",
        "здравствуйте",
        "привет",
        "добрый",
        "вечер",
        "утро",
        "скажите",
        "подскажи",
        "спасибо",
        "больше",
        "меньше",
        "один",
        "одна",
        "раз",
        "два",
        "три",
        "какой",
        "какая",
        "какие",
        "какое",
        "чем",
        "зачем",
        "куда",
        "телефон",
        "телефона",
        "телефоне",
        "телефоном",
        "мой",
        "моя",
        "мое",
        "мои",
        "свой",
        "дома",
        "работе",
        "работу",
        "купил",
        "купила",
        "стал",
        "стала",
        "стало",
        "стали",
        "теперь",
        "сразу",
        "иногда",
        "всегда",
        "вроде",
        "наверное",
        "кажется",
        "может",
        "могу",
        "можете",
        "сможете",
        "хочу",
        "хотелось",
        "бы",
        "примерно",
        "приблизительно",
        "рублей",
        "руб",
        "времени",
        "время",
        "просто",
        "сказали",
        "говорят",
    ]
)


def open_fields(
    line: Line,
    devices: Sequence[Device],
    hypotheses: Sequence[Hypothesis],
    type_hits: Sequence[Hit],
    signals: Signals,
    known: Hypothesis | None,
) -> frozenset[str]:
    """Names of open fields. Empty for small talk, answers, spam, and texts the rules understood."""
    if (
        signals.greeting_only
        or signals.thanks_only
        or signals.spam
        or signals.injection
        or signals.off_topic
        or signals.opt_out
    ):
        return frozenset()
    found: set[str] = set()
    main = hypotheses[-1]
    if any(device.open and device.model is None for device in devices):
        found.add("model")
    strange = _strange_words(line)
    if _type_open(main.appeal_type, strange, line, known):
        found.add("appeal_type")
    if _repair_open(main, strange, type_hits, known):
        found.add("repair_types")
    return frozenset(found)


def _strange_words(line: Line) -> int:
    return sum(1 for word in line.words if not word.classes and len(word.norm) > 2 and word.norm not in _FILLERS)


def _type_open(wish: Fact | None, strange: int, line: Line, known: Hypothesis | None) -> bool:
    if wish is not None and wish.confidence >= ACT:
        return False
    if known is not None and known.appeal_type is not None and len(line.words) <= 4:
        return False
    if wish is not None and wish.confidence >= _LEANING:
        return len(line.words) >= 3
    return len(line.words) >= 3 and strange >= _STRANGE_WORDS


def _repair_open(main: Hypothesis, strange: int, type_hits: Sequence[Hit], known: Hypothesis | None) -> bool:
    wish = main.appeal_type or (known.appeal_type if known else None)
    if wish is None or wish.value not in {AppealType.REPAIR, AppealType.WARRANTY}:
        return False
    if any(fact.confidence >= ACT for fact in main.repair_types):
        return False
    if known is not None and known.repair_types:
        return False
    described = any(hit.rule.value == AppealType.REPAIR and hit.rule.kind == "tell" for hit in type_hits)
    return described or bool(main.repair_types) or strange > _STRANGE_WORDS
