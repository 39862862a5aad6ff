"""Longest match of spoken model names. A modifier is never dropped and never added: what does not match exactly is
reported as blocked, with the models it may have meant."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from battcrm.extraction import normalise_chars as chars
from battcrm.extraction.gazetteer.aliases import aliases
from battcrm.extraction.gazetteer.catalogue import Catalogue, Named
from battcrm.extraction.gazetteer.cells import Cell
from battcrm.extraction.gazetteer.fuzzy import near_modifier
from battcrm.extraction.gazetteer.neutral import is_neutral
from battcrm.extraction.normalise_morph import has_case, is_word
from battcrm.extraction.normalise_words import in_english

MAX_CELLS: Final = 9
_SHORT_CODE: Final = 4
_UNREADABLE: Final = "\ufffd"
_COMMON: Final = 5.0
_MAX_FOREIGN: Final = 14
_YEARS: Final = range(2005, 2030)
_WITH: Final = frozenset(("gent", "ablt", "gen2"))
_SUBJECT: Final = frozenset(("nomn",))
_ABOUT: Final = frozenset(("accs",))
# Conjunctions and prepositions of one letter. Apart from "с" and "а" none of them is ever a spaced model letter.
_SMALL_WORDS: Final = frozenset("икоувя")


class Match(NamedTuple):
    """A spoken name found at cells [start, end). `blocked`: an unknown modifier or suffix follows, so `named` is not
    what was said; it then holds nothing and `key` tells how far the catalogue could follow."""

    start: int
    end: int
    key: str
    named: tuple[Named, ...]
    blocked: bool
    five_g: bool = False


def match_at(
    catalogue: Catalogue, cells: Sequence[Cell], start: int, scope: str, line: tuple[str, ...] = ()
) -> Match | None:
    """The longest name of the scope ("" or a maker's atom) that begins at cell `start`.

    `line`: atoms taken as already said ("айпад 8 и 9": the 9 is read after "ipad").
    """
    paths = [f"{scope}|" + "".join(f"{atom} " for atom in line)]
    ends: list[tuple[int, list[str]]] = []
    at = start
    while at < len(cells) and at - start < MAX_CELLS and paths:
        cell = cells[at]
        if cell.skip and at > start:
            at += 1
            continue
        paths = _extend(catalogue, paths, cell)
        at += 1
        full = [path for path in paths if catalogue.named(path)]
        if full and _whole_word(cells, at - 1):
            ends.append((at, full))
    while ends:
        end, full = ends.pop()
        if not _may_be_letter(cells, end - 1):
            continue
        return _settled(catalogue, cells, start, end, full)
    return None


def line_of(atoms: Sequence[str]) -> tuple[str, ...]:
    """The product line a name begins with: its leading words ("redmi note" of "redmi note 10 pro")."""
    return tuple(itertools.takewhile(str.isalpha, atoms))


def _extend(catalogue: Catalogue, paths: list[str], cell: Cell) -> list[str]:
    out: list[str] = []
    for path in paths:
        for reading in cell.readings:
            longer = path
            for atom in reading:
                longer = f"{longer}{atom} "
                if not catalogue.has(longer):
                    break
            else:
                out.append(longer)
    return out


def _whole_word(cells: Sequence[Cell], at: int) -> bool:
    """The name ends where the word ends: nothing alphanumeric is glued after it."""
    if at + 1 >= len(cells) or not cells[at + 1].glued:
        return True
    if cells[at + 1].norm == "." and at + 2 < len(cells) and cells[at + 2].glued and cells[at + 2].kind == "number":
        return False
    return not cells[at + 1].norm[0].isalnum()


def _may_be_letter(cells: Sequence[Cell], at: int) -> bool:
    """Whether a lone Cyrillic letter that ended a name is a model letter and not a preposition or conjunction."""
    letter = cells[at].norm
    if letter == "+":
        return cells[at].glued or at + 1 >= len(cells) or cells[at + 1].kind in ("punct", "emoji")
    if len(letter) != 1 or letter.isascii() or not letter.isalpha() or cells[at].glued:
        return True
    if letter in _SMALL_WORDS:
        return False
    if letter not in "са":
        return True
    follower = next((cell for cell in cells[at + 1 : at + 2]), None)
    if follower is None or follower.kind in ("punct", "emoji"):
        return True
    if follower.kind != "word" or follower.norm.isascii():
        return False
    if letter == "а":
        return at > 0 and cells[at - 1].kind == "number" and has_case(follower.norm, _SUBJECT)
    return is_word(follower.norm) and not has_case(follower.norm, _WITH)


def _settled(catalogue: Catalogue, cells: Sequence[Cell], start: int, end: int, full: list[str]) -> Match:
    named = tuple(dict.fromkeys(item for path in full for item in catalogue.named(path)))
    five_g, after = _five_g(cells, end)
    if _blocked(catalogue, cells, after, full):
        return Match(start, after, full[0], (), True)
    return Match(start, after, full[0], named, False, five_g)


def _five_g(cells: Sequence[Cell], end: int) -> tuple[bool, int]:
    at = end
    while at < len(cells) and cells[at].skip:
        at += 1
    if at < len(cells) and ("5", "g") in cells[at].readings:
        return True, at + 1
    if at + 1 < len(cells) and cells[at].norm == "5" and cells[at + 1].norm in ("g", "г", "джи"):
        return True, at + 2
    return False, end


def _blocked(catalogue: Catalogue, cells: Sequence[Cell], end: int, full: list[str]) -> bool:
    at = end
    while at < len(cells) and cells[at].skip:
        at += 1
    if at >= len(cells):
        return False
    cell = cells[at]
    if _UNREADABLE in cell.norm or (at + 1 < len(cells) and cells[at + 1].glued and cells[at + 1].norm == _UNREADABLE):
        return True
    if cell.norm == "+":
        return cell.glued or any(catalogue.has(f"{path}plus ") for path in full)
    if cell.kind == "number":
        return _is_open_year(catalogue, cells, at, full)
    if cell.kind == "code":
        return _is_suffix_code(catalogue, cells, at, full)
    if cell.kind != "word":
        return False
    if len(cell.norm) == 1:
        return _is_lone_modifier(cells, at)
    return _is_modifier(cells, at)


def _is_open_year(catalogue: Catalogue, cells: Sequence[Cell], at: int, full: list[str]) -> bool:
    """A year right after a name that has editions by year, none of them this one."""
    if not cells[at].norm.isdecimal() or int(cells[at].norm) not in _YEARS:
        return False
    return any(catalogue.has(f"{path}{year} ") for path in full for year in _YEARS)


def _is_suffix_code(catalogue: Catalogue, cells: Sequence[Cell], at: int, full: list[str]) -> bool:
    """After a name "pro2" is an unknown modifier; "128gb" is not."""
    readings = cells[at].readings
    if any(reading[0] in _modifier_atoms() for reading in readings):
        return True
    if any(catalogue.has(f"{path}{reading[0]} ") for path in full for reading in readings):
        return True
    norm = cells[at].norm
    if len(norm) > _SHORT_CODE or not (norm[0].isascii() and norm[0].isalpha()):
        return False
    keys = ("|" + "".join(f"{atom} " for atom in reading) for reading in readings)
    return not any(item.model.weight >= _COMMON for key in keys for item in catalogue.named(key))


def _is_lone_modifier(cells: Sequence[Cell], at: int) -> bool:
    cell = cells[at]
    if cell.norm.isascii():
        return True
    if cell.glued:
        return True
    if cell.norm not in "стхрме":
        return False
    return cell.norm != "с" or _may_be_letter(cells, at)


def _is_modifier(cells: Sequence[Cell], at: int) -> bool:
    alias = cells[at].alias
    if alias is None or alias.kind != "mod":
        mixed = chars.has_latin(cells[at].norm) and chars.has_cyrillic(cells[at].norm)
        return mixed or near_modifier(cells[at].norm) or _is_foreign(cells, at)
    if cells[at].norm in ("nfc", "нфс", "нфц", "dual"):
        return False
    return cells[at].norm != "про" or not _is_about(cells, at)


def _is_about(cells: Sequence[Cell], at: int) -> bool:
    """Whether "про" is a preposition: the next word is an accusative noun and no part of a name."""
    if at + 1 >= len(cells):
        return False
    follower = cells[at + 1]
    if follower.kind != "word" or follower.alias is not None or follower.norm.isascii():
        return False
    return has_case(follower.norm, _ABOUT)


def _is_foreign(cells: Sequence[Cell], at: int) -> bool:
    """A Latin word that is neither English of this trade nor a maker, in a text that is not English: some edition."""
    cell = cells[at]
    if cell.alias is not None or not cell.norm.isascii() or len(cell.norm) > _MAX_FOREIGN:
        return False
    if is_neutral(cell.norm):
        return False
    words = [other.norm for other in cells if other.kind == "word"]
    return not all(map(str.isascii, words)) or not any(map(in_english, words))


@lru_cache(maxsize=1)
def _modifier_atoms() -> frozenset[str]:
    return frozenset(alias.atoms[0] for alias in aliases().values() if alias.kind == "mod" and alias.atoms)
