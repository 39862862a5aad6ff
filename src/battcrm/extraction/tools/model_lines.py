"""Devices too many to list: laptops, television sets, tools, printers. The model is what the client says after the
product line ("ideapad 320") or the code after the maker ("телевизор самсунг ue43tu7097u")."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from battcrm.extraction import normalise_chars as chars
from battcrm.extraction.gazetteer.aliases import data_lines
from battcrm.extraction.gazetteer.cells import LETTERS, Cell
from battcrm.extraction.gazetteer.names import atoms
from battcrm.extraction.gazetteer.neutral import is_neutral
from battcrm.extraction.tools import model_words as words

_CODE_CLASSES: Final = frozenset(("laptop", "tv", "tool", "other", "pc"))
_LAPTOP_MAKERS: Final = frozenset(
    (
        "ASUS",
        "HP",
        "Acer",
        "Dell",
        "MSI",
        "Lenovo",
        "Maibenben",
        "Machenike",
        "Thunderobot",
        "Packard Bell",
        "eMachines",
    )
)
_CODE_MAKERS: Final = frozenset(
    ("Karcher", "Polaris", "Kitfort", "Redmond", "Tefal", "Braun", "Panasonic", "Electrolux", "Philips", "Hitachi")
)
_TV_CODE: Final = re.compile(r"(?:UE|QE|UN|LE|LT|KDL|KD|XR|OLED|L|H)?-?\d{2}[A-Z]{1,6}\d{2,4}[A-Z0-9/.\-]*")
_EXTRAS: Final[dict[str, str]] = {
    "pro": "Pro", "slim": "Slim", "plus": "Plus", "gaming": "Gaming", "carbon": "Carbon", "max": "Max", "i": "i",
    "nano": "Nano", "extreme": "Extreme", "yoga": "Yoga", "duo": "Duo", "flip": "Flip", "lite": "Lite", "ultra": "Ultra",
    "flex": "Flex", "neo": "Neo", "air": "Air", "oled": "OLED", "edge": "Edge", "go": "Go",
    "thin": "Thin", "ltx": "LTX", "fuel": "FUEL",
}  # fmt: skip
_MIN_NUMBER_CODE: Final = 7
_MIN_SET_CODE: Final = 5
# Words that are lines of laptops but say too little alone.
_TOO_WIDE: Final = frozenset(
    (
        "ROG",
        "TUF",
        "Laptop",
        "Mini",
        "Stream",
        "Book",
        "Thin",
        "Studio",
        "Essential",
        "Flex",
        "Modern",
        "Alpha",
        "Delta",
    )
)
_PHONE_CODE: Final = re.compile(r"[A-Z]{1,2}\d{1,5}[A-Z]?")
_MAX_PIECES: Final = 4


@dataclass(frozen=True, slots=True)
class LineName:
    """A model put together from a line and what follows it; ends before cell `end`."""

    name: str
    device_class: str
    end: int


@lru_cache(maxsize=1)
def _lines() -> dict[tuple[str, str], tuple[tuple[tuple[str, ...], str, str], ...]]:
    """Lines by maker and first part, the longest first."""
    out: dict[tuple[str, str], list[tuple[tuple[str, ...], str, str]]] = {}
    for brand, device_class, names in data_lines("lines.tsv"):
        for name in names.split(";"):
            out.setdefault((brand, atoms(name)[0]), []).append((atoms(name), name, device_class))
    return {key: tuple(sorted(rows, key=lambda row: -len(row[0]))) for key, rows in out.items()}


def _lines_at(cell: Cell, brand: str) -> tuple[tuple[tuple[str, ...], str, str], ...]:
    return _lines().get((brand, cell.readings[0][0]), ()) if cell.readings and cell.readings[0] else ()


def line_name(cells: Sequence[Cell], start: int, end: int, brand: str, device_class: str | None) -> LineName | None:
    """The name of a device of `brand` whose head is at cells [start, end), or None when nothing model-like follows."""
    for first in range(start, min(end + 1, len(cells))):
        for parts, name, line_class in _lines_at(cells[first], brand):
            after = _consume(cells, first, parts)
            if after is None or after < end:
                continue
            pieces, last = _pieces(cells, after, numbers=True)
            return LineName(f"{name} {pieces}", line_class, last) if pieces else None
    kind = device_class if device_class is not None else _kind_without_word(cells, end, brand)
    if kind not in _CODE_CLASSES or brand == "Apple":
        return None
    pieces, last = _pieces(cells, _past_fillers(cells, end), numbers=kind in ("laptop", "tool"), spaced=kind == "tool")
    if kind in ("tv", "other") and len(pieces) < _MIN_SET_CODE:
        return None
    if not pieces or (pieces.isdecimal() and (device_class is None or len(pieces) < 3)):
        return None
    return LineName(pieces, kind, last)


def _kind_without_word(cells: Sequence[Cell], end: int, brand: str) -> str:
    """What the maker's code itself tells: 43UK6300 is a television set, a code after a laptop maker a laptop."""
    if brand in _LAPTOP_MAKERS:
        return "laptop"
    if brand in _CODE_MAKERS:
        return "other"
    code = _glued_code(cells, end)[0] if end < len(cells) else ""
    return "tv" if _TV_CODE.fullmatch(code) else ""


def listed_code(cells: Sequence[Cell], at: int, device_class: str | None) -> LineName | None:
    """One more code of the same maker in a list ("hr2470 и ddf483")."""
    if device_class not in _CODE_CLASSES or cells[at].kind not in ("code", "number"):
        return None
    code, end = _glued_code(cells, at)
    long_enough = cells[at].kind == "code" or len(code) >= _MIN_NUMBER_CODE
    return LineName(code, device_class, end) if code and long_enough else None


def line_alone(cells: Sequence[Cell], start: int, end: int, brand: str) -> LineName | None:
    """A laptop's product line said without a number: a model of its own, as "MacBook Air" is."""
    for first in range(start, min(end + 1, len(cells))):
        for parts, name, line_class in _lines_at(cells[first], brand):
            if line_class != "laptop" or name in _TOO_WIDE:
                continue
            after = _consume(cells, first, parts)
            if after is not None and after >= end:
                return LineName(name, line_class, after)
    return None


def phone_code(cells: Sequence[Cell], at: int) -> LineName | None:
    """A letter or two and a number after a maker of many phones ("doogee s96"), with the additions said after it."""
    if at >= len(cells) or not _PHONE_CODE.fullmatch(_glued_code(cells, at)[0]) or not cells[at].norm.isascii():
        return None
    pieces, last = _pieces(cells, at, numbers=False)
    return LineName(pieces, "phone", last) if pieces else None


def _past_fillers(cells: Sequence[Cell], at: int) -> int:
    while at < len(cells) and (cells[at].norm in ("модель", "модели", ":") or _is_class_word(cells, at)):
        at += 1
    return at


def _is_class_word(cells: Sequence[Cell], at: int) -> bool:
    return bool(words.class_at(cells, at)) and not (at + 1 < len(cells) and cells[at + 1].glued)


def _consume(cells: Sequence[Cell], first: int, parts: tuple[str, ...]) -> int | None:
    at = first
    done: tuple[str, ...] = ()
    while at < len(cells) and done != parts:
        if cells[at].skip and done:
            at += 1
            continue
        reading = next((item for item in cells[at].readings if parts[: len(done) + len(item)] == done + item), None)
        if reading is None:
            return None
        done += reading
        at += 1
    return at if done == parts else None


def _pieces(cells: Sequence[Cell], at: int, *, numbers: bool, spaced: bool = False) -> tuple[str, int]:
    """What reads like a model from `at` on: codes, numbers and known additions; at least one digit in all."""
    out: list[str] = []
    last = at
    while at < len(cells) and len(out) < _MAX_PIECES:
        if cells[at].skip and out and at + 1 < len(cells) and cells[at + 1].glued:
            at += 1
            continue
        piece, after = _piece(cells, at, first=not out, numbers=numbers, spaced=spaced)
        if not piece:
            break
        out.append(piece)
        at = last = after
    text = " ".join(out)
    return (text, last) if any(char.isdecimal() for char in text) else ("", at)


def _piece(cells: Sequence[Cell], at: int, *, first: bool, numbers: bool, spaced: bool) -> tuple[str, int]:
    cell = cells[at]
    if cell.alias is not None and cell.alias.kind in ("brand", "family"):
        return "", at
    code, after = _glued_code(cells, at)
    if code:
        return code, after
    if cell.kind == "number":
        small = len(cell.norm) <= 4 and not words.counts_something(cells, at)
        return _number_run(cells, at) if numbers and small and (first or _is_model_number(cell.norm)) else ("", at)
    if cell.readings and cell.readings[0] == ("gen",) and at + 1 < len(cells) and cells[at + 1].kind == "number":
        return f"Gen {cells[at + 1].norm}", at + 2
    extra = _EXTRAS.get(cell.readings[0][0]) if cell.readings else None
    if (extra and cell.kind == "word" and cell.norm not in ("и", "про")) or (extra == "Pro" and not first):
        return extra or "", at + 1
    if spaced and first and cell.kind == "word" and len(cell.norm) <= 4 and at + 1 < len(cells):
        return _spaced_code(cells, at)
    return "", at


def _is_model_number(norm: str) -> bool:
    """A second number that names the model ("XPS 13 9310"); a year does not."""
    return len(norm) == 4 and norm[:2] not in ("20", "19")


def _spaced_code(cells: Sequence[Cell], at: int) -> tuple[str, int]:
    """A short word and a number: "GBH 2-26", "BS 18"."""
    letters = _shape(cells[at].norm)
    follower = at + 2 if cells[at + 1].skip and at + 2 < len(cells) else at + 1
    code, after = _glued_code(cells, follower)
    if not code and cells[follower].kind == "number" and not words.counts_something(cells, follower):
        code, after = _number_run(cells, follower)
    return (f"{letters}{'-' if follower > at + 1 else ' '}{code}", after) if code and letters else ("", at)


def _number_run(cells: Sequence[Cell], at: int) -> tuple[str, int]:
    text, end = cells[at].norm, at + 1
    while end + 1 < len(cells) and cells[end].norm in "-/" and cells[end].glued and cells[end + 1].glued:
        text += cells[end].norm + _shape(cells[end + 1].norm)
        end += 2
    return text, end


def _glued_code(cells: Sequence[Cell], at: int) -> tuple[str, int]:
    """Letters and digits written together, hyphens, slashes and dots inside allowed, upper-case; "" when it is not a code."""
    text, end = _shape(cells[at].norm), at + 1
    if cells[at].kind not in ("word", "number", "code") or not text:
        return "", at
    while end < len(cells) and cells[end].glued and (cells[end].norm in "-/." or cells[end].norm[0].isalnum()):
        if cells[end].norm in "-/." and (end + 1 >= len(cells) or not cells[end + 1].glued):
            break
        if cells[end].norm in "-/." and not cells[end + 1].norm[0].isalnum():
            break
        text += _shape(cells[end].norm)
        end += 1
    letters = sum(char.isalpha() for char in text)
    if not letters or letters == len(text.replace("-", "")) or is_neutral(text.lower()):
        return "", at
    return ("", at) if _is_amount(text) else (text, end)


def _is_amount(text: str) -> bool:
    return text.lower().lstrip("0123456789.,-") in words.UNITS or text.endswith(("GB", "TB", "ГБ", "ТБ"))


def _shape(norm: str) -> str:
    if norm.isascii():
        return norm.upper()
    shape = chars.to_latin_shape(norm)
    if not shape.isascii() and any(char.isdecimal() for char in norm):
        shape = "".join(LETTERS.get(char, (char,))[0] for char in norm)
    return shape.upper() if shape.isascii() else norm.upper()
