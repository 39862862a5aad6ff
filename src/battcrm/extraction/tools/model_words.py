"""Words around a device name: kinds of devices, units, times and ages, negation and correction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from battcrm.extraction.gazetteer.aliases import data_lines
from battcrm.extraction.gazetteer.cells import Cell
from battcrm.extraction.normalise_morph import has_case
from battcrm.extraction.tools.model_counts import agrees

UNITS: Final = frozenset(
    [
        "год",
        "лет",
        "месяц",
        "мес",
        "неделя",
        "нед",
        "день",
        "дн",
        "час",
        "ч",
        "минута",
        "мин",
        "сек",
        "тысяча",
        "тыс",
        "тыща",
        "т.р",
        "тр",
        "руб",
        "рубль",
        "р",
        "₽",
        "рублей",
        "косарь",
        "к",
        "гб",
        "gb",
        "гигабайт",
        "гиг",
        "гига",
        "тб",
        "tb",
        "мб",
        "mb",
        "терабайт",
        "процент",
        "%",
        "шт",
        "штука",
        "штуки",
        "штук",
        "раз",
        "разок",
        "человек",
        "мм",
        "см",
        "метр",
        "м",
        "км",
        "кг",
        "вольт",
        "ватт",
        "вт",
        "ампер",
        "мач",
        "mah",
        "дюйм",
        "дюймов",
        '"',
        "°",
        "градус",
        "вечер",
        "утро",
        "ночь",
        "дня",
        "утра",
        "вечера",
        "ночи",
        "этаж",
        "дом",
        "кв",
        "квартира",
        "офис",
        "корпус",
        "подъезд",
        "января",
        "февраля",
        "марта",
        "апреля",
        "мая",
        "июня",
        "июля",
        "августа",
        "сентября",
        "октября",
        "ноября",
        "декабря",
        "январь",
        "февраль",
        "комплект",
        "пара",
        "экземпляр",
        "копия",
        "рабочий",
        "сутки",
        "сантиметр",
        "мегапиксель",
        "мп",
        "ядро",
        "ядра",
        "лошадь",
    ]
)
_NOTE_MAKERS: Final = frozenset(("Meizu",))
_FAULT_WORDS: Final = frozenset(("ошибка", "код", "error", "err", "errors", "code"))
_CODE_LETTERS: Final = frozenset("ас")
_EVERYDAY: Final = frozenset(("weak", "place"))
_STORAGE: Final = frozenset(("32", "64", "128", "256", "512", "1024"))
_TIME_PREPOSITIONS: Final = frozenset(("в", "к", "до", "после", "около", "через", "за", "с", "от", "часов", "примерно"))
_AGE_HOLDERS: Final = frozenset(
    [
        "сын",
        "дочь",
        "дочка",
        "дочурка",
        "ребенок",
        "мне",
        "ему",
        "ей",
        "внук",
        "внучка",
        "брат",
        "сестра",
        "сестренка",
        "мама",
        "папа",
        "муж",
        "жена",
        "племянник",
        "племянница",
        "мальчик",
        "девочка",
        "бабушка",
        "дед",
        "дедушка",
        "возраст",
    ]
)
_ORDER_WORDS: Final = frozenset(
    [
        "заказ",
        "заказа",
        "заказу",
        "номер",
        "номера",
        "номеру",
        "квитанция",
        "квитанции",
        "заявка",
        "заявки",
        "№",
        "n",
        "чек",
        "договор",
        "акт",
        "накладная",
        "код",
        "пин",
        "пароль",
        "ул",
        "улица",
        "дом",
        "д",
        "кв",
        "квартира",
        "офис",
        "кабинет",
        "телефон",
        "тел",
        "звоните",
        "перезвоните",
        "наберите",
        "вотсап",
        "ватсап",
    ]
)
_PLAIN: Final = frozenset(("обычный", "обычная", "обычного", "обычную", "простой", "простого", "просто", "базовый"))
_SKIPPED_BEFORE: Final = _PLAIN.union(
    (
        "на", "для", "от", "у", "с", "это", "мой", "моя", "мне", "меня", "про", "из", "к", "телефон", "мы", "о", "же",
        "путать", "путайте",
    )
)  # fmt: skip
_CORRECTIONS: Final = frozenset(
    [
        "ой",
        "точнее",
        "вернее",
        "перепутать",
        "перепутал",
        "перепутала",
        "ошибиться",
        "ошибся",
        "ошиблась",
        "ошибочка",
        "поправка",
        "опечатка",
        "опечатался",
        "опечаталась",
        "исправление",
        "исправляюсь",
        "попутать",
        "попутал",
        "попутала",
        "тьфу",
        "упс",
        "виноват",
        "сорри",
        "пардон",
        "вру",
        "соврал",
        "соврала",
        "оговорился",
        "оговорилась",
    ]
)
_EXCUSE: Final = "извин"
_EXCUSE_REACH: Final = 3
"""An excuse takes back what was said when the device follows at once ("извините, айфон 12")."""
_PAIRS: Final = frozenset(
    (
        ("то", "есть"), ("в", "смысле"), ("имел", "в"), ("имела", "в"), ("хотел", "написать"), ("хотела", "написать"),
        ("нет", ","), ("нет", "стоп"), ("нет", "погоди"), ("нет", "погодите"), ("стоп", "нет"), ("нет", "на"), ("нет", "у"), ("нет", "для"),
        ("не", "то"), ("а", "нет"), ("не", "тот"), ("не", "ту"), ("хотел", "сказать"), ("хотела", "сказать"),
        ("не", "так"), ("на", "самом"), ("не", "правильно"), ("хотя", "нет"), ("да", "нет"), ("стоп", ","), ("а", "стоп"),
    )
)  # fmt: skip


@lru_cache(maxsize=1)
def _classes() -> dict[str, str]:
    rows = [row for row in data_lines("classes.tsv") if row[0] not in _EVERYDAY]
    return {word: row[0] for row in rows for word in row[1].replace("ё", "е").split()}


@lru_cache(maxsize=1)
def _weak() -> frozenset[str]:
    return frozenset(word for row in data_lines("classes.tsv") if row[0] in _EVERYDAY for word in row[1].split())


@lru_cache(maxsize=1)
def _places() -> frozenset[str]:
    return frozenset(word for row in data_lines("classes.tsv") if row[0] == "place" for word in row[1].split())


def is_place(cell: Cell) -> bool:
    """An everyday word that takes numbers too ("павильон 12" is an address)."""
    return cell.norm in _places()


def is_everyday(cell: Cell) -> bool:
    """A maker's or line's name that is an everyday word too ("павильон", "рено", "гугл"): alone it names nothing."""
    return cell.norm in _weak()


def class_at(cells: Sequence[Cell], at: int) -> str | None:
    """Kind of device the word names by itself ("планшет" -> tablet). "Ноут" is a laptop unless a name needs it."""
    cell = cells[at]
    if cell.kind != "word" or (cell.readings == (("note",),) and _is_note(cells, at)):
        return None
    table = _classes()
    return table.get(cell.norm) or table.get(cell.lemma)


def names_class(cell: Cell) -> bool:
    """Whether the word is a kind of device in the class list, wherever it stands."""
    table = _classes()
    return cell.norm in table or cell.lemma in table


def classes_in(cells: Sequence[Cell]) -> list[tuple[int, str]]:
    """(place, kind of device) of every word that names a kind of device by itself."""
    table = _classes()
    return [
        (at, kind)
        for at, cell in enumerate(cells)
        if (cell.norm in table or cell.lemma in table) and (kind := class_at(cells, at))
    ]


def _is_note(cells: Sequence[Cell], at: int) -> bool:
    after = cells[at + 1] if at + 1 < len(cells) else None
    before = cells[at - 1].alias if at else None
    if any((alias := cell.alias) is not None and alias.brand in _NOTE_MAKERS for cell in cells[max(0, at - 3) : at]):
        return True
    lined = (
        before is not None
        and before.atoms[:1]
        and before.atoms[0] in ("redmi", "galaxy", "infinix", "xiaomi", "mi", "samsung")
    )
    return lined or (after is not None and after.kind in ("number", "code") and not counts_something(cells, at + 1))


def counts_something(cells: Sequence[Cell], at: int) -> bool:
    """Whether the number at `at` is an amount, price, time or date by what follows it."""
    if at + 1 >= len(cells):
        return False
    after = cells[at + 1]
    if after.norm == '"' and at > 0 and cells[at - 1].norm == '"':
        return False
    if after.norm in UNITS or after.lemma in UNITS:
        return agrees(cells[at].norm, after.norm)
    if after.kind == "number":
        return after.norm in ("000", "00", "500") or (
            cells[at].norm.isdecimal() and len(after.norm) == 3 and after.norm[1:] == "00"
        )
    if after.norm == "/" and at + 2 < len(cells) and cells[at + 2].norm.rstrip("gbгб") in _STORAGE:
        return True
    if after.glued and after.norm in ":.-–" and at + 2 < len(cells) and cells[at + 2].glued:
        return cells[at + 2].kind == "number" and after.norm != "-"
    return False


def is_inches(cells: Sequence[Cell], at: int) -> bool:
    """Whether the number at `at` is a screen size: inches are said after it."""
    after = cells[at + 1] if at + 1 < len(cells) else None
    if after is not None and after.skip and after.norm == "-" and at + 2 < len(cells):
        after = cells[at + 2]
    return after is not None and (after.norm == '"' or after.lemma == "дюйм" or after.norm.startswith("дюйм"))


def counts_plural(cells: Sequence[Cell], at: int) -> bool:
    """Whether a noun in the genitive follows, as after a count ("5 чехлов")."""
    if at + 1 >= len(cells) or cells[at + 1].kind != "word" or cells[at + 1].norm.isascii():
        return False
    return has_case(cells[at + 1].norm, frozenset(("gent",))) and not has_case(cells[at + 1].norm, frozenset(("nomn",)))


def is_time_or_age(cells: Sequence[Cell], at: int) -> bool:
    """Whether the number at `at` is a time, an age or an order number by what stands before it."""
    if counts_something(cells, at):
        return True
    if at == 0:
        return False
    before = cells[at - 1]
    if before.norm in _TIME_PREPOSITIONS or before.norm in _ORDER_WORDS or before.lemma in _ORDER_WORDS:
        return True
    if before.lemma in _AGE_HOLDERS or before.norm in _AGE_HOLDERS:
        return True
    return before.glued and before.norm in ":.-/" and at > 1 and cells[at - 2].kind == "number"


def is_fault_code(cells: Sequence[Cell], at: int) -> bool:
    """Whether the code at `at` is what a device shows, not its name ("пишет ошибку е10")."""
    return at > 0 and (cells[at - 1].lemma in _FAULT_WORDS or cells[at - 1].norm in _FAULT_WORDS)


def is_spaced_code(cells: Sequence[Cell], at: int) -> bool:
    """Whether a lone letter and a number stand at `at` as a code written apart would ("а 51")."""
    if len(cells[at].norm) != 1 or cells[at].norm not in _CODE_LETTERS or at + 1 >= len(cells):
        return False
    return cells[at + 1].kind == "number" and not cells[at + 1].spelled and not counts_something(cells, at + 1)


def is_owned(cells: Sequence[Cell], at: int) -> bool:
    """Whether the cell at `at` is said to be somebody's ("у жены 11", "у меня 13")."""
    return at > 1 and cells[at - 2].norm == "у" and cells[at - 1].kind == "word"


def is_negated(cells: Sequence[Cell], start: int) -> bool:
    """Whether "не" stands right before the name, small words between them allowed ("не на айфон")."""
    at = start - 1
    while at >= 0 and cells[at].norm in _SKIPPED_BEFORE and start - at < 4:
        at -= 1
    return at >= 0 and cells[at].norm == "не"


def _not_modifier(cell: Cell, follower: Cell) -> bool:
    """Whether a modifier is taken back ("не мини")."""
    return cell.norm == "не" and follower.alias is not None and follower.alias.kind == "mod"


def has_correction(cells: Sequence[Cell], start: int, end: int) -> bool:
    """Whether the words of [start, end) take back something said before."""
    for at in range(start, end):
        cell = cells[at]
        if cell.norm in _CORRECTIONS or cell.lemma in _CORRECTIONS:
            return True
        if cell.norm.startswith(_EXCUSE) and end - at <= _EXCUSE_REACH:
            return True
        follower = cells[at + 1] if at + 1 < len(cells) else None
        if follower is not None and ((cell.norm, follower.norm) in _PAIRS or _not_modifier(cell, follower)):
            return True
    return False
