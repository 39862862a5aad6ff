"""Spellings of makers, product lines and modifiers: the hand-kept alias file, with Russian case forms added."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final

_CONSONANT_ENDINGS: Final = ("", "а", "у", "ом", "е", "ы", "ов", "ам", "ами", "ах", "и")
NAME_FILES: Final = ("phones.tsv", "devices.tsv", "rides.tsv", "lines.tsv")
_WORD: Final = re.compile(r"[a-z]{2,}")


@dataclass(frozen=True, slots=True)
class Alias:
    """What one spelling stands for. `atoms` are the name parts it brings into a model name."""

    kind: str
    atoms: tuple[str, ...]
    brand: str
    device_class: str


def data_lines(name: str) -> list[list[str]]:
    """Cells of the lines of a data file of this package, comments and blank lines left out."""
    text = resources.files(__package__).joinpath("data", name).read_text("utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]


def cases_of(word: str) -> tuple[str, ...]:
    """A maker's Russian word with its case forms."""
    return tuple(word + ending for ending in _CONSONANT_ENDINGS) if word[-1:] not in "аеийоуыьэюя" else (word,)


def _forms(spelling: str) -> tuple[str, ...]:
    if spelling.endswith("~"):
        return tuple(spelling[:-1] + ending for ending in _CONSONANT_ENDINGS)
    return (spelling,)


def read_aliases() -> dict[str, Alias]:
    """Every written form (lower case, "ё" as "е") with its meaning. The first line to claim a form keeps it."""
    out: dict[str, Alias] = {}
    for cells in data_lines("aliases.tsv"):
        kind, atoms, brand, device_class, spellings = (*cells, "", "")[:5]
        alias = Alias(kind, tuple(atoms.split()), brand, device_class)
        for spelling in (atoms.replace(" ", ""), *spellings.split(",")):
            for form in _forms(spelling.strip().lower().replace("ё", "е")):
                if form:
                    out.setdefault(form, alias)
    return out


@lru_cache(maxsize=1)
def aliases() -> dict[str, Alias]:
    """The alias table, read once."""
    return read_aliases()


@lru_cache(maxsize=1)
def vocabulary() -> frozenset[str]:
    """Words that must not be taken for slips or foreign words: aliases and the words of model names."""
    named = {word for file in NAME_FILES for cells in data_lines(file) for word in _WORD.findall(cells[-1].lower())}
    return frozenset((*(form for form in aliases() if len(form) > 1), *named))
