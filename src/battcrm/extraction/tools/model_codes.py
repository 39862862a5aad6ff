"""Makers' model codes: A2633, SM-A525F, M2101K6G, RMX3085, MAR-LX1M. Known ones name the model, others the maker."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from battcrm.extraction import normalise_chars as chars
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.extraction.gazetteer.cells import Cell
from battcrm.extraction.tools.model_found import SURE, Found

_MAX_CELLS: Final = 7
_MIN_CODE: Final = 5
_PATTERNS: Final = (
    (re.compile(r"SM[A-Z]\d{3,4}[A-Z0-9]{0,3}"), "Samsung", None),
    (re.compile(r"[AGJMN][0-9]{3}[FBGNUWEM]N?"), "Samsung", "phone"),
    (re.compile(r"A[123]\d{3}"), "Apple", None),
    (re.compile(r"RMX\d{4}"), "Realme", "phone"),
    (re.compile(r"CPH\d{4}"), "OPPO", "phone"),
    (re.compile(r"M(?:18|19|20|21|22)\d{2}[A-Z]\d{1,2}[A-Z]{1,2}"), "Xiaomi", "phone"),
    (re.compile(r"2[0-5]\d{2,3}[0-9A-Z]{2,6}[A-Z]{1,2}"), "Xiaomi", "phone"),
    (re.compile(r"XT\d{4}"), "Motorola", "phone"),
)
_SAMSUNG_SHORT: Final = re.compile(r"[A-Z]\d{3}[A-Z]{1,2}")


_TABLET_SHORT: Final = re.compile(r"[TPX]\d{3}[A-Z]?")


def code_at(catalogue: Catalogue, cells: Sequence[Cell], start: int) -> Found | None:
    """The code that begins at cell `start`, known to the catalogue or of a maker's known form; else None."""
    cell = cells[start]
    if cell.kind not in ("word", "number", "code") or (start > 0 and cell.glued and cells[start - 1].norm == "-"):
        return None
    if cell.kind == "word" and cell.norm not in ("sm", "см", "rmx", "cph", "a", "а") and not _hyphened(cells, start):
        return None
    codes = list(reversed(_codes(cells, start)))
    known = (_known(catalogue, code, start, end) for end, code in codes)
    patterned = (_patterned(code, start, end) for end, code in codes)
    return next(filter(None, known), None) or next(filter(None, patterned), None)


def tablet_code(catalogue: Catalogue, cells: Sequence[Cell], start: int, near: str | None) -> Found | None:
    """A Samsung tablet's code without its first letters, once a tablet is spoken of ("планшет самсунг т225")."""
    if near != "tablet" or cells[start].kind != "code":
        return None
    code = _latin(cells[start].norm).upper()
    model = catalogue.code("SM" + code) if _TABLET_SHORT.fullmatch(code) else None
    if model is None:
        return None
    return Found(
        start, start + 1, model.brand, model.name, model.device_class, SURE, SURE, source=f"code:SM{code}", head=True
    )  # fmt: skip


def _hyphened(cells: Sequence[Cell], start: int) -> bool:
    return start + 1 < len(cells) and cells[start + 1].norm == "-" and cells[start + 1].glued


def _codes(cells: Sequence[Cell], start: int) -> list[tuple[int, str]]:
    """(end, code without marks) of every run from `start` that has letters, digits and the length of a code."""
    out: list[tuple[int, str]] = []
    code = ""
    for at in range(start, min(len(cells), start + _MAX_CELLS)):
        cell = cells[at]
        spaced_prefix = at == start + 1 and cells[start].norm in ("sm", "см")
        if at > start and not cell.glued and not spaced_prefix:
            break
        if cell.norm in "-_/":
            continue
        if cell.kind not in ("word", "number", "code"):
            break
        code += _latin(cell.norm).upper()
        if len(code) >= _MIN_CODE and any(char.isdecimal() for char in code) and any(char.isalpha() for char in code):
            out.append((at + 1, code))
    return out


def _latin(norm: str) -> str:
    if norm.isascii():
        return norm
    if norm == "см":
        return "sm"
    return chars.to_latin_shape(norm)


def _known(catalogue: Catalogue, code: str, start: int, end: int) -> Found | None:
    forms = [code, code[:-1], code[:-2]] if code.startswith("SM") else [code]
    if _SAMSUNG_SHORT.fullmatch(code):
        forms.extend(("SM" + code, "SM" + code[:-1]))
    for form in forms:
        model = catalogue.code(form)
        if model is not None:
            return Found(
                start, end, model.brand, model.name, model.device_class, SURE, SURE, source=f"code:{form}", head=True
            )  # fmt: skip
    return None


def _patterned(code: str, start: int, end: int) -> Found | None:
    if not code.isascii():
        return None
    for pattern, brand, device_class in _PATTERNS:
        if pattern.fullmatch(code):
            return Found(
                start, end, brand, "", device_class, 0.0, 0.9, open=True, source="code-pattern", head=True
            )  # fmt: skip
    return None
