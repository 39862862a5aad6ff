"""Devices named by their maker or product line: "самсунг галакси а52", "айфон 13 про", "12 про айфон"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from battcrm.extraction.gazetteer.aliases import Alias
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.extraction.gazetteer.cells import Cell
from battcrm.extraction.gazetteer.compile import brand_atom
from battcrm.extraction.gazetteer.neutral import is_neutral
from battcrm.extraction.gazetteer.scan import Match, line_of, match_at
from battcrm.extraction.tools import model_words as words
from battcrm.extraction.tools.model_found import AS_SAID, DOMINANT, FUZZY, SURE, Found, candidates, settle, with_five_g
from battcrm.extraction.tools.model_lines import line_alone, line_name, phone_code
from battcrm.models.facts import Hypothesis

_FILLERS: Final = frozenset(
    [
        ":",
        ",",
        "модель",
        "модели",
        "модел",
        "марка",
        "марки",
        "фирма",
        "фирмы",
        "телефон",
        "телефона",
        "телефоне",
        "смартфон",
        "ноутбук",
        "ноутбука",
        "планшет",
        "планшета",
        "самокат",
        "самоката",
        "часы",
        "это",
        "мой",
        "серия",
        "серии",
        "smartphone",
        "phone",
        "model",
        "пылесос",
        "телевизор",
        "ноут",
    ]
)
# The more particular maker wins when two are said for one thing.
_TOGETHER: Final = {("huawei", "honor"): "honor", ("honor", "huawei"): "honor", ("xiaomi", "realme"): "realme"}
_LINE_CLASSES: Final = {"watch": "watch", "band": "watch", "tab": "tablet", "pad": "tablet", "buds": "headphones"}
# Lines whose models are told apart by the size of the screen.
_SIZED: Final = ("ipad pro ", "ipad air ", "macbook pro ", "macbook air ", "mac pro ", "mac air ", "imac ")
# Makers of phones whose models are a letter and a number, more of them than the catalogue can list.
_CODED: Final = frozenset(
    [
        "vivo",
        "oppo",
        "realme",
        "doogee",
        "ulefone",
        "oukitel",
        "blackview",
        "cubot",
        "umidigi",
        "itel",
        "tcl",
        "inoi",
        "nokia",
        "meizu",
        "bq",
        "hotwav",
        "agm",
        "cat",
        "oscal",
        "zte",
        "fossibot",
        "iiif",
    ]
)
_REACH: Final = 13
_PASSING: Final = frozenset((",", "на", "дюйм", "год", "early", "mid", "late"))
_EDITIONS: Final = frozenset(("early", "mid", "late"))
_SAID: Final = "alias:"
_MAX_LINE_WORDS: Final = 2
_MOST_YEARS: Final = 9
_MAX_REVERSE: Final = 4
_TIME_BEFORE: Final = frozenset(("в", "к", "до", "после", "около", "с", "за"))


def is_head(cell: Cell) -> bool:
    """Whether the cell names a maker or a product line that tells the maker."""
    return cell.alias is not None and cell.alias.kind in ("brand", "family") and bool(cell.alias.brand)


def head_at(catalogue: Catalogue, cells: Sequence[Cell], start: int, device_class: str | None) -> Found | None:
    """The device whose maker or line stands at cell `start`; None when there is no head there."""
    if not is_head(cells[start]):
        return None
    run, end = _run(cells, start)
    alias = _maker(run)
    scope = brand_atom(alias.brand)
    confidence = FUZZY if any(cells[at].fuzzy for at in range(start, end)) else SURE
    base = Found(
        start, end, alias.brand, "", device_class or _line_class(cells, end) or _class(run), 0.0, confidence,
        source=f"{_SAID}{' '.join(_family_line(run) or alias.atoms[:1])}", head=True, scope=scope, line=_family_line(run),
    )  # fmt: skip
    tail = _tail(catalogue, cells, start, end, scope)
    plain = base._replace(open=_speaks_of_model(cells, end))
    found = _with_match(catalogue, base, *tail, device_class) if tail else plain
    line = line_name(cells, start, end, alias.brand, device_class or _class(run))
    supported = device_class is not None and device_class == (alias.device_class or device_class)
    alone = end - start == 1 and not supported and words.is_everyday(cells[start])
    if alone and not found.model and not found.candidates and (line is None or words.is_place(cells[start])):
        return None
    if line is None and found is plain and scope in _CODED and device_class in (None, "phone", "headphones"):
        line = phone_code(cells, end)
        line = None if line is not None and _goes_on(cells, line.end) else line
    if line is None and not found.model and not found.open and not found.candidates:
        whole = line_alone(cells, start, end, alias.brand)
        if whole is not None:
            return plain._replace(end=whole.end, model=whole.name, device_class=whole.device_class, confidence=DOMINANT,
                source=f"{base.source}+line",
            )  # fmt: skip
    if line is not None and (not found.model or line.end > found.end):
        return plain._replace(end=line.end, model=line.name, device_class=line.device_class, confidence=AS_SAID, open=False,
            candidates=(), source=f"{base.source}+line",
        )  # fmt: skip
    return found


def _goes_on(cells: Sequence[Cell], at: int) -> bool:
    """Whether more of a name follows that nobody knows: a modifier, or a Latin word."""
    if at >= len(cells) or cells[at].kind not in ("word", "code"):
        return False
    cell = cells[at]
    return cell.alias.kind == "mod" if cell.alias is not None else cell.norm.isascii() and not is_neutral(cell.norm)


def line_of_source(source: str) -> tuple[str, ...]:
    """The product line a maker was told by ("alias:redmi" -> redmi), so that the next message can go on from it."""
    return tuple(source.partition("+")[0].removeprefix(_SAID).split()) if source.startswith(_SAID) else ()


def line_answer(cells: Sequence[Cell], known: Hypothesis | None) -> list[Found]:
    """A message of nothing but a product line goes on from the maker said before: "редми", then "ноут"."""
    if known is None or known.brand is None or known.model is not None or not 0 < len(cells) <= _MAX_LINE_WORDS:
        return []
    if not all(cell.alias is not None and cell.alias.kind == "line" for cell in cells):
        return []
    line = (*line_of_source(known.brand.source), *(atom for cell in cells for atom in cell.readings[0]))
    brand = known.brand.value
    return [
        Found(
            0, len(cells), brand, "", known.device_class, 0.0, known.brand.confidence, open=True,
            source=f"{_SAID}{' '.join(line)}", head=True, scope=brand_atom(brand), line=line,
        )
    ]  # fmt: skip


def _run(cells: Sequence[Cell], start: int) -> tuple[list[Alias], int]:
    """The makers and lines said one after another, and the cell after them."""
    run: list[Alias] = []
    at = start
    while at < len(cells):
        cell = cells[at]
        if cell.skip and run and at + 1 < len(cells) and is_head(cells[at + 1]) and cell.glued:
            at += 1
            continue
        if cell.alias is None or not is_head(cell):
            break
        if run and not _compatible(run[-1], cell.alias):
            break
        run.append(cell.alias)
        at += 1
    return run, at


def _compatible(first: Alias, second: Alias) -> bool:
    return first.brand == second.brand or (brand_atom(first.brand), brand_atom(second.brand)) in _TOGETHER


def _maker(run: list[Alias]) -> Alias:
    chosen = run[0]
    for alias in run[1:]:
        pair = (brand_atom(chosen.brand), brand_atom(alias.brand))
        if pair[0] == pair[1] or _TOGETHER.get(pair) == pair[1]:
            chosen = alias
    return chosen


def _family_line(run: list[Alias]) -> tuple[str, ...]:
    return next((alias.atoms for alias in reversed(run) if alias.kind == "family"), ())


def _class(run: list[Alias]) -> str | None:
    return next((alias.device_class for alias in reversed(run) if alias.device_class), None)


def _tail(catalogue: Catalogue, cells: Sequence[Cell], start: int, end: int, scope: str) -> tuple[Match, int] | None:
    """The longest model name after the head, the head's own product lines being part of it."""
    families = [at for at in range(start, end) if _is_family(cells[at])]
    found: tuple[Match, int] | None = None
    starts = [*families, end] if not families or _replaces(catalogue, cells, families[-1], end, scope) else families
    filled = any(_is_filler(cell) for cell in cells[end : end + 2])
    ways = (False, True) if filled else (False,)
    for first in starts:
        for fillers in ways:
            view = _view(cells, first, end, scope, fillers)
            match = _uncounted(catalogue, cells, view, scope)
            if match is None:
                continue
            last = view[match.end - 1] + 1
            if last > end and (found is None or last > found[1]):
                found = match, last
            elif last <= end and found is None and match.named:
                found = match, end
            if match.end > 1:
                break
    return found


def _replaces(catalogue: Catalogue, cells: Sequence[Cell], family: int, end: int, scope: str) -> bool:
    """Whether the line after the head stands for another ("редми ми 9") and does not continue it ("редми ноут про")."""
    if not _is_line(cells, end):
        return False
    said = (*cells[family].readings[0], *cells[end].readings[0])
    return not catalogue.has(f"{scope}|" + "".join(f"{atom} " for atom in said))


def _is_line(cells: Sequence[Cell], at: int) -> bool:
    """A product line right after the head replaces the head's own ("редми ми 9")."""
    return at < len(cells) and (alias := cells[at].alias) is not None and alias.kind in ("line", "family")


def _line_class(cells: Sequence[Cell], at: int) -> str | None:
    """The kind of device a line without a number tells: "эпл вотч" is a watch."""
    if not _is_line(cells, at) or not cells[at].readings:
        return None
    return _LINE_CLASSES.get(cells[at].readings[0][0])


def _is_family(cell: Cell) -> bool:
    return cell.alias is not None and cell.alias.kind == "family"


def _view(cells: Sequence[Cell], first: int, end: int, scope: str, fillers: bool) -> list[int]:
    """Cell numbers from `first` on, without repeated makers and lines and, when asked, without filler words."""
    out: list[int] = []
    seen: set[tuple[str, ...]] = set()
    head = True
    for at in range(first, min(len(cells), first + _REACH)):
        cell = cells[at]
        if cell.alias is not None and cell.alias.kind in ("brand", "family") and cell.alias.brand:
            if brand_atom(cell.alias.brand) == scope and (cell.alias.kind == "brand" or cell.alias.atoms in seen):
                continue
            seen.add(cell.alias.atoms)
        elif (fillers and at >= end and head and _is_filler(cell)) or (
            (cell.norm in _PASSING or cell.lemma in _PASSING) and _passing(cells, at, out)
        ):
            continue
        elif at >= end:
            head = False
        out.append(at)
    return out


def _is_filler(cell: Cell) -> bool:
    """A word that may stand between a maker and the model: "модель", "телефон", "фен"."""
    return cell.norm in _FILLERS or (cell.alias is None and words.names_class(cell))


def _passing(cells: Sequence[Cell], at: int, out: list[int]) -> bool:
    """A word inside a name that says nothing: "про 14 на м1", "13 дюймов", "early 2015", "2012 года"."""
    cell = cells[at]
    after = cells[at + 1] if at + 1 < len(cells) else None
    if cell.norm == "," and out:
        return after is not None and _is_year(after) and cells[out[-1]].kind in ("number", "code")
    if cell.kind != "word" or not out:
        return False
    if cell.norm == "на":
        chip = after.readings if after is not None else ()
        return any(len(reading) == 2 and reading[0] == "m" and reading[1] in "12345" for reading in chip)
    if cell.norm in _EDITIONS:
        return after is not None and _is_year(after)
    before = cells[out[-1]]
    return (cell.lemma == "дюйм" and before.kind == "number") or (cell.lemma == "год" and _is_year(before))


def _is_year(cell: Cell) -> bool:
    return cell.kind == "number" and len(cell.norm) == 4 and cell.norm.startswith("20")


def _uncounted(catalogue: Catalogue, cells: Sequence[Cell], view: list[int], scope: str) -> Match | None:
    """The longest name over the view; a last number that counts something is no part of it ("switch 2 года")."""
    if not view:
        return None
    match = match_at(catalogue, [cells[at] for at in view], 0, scope)
    if match is None or not _counted(cells, view, match):
        return match
    if not cells[view[match.end - 1]].norm.isdecimal() or int(cells[view[match.end - 1]].norm) > _MOST_YEARS:
        return None
    shorter = view[: match.end - 1]
    return match_at(catalogue, [cells[at] for at in shorter], 0, scope) if shorter else None


def _counted(cells: Sequence[Cell], view: list[int], match: Match) -> bool:
    """The name ends in a number that counts something ("айфон 2 года", "самсунг за 5 тыс")."""
    last = view[match.end - 1]
    if cells[last].kind != "number" or not words.counts_something(cells, last):
        return False
    return not (match.key.partition("|")[2].startswith(_SIZED) and words.is_inches(cells, last))


def _speaks_of_model(cells: Sequence[Cell], end: int) -> bool:
    at = end
    while at < len(cells) and (cells[at].skip or cells[at].norm in _FILLERS):
        at += 1
    if at >= len(cells):
        return False
    cell = cells[at]
    if cell.kind == "number":
        return not words.is_time_or_age(cells, at) and not _is_size(cells, at)
    if cell.kind == "code":
        return bool(cell.readings) and not _is_storage(cell)
    return cell.alias is not None and cell.alias.kind == "mod" and at == end


def _is_size(cells: Sequence[Cell], at: int) -> bool:
    """A screen size said of a television set."""
    sized = cells[at].norm.isdecimal() and 19 <= int(cells[at].norm) <= 110
    return sized and any(
        words.class_at(cells, place) == "tv" for place in range(max(0, at - 4), min(len(cells), at + 3))
    )


def _is_storage(cell: Cell) -> bool:
    return cell.norm.lstrip("0123456789") in words.UNITS


def _with_match(catalogue: Catalogue, base: Found, match: Match, last: int, device_class: str | None) -> Found:
    if match.blocked:
        longer = [item for item in catalogue.longer(match.key) if device_class in (None, item.device_class)]
        return base._replace(end=last, candidates=candidates(longer), open=True)
    model, several = settle(match.named, device_class)
    if model is None and not several and base.line:
        model, several = settle(match.named, None)
    if model is None:
        return base._replace(end=last, candidates=candidates(several), open=True)
    name = with_five_g(model.name, model.device_class, match.five_g)
    return base._replace(end=last, brand=model.brand, model=name, device_class=model.device_class,
        confidence=base.brand_confidence, source=f"{base.source}+name",
        line=line_of(match.key.partition("|")[2].split()),
    )  # fmt: skip


def reversed_tail(
    catalogue: Catalogue, cells: Sequence[Cell], found: Found, floor: int, device_class: str | None
) -> Found:
    """A head without a model takes the name that stands right before it ("13 про айфон", "12 айфон мини").

    "11 или 12 айфон" names neither.
    """
    if found.start > 2 and cells[found.start - 2].norm in ("или", "либо") and cells[found.start - 3].kind == "number":
        return found._replace(open=True)
    for start in range(max(floor, found.start - _MAX_REVERSE), found.start):
        if not _may_stand_before(cells, start, found):
            continue
        view = [*range(start, found.start), *range(found.end, min(len(cells), found.end + 4))]
        match = match_at(catalogue, [cells[at] for at in view], 0, found.scope)
        if match is None or match.end < found.start - start or _counted(cells, view, match):
            continue
        last = max(found.end, view[match.end - 1] + 1)
        better = _with_match(catalogue, found._replace(start=start, open=False), match, last, device_class)
        if better.model or better.candidates:
            return better
    return found


def _may_stand_before(cells: Sequence[Cell], start: int, found: Found) -> bool:
    alias = cells[start].alias
    if cells[start].kind == "word" and len(cells[start].norm) == 1:
        return words.is_spaced_code(cells, start)
    if cells[start].kind == "word" and (alias is None or alias.kind not in ("line", "mod")):
        return False
    if cells[start].kind in ("punct", "emoji"):
        return False
    head = cells[found.start].norm
    if found.start - start == 1 and cells[start].kind == "number":
        locative = head.endswith("е")
        if start > 0 and cells[start - 1].norm in _TIME_BEFORE and not locative:
            return False
        if head.endswith("ов") or (head.endswith("а") and int(cells[start].norm.split(".")[0]) < 5):
            return False
    led = start == 0 or words.is_owned(cells, start)
    return led or not (words.is_time_or_age(cells, start) and cells[start - 1].norm not in _TIME_BEFORE)
