"""Model names with no maker beside them: "s23", "13 про макс", "а 51", and "12 про" once the maker is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.extraction.gazetteer.cells import Cell
from battcrm.extraction.gazetteer.neutral import is_neutral
from battcrm.extraction.gazetteer.scan import Match, line_of, match_at
from battcrm.extraction.normalise_numbers import MODEL_NOUNS
from battcrm.extraction.tools import model_words as words
from battcrm.extraction.tools.model_echo import echoes, is_told
from battcrm.extraction.tools.model_found import BARE, CONTEXT, DOMINANT, Found, candidates, settle, with_five_g
from battcrm.extraction.tools.model_numbers import by_number


class Context(NamedTuple):
    """The maker and product line a bare name may belong to, and the model it may go on from ("про 13", then "2017").

    `weak`: only named before in the same message.
    """

    scope: str = ""
    line: tuple[str, ...] = ()
    weak: bool = False
    name: tuple[str, ...] = ()


_LEADS: Final = frozenset(
    (
        "обычный",
        "обычного",
        "обычном",
        "простой",
        "простого",
        "базовый",
        "стандартный",
        "на",
        "для",
        "от",
        "у",
        "модель",
        "это",
        "моем",
        "моего",
        "под",
        "не",
        "а",
        "меня",
    )
)
_ANSWER_WORDS: Final = frozenset(
    [
        "у",
        "меня",
        "это",
        "модель",
        "мой",
        "моя",
        "на",
        "него",
        "него",
        "нее",
        "вроде",
        "кажется",
        "наверное",
        "просто",
        "обычный",
        "обычная",
        "простой",
        "телефон",
        "айфон",
        "не",
        "да",
        "нет",
        "а",
        "ну",
        "так",
        "он",
        "она",
        "была",
        "был",
        "именно",
        "точно",
        "же",
        "а-то",
    ]
)
_LONE_WORDS: Final = frozenset(("xr", "xs"))
_YEAR_DIGITS: Final = 4
_FEW: Final = 4
_SMALL: Final = frozenset("0123")
_KNOWN_WIDELY: Final = 2.0
_MIN_STRANGER: Final = 3
_FIRST_MODIFIERS: Final = frozenset(("se", "xr", "xs", "x", "s", "z", "gt"))
_WORD_NAMES: Final = frozenset(("|steam deck ", "|steam deck oled ", "|steam deck lcd ", "|joy con ", "|watch ultra "))
_BEFORE_ARTICLE: Final = frozenset((
    "s", "is", "was", "for", "have", "has", "had", "got", "get", "on", "of", "with", "fix", "repair", "replace", "about",
    "into", "in", "to", "and", "or", "like", "not", "just", "only", "buy", "sell",
))  # fmt: skip
_SPACED_SMALL: Final = frozenset("скоувиаея")


def is_plain_word(cell: Cell) -> bool:
    """A Russian word that is no part of any name: most words of a message."""
    return cell.kind == "word" and cell.alias is None and len(cell.norm) > 1 and not cell.norm.isascii()


def bare_at(
    catalogue: Catalogue, cells: Sequence[Cell], start: int, context: Context, device_class: str | None, *, listed: bool
) -> Found | None:
    """A model name at `start` without its maker. `context` is the maker known from elsewhere.

    `listed`: the place continues a list of that maker's models ("айфон 11, 12 и 13 про").
    """
    cell = cells[start]
    begins = _may_begin(catalogue, cells, start) or (context.line and _is_spoken_tail(cells, start))
    if not begins or _is_article(cells, start):
        return None if listed else _spaced(catalogue, cells, start, context, device_class)
    if context.scope:
        found = _in_scope(catalogue, cells, start, context, device_class, listed=listed)
        if found is not None:
            return found
    if cell.kind == "number" and words.is_time_or_age(cells, start) and not _is_modified(cells, start):
        return None
    if _after_stranger(cells, start) or words.is_fault_code(cells, start):
        return None
    if context.weak and cell.kind == "number":
        return None
    match = match_at(catalogue, cells, start, "")
    if match is None or not _is_name(cells, match):
        return _lone_number(catalogue, cells, start, device_class)
    return _found(catalogue, match, device_class, BARE, "bare")


def _may_begin(catalogue: Catalogue, cells: Sequence[Cell], start: int) -> bool:
    cell = cells[start]
    if not cell.readings or cell.kind in ("punct", "emoji"):
        return False
    if start > 0 and cell.glued and cells[start - 1].norm not in "(,\"'«-+!?:;./":
        return False
    if cell.kind == "word" and len(cell.norm) == 1:
        follower = cells[start + 1] if start + 1 < len(cells) else None
        if follower is None or not (follower.kind in ("number", "code", "punct") or _is_line(follower)):
            return False
        led = start > 0 and cells[start - 1].norm in ("на", "для", "от", "модель", "у")
        return cell.norm.isascii() or led or cell.norm not in _SPACED_SMALL
    if cell.kind == "word":
        alias = cell.alias
        if alias is not None:
            return alias.kind == "line" or cell.readings[0][0] in _FIRST_MODIFIERS
        return cell.norm.isascii() and catalogue.has(f"|{cell.norm} ")
    return True


def _is_article(cells: Sequence[Cell], start: int) -> bool:
    """An English "a" before a number ("I have an iPhone, it's a 12"), not the letter of a model."""
    before = cells[start - 1].norm if start > 0 else ""
    return cells[start].norm == "a" and before in _BEFORE_ARTICLE and not cells[start + 1].glued


def _after_stranger(cells: Sequence[Cell], start: int) -> bool:
    """An unknown Latin word right before is a maker we do not know: its model is not somebody else's.

    Nor is it when a product line stands before ("zero 8i"): the name is that line's.
    """
    at = start - 2 if start > 1 and cells[start - 1].norm == "-" else start - 1
    before = cells[at] if at >= 0 else None
    if before is None or before.kind != "word" or not before.norm.isascii() or len(before.norm) < _MIN_STRANGER:
        return False
    return _is_line(before) if before.alias is not None else not is_neutral(before.norm)


def _is_line(cell: Cell) -> bool:
    return cell.alias is not None and cell.alias.kind == "line"


def _is_spoken_tail(cells: Sequence[Cell], start: int) -> bool:
    """A modifier and a number, once the product line is known: "актив 2", "про 14", "air m1"."""
    alias = cells[start].alias
    follower = cells[start + 1] if start + 1 < len(cells) else None
    return alias is not None and alias.kind == "mod" and follower is not None and follower.kind in ("number", "code")


def _spaced(
    catalogue: Catalogue, cells: Sequence[Cell], start: int, context: Context, device_class: str | None
) -> Found | None:
    """A code written apart ("а 51"), when the maker is known, has such a model, and no other of them was named.

    After another model the letter is a word of its own ("а 11?").
    """
    if not context.scope or context.name or not words.is_spaced_code(cells, start):
        return None
    found = _in_scope(catalogue, cells, start, context, device_class, listed=False)
    return found if found is not None and found.model else None


def _is_modified(cells: Sequence[Cell], start: int) -> bool:
    """Whether a modifier makes the number a name even after a word of time ("к 13 прошке")."""
    follower = cells[start + 1] if start + 1 < len(cells) else None
    alias = follower.alias if follower is not None and follower.norm != "про" else None
    return alias is not None and alias.kind == "mod"


def _is_name(cells: Sequence[Cell], match: Match) -> bool:
    """Whether the matched cells look like a model on their own: letters with digits, or a number with a modifier."""
    inside = [cell for cell in cells[match.start : match.end] if not cell.skip]
    if match.key.strip("| ").isdecimal():
        return False
    digits = any(cell.kind in ("number", "code") for cell in inside)
    if not digits:
        return match.key in _WORD_NAMES or any(
            cell.readings and cell.readings[0][0] in _LONE_WORDS for cell in inside[:1]
        )
    last = match.end - 1
    return not (cells[last].kind == "number" and words.counts_something(cells, last))


def _in_scope(
    catalogue: Catalogue, cells: Sequence[Cell], start: int, context: Context, device_class: str | None, *, listed: bool
) -> Found | None:
    match = _longest(catalogue, cells, start, context)
    if match is None:
        return None
    if context.weak and not echoes(cells, match):
        return None
    numeric = match.end == start + 1 and cells[start].kind == "number" and not context.weak
    if numeric and not (_is_listed(cells, start) if listed else _numeric_answer(cells, start)):
        return None
    worded = not numeric and cells[start].kind == "word" and not _is_name(cells, match)
    if worded and not (match.blocked or ((listed or context.line) and _is_line(cells[start]))):
        return None
    return _found(catalogue, match, device_class, CONTEXT, "context")


def _longest(catalogue: Catalogue, cells: Sequence[Cell], start: int, context: Context) -> Match | None:
    """The name read after the known product line, else after less of it, else after the maker alone."""
    if context.name and (cells[start].kind == "code" or len(cells[start].norm) == _YEAR_DIGITS):
        match = match_at(catalogue, cells, start, context.scope, context.name)
        if match is not None and not match.blocked:
            return match
    doubtful: Match | None = None
    for size in range(len(context.line), -1, -1):
        match = match_at(catalogue, cells, start, context.scope, context.line[:size])
        if match is not None and not match.blocked:
            return match
        doubtful = doubtful or match
    return doubtful


def _is_listed(cells: Sequence[Cell], start: int) -> bool:
    """Whether the number goes on with a list; "первая", "второй" point back to what the list named."""
    if cells[start].spelled and cells[start].norm in _SMALL:
        return False
    return not words.counts_something(cells, start) and not words.counts_plural(cells, start)


def _numeric_answer(cells: Sequence[Cell], start: int) -> bool:
    """Whether a lone number can only be the model: the whole answer, or led by "на", "это", "не 12 а"."""
    if words.counts_something(cells, start) or cells[start].norm in _SMALL:
        return False
    if is_told(cells, start) and (words.is_owned(cells, start) or not words.is_time_or_age(cells, start)):
        return True
    others = [cell for at, cell in enumerate(cells) if at != start and cell.kind in ("word", "number", "code")]
    if all(cell.norm in _ANSWER_WORDS or cell.kind != "word" for cell in others):
        return len(others) == 0 or not words.is_time_or_age(cells, start)
    if words.is_time_or_age(cells, start):
        return False
    if words.counts_plural(cells, start):
        return False
    if start == 0:
        return False
    last = start + 1 >= len(cells) or cells[start + 1].kind in ("punct", "emoji")
    ordinal = cells[start].spelled and (last or int(cells[start].norm) > _FEW)
    called = start + 1 < len(cells) and cells[start + 1].lemma == "модель"
    return called or cells[start - 1].norm in _LEADS or ordinal or (last and cells[start - 1].norm in ",:")


def _found(catalogue: Catalogue, match: Match, device_class: str | None, confidence: float, how: str) -> Found | None:
    if match.blocked:
        options = candidates(catalogue.longer(match.key))
        return Found(match.start, match.end, candidates=options, open=True, source=how) if options else None
    model, several = settle(match.named, device_class)
    if model is None:
        if not several:
            return None
        return Found(match.start, match.end, candidates=candidates(several), device_class=device_class, source=how)
    if how == "bare" and model.weight < _KNOWN_WIDELY and device_class is None:
        return Found(match.start, match.end, candidates=candidates([model]), source=how)
    if how == "bare" and len(match.named) > 1:
        confidence = DOMINANT
    name = with_five_g(model.name, model.device_class, match.five_g)
    return Found(
        match.start, match.end, model.brand, name, model.device_class, confidence, confidence, source=f"{how}+name",
        line=line_of(match.key.partition("|")[2].split()),
    )  # fmt: skip


def _is_nickname(cell: Cell) -> bool:
    """Nouns that name a model by its number: "десятка" and the like."""
    return cell.spelled and cell.lemma in MODEL_NOUNS


def _lone_number(catalogue: Catalogue, cells: Sequence[Cell], start: int, device_class: str | None) -> Found | None:
    """A message that is only a number may be a model of several makers: candidates, never a fact."""
    cell = cells[start]
    if cell.kind != "number" or not (_is_nickname(cell) or _numeric_answer(cells, start)):
        return None
    options = by_number(catalogue, cell.norm, device_class)
    if not options:
        return None
    return Found(start, start + 1, candidates=candidates(options), device_class=device_class, source="number")
