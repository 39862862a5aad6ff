"""Modifiers said alone change the known model: "а про макс?", "точнее, мини"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from battcrm.extraction.gazetteer.catalogue import Catalogue, best
from battcrm.extraction.gazetteer.cells import Cell
from battcrm.extraction.gazetteer.compile import brand_atom
from battcrm.extraction.gazetteer.names import atoms
from battcrm.extraction.tools import model_words as words
from battcrm.extraction.tools.model_found import CONTEXT, Found
from battcrm.extraction.tools.model_heads import line_of_source
from battcrm.models.facts import Hypothesis

_MAX_WORDS: Final = 6
_PLAIN: Final = frozenset(("обычный", "обычная", "простой", "простая", "базовый", "базовая", "стандартный"))
_STRIPPED: Final = frozenset(
    [
        "pro",
        "max",
        "plus",
        "ultra",
        "lite",
        "mini",
        "se",
        "fe",
        "s",
        "t",
        "e",
        "c",
        "g",
        "5",
        "air",
        "edge",
        "slim",
        "neo",
    ]
)


def upgrade(catalogue: Catalogue, cells: Sequence[Cell], known: Hypothesis | None) -> list[Found]:
    """The known model with the modifiers of a short message put on it, when such a model exists; else nothing."""
    if known is None or known.brand is None:
        return []
    if known.model is None and not line_of_source(known.brand.source):
        return []
    run = _modifiers(cells)
    if run and run[0] > 0 and cells[run[0] - 1].norm in ("с", "s", "не", "без"):
        return []
    if not run and (plain := _plain_at(cells)) is not None:
        run = [plain]
    if not run or (
        sum(1 for cell in cells if cell.kind == "word") > _MAX_WORDS and not words.has_correction(cells, 0, run[0])
    ):
        return []
    said = () if cells[run[0]].norm in _PLAIN else tuple(atom for at in run for atom in cells[at].readings[0])
    scope = brand_atom(known.brand.value)
    base = atoms(known.model.value) if known.model else line_of_source(known.brand.source)
    if base and base[0] == scope:
        base = base[1:]
    stem = _stem(base)
    for name in ((*base, *said), (*stem, *said)):
        models = best(catalogue.named(f"{scope}|" + "".join(f"{atom} " for atom in name)))
        if len(models) == 1 and (known.model is None or models[0].name != known.model.value):
            model = models[0]
            return [
                Found(
                    run[0], run[-1] + 1, model.brand, model.name, model.device_class, CONTEXT, CONTEXT,
                    source="upgrade", corrected=True,
                )
            ]  # fmt: skip
    return []


def _plain_at(cells: Sequence[Cell]) -> int | None:
    """Place of a word that takes all modifiers back ("обычный")."""
    for at, cell in enumerate(cells):
        closed = at + 1 >= len(cells) or cells[at + 1].kind == "punct"
        if cell.norm in _PLAIN and closed:
            return at
    return None


def _modifiers(cells: Sequence[Cell]) -> list[int]:
    """The first run of modifiers, if it can be nothing else ("про" alone is a preposition unless a sentence ends)."""
    for at, cell in enumerate(cells):
        if cell.alias is None or cell.alias.kind != "mod" or not cell.readings:
            continue
        run = [at]
        while run[-1] + 1 < len(cells) and (alias := cells[run[-1] + 1].alias) is not None and alias.kind == "mod":
            run.append(run[-1] + 1)
        if cell.norm == "про" and len(run) == 1 and at + 1 < len(cells) and cells[at + 1].kind != "punct":
            continue
        return run
    return []


def _stem(base: tuple[str, ...]) -> tuple[str, ...]:
    stem = list(base)
    while len(stem) > 1 and stem[-1] in _STRIPPED and any(atom[0].isdecimal() for atom in stem[:-1]):
        stem.pop()
    return tuple(stem)
