"""A bare name that goes on from a device named earlier in the text: "у меня айфон 13, а у жены 12", "был 11, теперь 13 про"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from battcrm.extraction.gazetteer.cells import Cell
from battcrm.extraction.gazetteer.scan import Match
from battcrm.extraction.tools import model_words as words

_OWNERS: Final = frozenset(
    (
        "мой", "моя", "моего", "моему", "моем", "моей", "мою", "наш", "наша", "нашего", "нашем", "его", "ее", "твой",
        "мамин", "мамина", "папин", "женин",
    )
)  # fmt: skip
_NOW: Final = frozenset(("теперь", "сейчас", "щас", "ныне", "нынче", "стал", "стала", "зато"))
_NAMED: Final = frozenset(("это", "телефон", "смартфон", "аппарат", "модель", "вроде", "именно", "сам", "имею"))
_POINTERS: Final = frozenset(("на", "для", "у"))
_PASSED: Final = frozenset(
    ("же", "как", "раз", "обычный", "обычная", "простой", "просто", "уже", "только", "точно", "все", "таки", "-", ",")
)
_MOST_PASSED: Final = 3
_APPOINTS: Final = (
    "запис", "запиш", "подойт", "подойд", "подъе", "приед", "приех", "прийт", "приду", "зайд", "зайт", "заед", "заех", "время",
    "времени", "встреч", "число", "ждите", "жду", "открыв", "закрыв", "работаете", "успе",
)  # fmt: skip
_APPOINT_REACH: Final = 5
_LETTERED: Final = frozenset(("xr", "xs", "x", "se"))
_SMALLEST: Final = 4


def echoes(cells: Sequence[Cell], match: Match) -> bool:
    """Whether the name found can only be meant as another device of the maker named before it.

    A code is one wherever it stands, and so is a product line with its number. A number, or a name of letters, must be told as a device: by its owner, by what points to it, or by a
    modifier; a time, an age, a count or an appointment is none.
    """
    if match.blocked:
        return False
    start = match.start
    if cells[start].kind == "word":
        return _is_line(cells, match) or (cells[start].readings[0][0] in _LETTERED and is_told(cells, start))
    if cells[start].kind != "number":
        return cells[start].kind == "code"
    if not cells[start].norm.isdecimal() or int(cells[start].norm) < _SMALLEST:
        return False
    modified = any(_is_modifier(cell) for cell in cells[start + 1 : match.end])
    return modified or is_told(cells, start)


def is_told(cells: Sequence[Cell], at: int) -> bool:
    """Whether the words before the number at `at` speak of a device: "мой 13", "у жены 12", "теперь 14", "на 11 экран"."""
    if words.counts_something(cells, at) or words.counts_plural(cells, at) or _is_count_of_devices(cells, at):
        return False
    before = _before(cells, at)
    if before < 0:
        return False
    lead = cells[before].norm
    if (
        words.is_owned(cells, before + 1)
        or lead in _OWNERS
        or lead in _NAMED
        or (lead in _NOW and len(cells[at].norm) > 1)
    ):
        return not _is_telephone(cells, at)
    return lead in _POINTERS and not _appoints(cells, at)


def _is_line(cells: Sequence[Cell], match: Match) -> bool:
    """A product line or modifier with a number ("ноут 10", "эйр 13 м2"), no other maker said right after it."""
    alias = cells[match.start].alias
    follower = cells[match.end].alias if match.end < len(cells) else None
    if alias is None or alias.kind not in ("line", "mod") or (follower is not None and follower.kind == "brand"):
        return False
    return any(cell.kind in ("number", "code") for cell in cells[match.start + 1 : match.end])


def _before(cells: Sequence[Cell], at: int) -> int:
    """The cell that leads the number, small words between them passed; -1 at the beginning."""
    before = at - 1
    while before >= 0 and at - before <= _MOST_PASSED and cells[before].norm in _PASSED:
        before -= 1
    return before


def _is_modifier(cell: Cell) -> bool:
    return cell.norm == "+" or (cell.alias is not None and cell.alias.kind == "mod")


def _is_count_of_devices(cells: Sequence[Cell], at: int) -> bool:
    """Whether the number counts the device that follows it: "мой 5 телефон", "это уже третий айфон"."""
    follower = cells[at + 1] if at + 1 < len(cells) else None
    return follower is not None and follower.kind == "word" and words.names_class(follower)


def _is_telephone(cells: Sequence[Cell], at: int) -> bool:
    return at + 1 < len(cells) and cells[at + 1].kind == "number"


def _appoints(cells: Sequence[Cell], at: int) -> bool:
    """Whether the clause speaks of when to come: "запишите на 14"."""
    near = cells[max(0, at - _APPOINT_REACH) : at + _APPOINT_REACH]
    return any(cell.norm.startswith(_APPOINTS) for cell in near if cell.kind == "word")
