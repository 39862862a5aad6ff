"""The notation of the catalogue files: alternatives, ways of speaking, and the atoms names are compared by."""

from __future__ import annotations

import itertools
import re
from typing import Final

_GROUP: Final = re.compile(r"\{([^{}]*)\}")
_RANGE: Final = re.compile(r"(\d+)\.\.(\d+)")
_OPTIONAL: Final = re.compile(r"\[([^\[\]]*)\] ?")
_ATOM: Final = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|\+")


def expand(pattern: str) -> list[str]:
    """All names a pattern with {a,b} and {1..3} groups stands for, in order."""
    parts = _GROUP.split(pattern)
    options = [[part] if index % 2 == 0 else _alternatives(part) for index, part in enumerate(parts)]
    return [re.sub(r"\s+", " ", "".join(choice)).strip() for choice in itertools.product(*options)]


def _alternatives(group: str) -> list[str]:
    out: list[str] = []
    for item in group.split(","):
        span = _RANGE.fullmatch(item)
        out.extend(map(str, range(int(span[1]), int(span[2]) + 1)) if span else [item])
    return out


def entries(cell: str) -> list[tuple[str, tuple[str, ...]]]:
    """(canonical name, ways to say it) of every name in one cell of a catalogue file."""
    out: list[tuple[str, tuple[str, ...]]] = []
    for pattern in filter(None, map(str.strip, cell.split(";"))):
        columns = [expand(form) for form in pattern.split("=")]
        for forms in zip(*columns, strict=True):
            spoken = tuple(dict.fromkeys(way for form in forms for way in _ways(form)))
            out.append((_OPTIONAL.sub(lambda found: found[1] + " ", forms[0]).strip(), spoken))
    return out


def _ways(form: str) -> tuple[str, ...]:
    if "[" not in form:
        return (form,)
    return _OPTIONAL.sub(lambda found: found[1] + " ", form).strip(), _OPTIONAL.sub("", form).strip()


def atoms(name: str) -> tuple[str, ...]:
    """Comparable parts of a name: "Redmi Note 12 Pro+" is redmi, note, 12, pro, plus."""
    return tuple("plus" if atom == "+" else atom for atom in _ATOM.findall(name.lower().replace("ё", "е")))
