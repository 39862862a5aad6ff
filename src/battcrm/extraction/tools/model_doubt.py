"""A client who wavers between models ("12 или 13, не помню") has named neither."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from battcrm.extraction.gazetteer.cells import Cell
from battcrm.extraction.tools.model_found import Found
from battcrm.models.facts import Candidate

_EITHER: Final = frozenset(("или", "либо", "ли"))
_DOUBTS: Final = frozenset(
    ("помню", "знаю", "уверен", "уверена", "понимаю", "разбираюсь", "пойму", "скажу", "решил", "решила")
)
_ALONE: Final = frozenset(("хз", "забыл", "забыла", "вроде", "кажется", "наверное", "наверно"))
_MOST_BETWEEN: Final = 4


def settle_doubts(cells: Sequence[Cell], found: list[Found]) -> list[Found]:
    """The mentions, those of one maker joined by "или" made candidates of one open mention when the client doubts."""
    if len(found) < 2 or not _doubts(cells):
        return found
    out = [found[0]]
    for item in found[1:]:
        if _either(cells, out[-1], item):
            out[-1] = _open(out[-1], item)
        else:
            out.append(item)
    return out


def _doubts(cells: Sequence[Cell]) -> bool:
    said = [cell.norm for cell in cells]
    if sum(1 for word in said if word == "ли") > 1 or not _ALONE.isdisjoint(said):
        return True
    return any(word in _DOUBTS and "не" in said[max(0, at - 2) : at + 2] for at, word in enumerate(said))


def _either(cells: Sequence[Cell], one: Found, other: Found) -> bool:
    if not other.model or not (one.model or one.candidates) or one.brand not in ("", other.brand):
        return False
    between = [cell.norm for cell in cells[one.end : other.start]]
    return len(between) <= _MOST_BETWEEN and not _EITHER.isdisjoint(between)


def _open(one: Found, other: Found) -> Found:
    named = (Candidate(one.brand, one.model, 0.5),) if one.model else one.candidates
    return one._replace(end=other.end, model="", confidence=0.0, open=True,
        candidates=(*named, Candidate(other.brand, other.model, 0.5)),
    )  # fmt: skip
