"""The model tool: which devices a text speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.extraction.gazetteer.cells import Cell, cells_of
from battcrm.extraction.gazetteer.compile import brand_atom
from battcrm.extraction.gazetteer.names import atoms
from battcrm.extraction.gazetteer.scan import line_of
from battcrm.extraction.normalise import Normalised
from battcrm.extraction.tools import model_words as words
from battcrm.extraction.tools.model_bare import Context, bare_at, is_plain_word
from battcrm.extraction.tools.model_codes import code_at, tablet_code
from battcrm.extraction.tools.model_doubt import settle_doubts
from battcrm.extraction.tools.model_found import AS_SAID, CONTEXT, Found
from battcrm.extraction.tools.model_heads import head_at, line_answer, line_of_source, reversed_tail
from battcrm.extraction.tools.model_lines import listed_code
from battcrm.extraction.tools.model_upgrade import upgrade
from battcrm.models.facts import Candidate, Fact, Hypothesis, Method, Span

_NEAR: Final = 5
_BETWEEN: Final = frozenset(
    (
        "и",
        "или",
        "а",
        ",",
        "/",
        "либо",
        "ой",
        "нет",
        "точнее",
        "вернее",
        ".",
        "-",
        "то",
        "есть",
        "еще",
        "он",
        "она",
        "это",
        "ошибся",
        "ошиблась",
        "пардон",
        "сори",
        "сорри",
        "—",
    )
)
# Parts that come with another device of the maker; named beside it they are not the device.
_ATTACHED: Final = frozenset(("Joy-Con",))
_REST: Final = 3
_CLASS_LINES: Final = {"watch": ("watch",), "tablet": ("tab",), "laptop": ("macbook",), "headphones": ("buds",)}
_CODE_REACH: Final = 8
_MIN_LATE_CODE: Final = 5
_MAX_BETWEEN: Final = 5


@dataclass(frozen=True, slots=True)
class DeviceMention:
    """One device spoken of. `span` is the token range [first, last + 1).

    `candidates` are ranked when the name is ambiguous or only begins a known one. `negated`: "не айфон". `corrected`:
    takes back what was said before, so it wins over earlier mentions. `open`: the text speaks of a model the catalogue
    could not settle, worth a model call.
    """

    brand: Fact | None
    model: Fact | None
    device_class: str | None
    candidates: tuple[Candidate, ...]
    negated: bool
    corrected: bool
    span: tuple[int, int]
    open: bool


def find_devices(
    norm: Normalised, message_index: int, catalogue: Catalogue, known: Hypothesis | None = None
) -> tuple[DeviceMention, ...]:
    """Devices of one message in order of appearance. Never raises.

    `known` is what the appeal already says: it lets "12 про" after "айфон" resolve and "а про макс?" upgrade a model.
    """
    cells = cells_of(norm.tokens, catalogue.decimals)
    if catalogue.own:
        cells = catalogue.own.told(cells)
    found = _Reader(catalogue, cells, known).read()
    return tuple(_mention(item, cells, norm, message_index) for item in found)


class _Reader:
    """One pass over the cells of a message."""

    def __init__(self, catalogue: Catalogue, cells: Sequence[Cell], known: Hypothesis | None) -> None:
        self._catalogue = catalogue
        self._cells = cells
        self._known = known
        self._classes = words.classes_in(cells)

    def read(self) -> list[Found]:
        found: list[Found] = []
        at = 0
        while at < len(self._cells):
            item = self._at(at, found)
            if item is None:
                at += 1
                continue
            found = self._add(found, item)
            at = max(at + 1, item.end)
        if not found:
            found = (
                upgrade(self._catalogue, self._cells, self._known)
                or line_answer(self._cells, self._known)
                or self._only_classes()
            )
        return self._talk(settle_doubts(self._cells, _without_attached(found)))

    def _at(self, at: int, found: list[Found]) -> Found | None:
        cell = self._cells[at]
        if not cell.readings:
            return None
        kind = self._class_near(at)
        floor = found[-1].end if found else 0
        code = code_at(self._catalogue, self._cells, at) or tablet_code(self._catalogue, self._cells, at, kind)
        if code is not None:
            return code
        head = head_at(self._catalogue, self._cells, at, kind)
        if head is not None:
            if not head.model and not head.candidates:
                start = floor if not found or found[-1].model or found[-1].head else found[-1].start
                head = reversed_tail(self._catalogue, self._cells, head, start, kind)
            return head
        if is_plain_word(cell):
            return None
        return self._bare(at, found, kind)

    def _bare(self, at: int, found: list[Found], kind: str | None) -> Found | None:
        """A name without its maker, or one more code of a maker's list."""
        cell = self._cells[at]
        listed = bool(found) and bool(found[-1].model) and self._continues(found[-1], at)
        if found and not found[-1].model and found[-1].brand and at - found[-1].end <= _CODE_REACH:
            late = self._listed_code(found[-1], at)
            if late is not None and len(late.model) >= _MIN_LATE_CODE:
                return late
        if listed:
            code_item = self._listed_code(found[-1], at)
            if code_item is not None:
                return code_item
            kind = None if cell.alias is not None and cell.alias.kind == "line" else kind
        context = self._context(at, found)
        expected = kind or (self._known.device_class if self._known and not found else None)
        bare = bare_at(self._catalogue, self._cells, at, context, expected, listed=listed)
        if bare is None and expected != kind:
            bare = bare_at(self._catalogue, self._cells, at, context, kind, listed=listed)
        return None if bare is not None and self._is_rest(found, bare) else bare

    def _listed_code(self, last: Found, at: int) -> Found | None:
        line = listed_code(self._cells, at, last.device_class)
        if line is None:
            return None
        return last._replace(start=at, end=line.end, model=line.name, confidence=AS_SAID, source="list+code", corrected=False
        )  # fmt: skip

    def _is_rest(self, found: list[Found], bare: Found) -> bool:
        """Whether the name is the unread end of a device named just before ("самсунг xx30 pro"), not another device."""
        if not found or found[-1].model or not found[-1].head:
            return False
        gap = bare.start - found[-1].end
        return gap <= _REST and (found[-1].open or bare.brand != found[-1].brand)

    def _context(self, at: int, found: list[Found]) -> Context:
        """The maker a name without one may belong to: of a brand-only mention before, of a list, or known."""
        if found and found[-1].brand:
            last = found[-1]
            near = not last.model or last.negated or self._continues(last, at) or self._ordinal_answer(at)
            near = near or (words.is_owned(self._cells, last.start) and words.is_owned(self._cells, at))
            return Context(brand_atom(last.brand), last.line, weak=not near)
        brand = self._known.brand if self._known else None
        if found or brand is None:
            return Context()
        scope = brand_atom(brand.value)
        name = atoms(self._known.model.value) if self._known and self._known.model else line_of_source(brand.source)
        name = name[1:] if name[:1] == (scope,) else name
        line = line_of(name) or _CLASS_LINES.get((self._known.device_class if self._known else None) or "", ())
        return Context(scope, line, name=name)

    def _ordinal_answer(self, at: int) -> bool:
        """An ordinal that ends its phrase is another model of the same line ("у мамы пятый, у меня девятый")."""
        closed = at + 1 >= len(self._cells) or self._cells[at + 1].kind in ("punct", "emoji")
        return self._cells[at].spelled and closed

    def _continues(self, last: Found, at: int) -> bool:
        between = [cell.norm for cell in self._cells[last.end : at]]
        return 0 < len(between) <= _MAX_BETWEEN and all(word in _BETWEEN for word in between)

    def _class_near(self, at: int) -> str | None:
        if not self._classes:
            return None
        near = [(abs(place - at), kind) for place, kind in self._classes if abs(place - at) <= _NEAR and place != at]
        return min(near)[1] if near else None

    def _add(self, found: list[Found], item: Found) -> list[Found]:
        """Joins what belongs together: a bare tail eaten by a head, a brand said before or after its model."""
        negated = words.is_negated(self._cells, item.start)
        if negated is not item.negated:
            item = item._replace(negated=negated)
        while found and found[-1].start >= item.start:
            found = found[:-1]
        if not found:
            return [item]
        last = found[-1]
        same = item.brand == last.brand and not last.negated
        if last.brand and not last.model and item.model and same:
            return [*found[:-1], item._replace(source=f"{last.source}+{item.source}")]
        if same and item.source.startswith("code") and not (item.model and self._far(last, item)):
            return [*found[:-1], item._replace(start=last.start) if item.model else last._replace(open=not last.model)]
        if item.head and not item.model and item.brand:
            return self._brand_after(found, item)
        return [*found, item]

    def _far(self, last: Found, item: Found) -> bool:
        return any(cell.kind == "word" for cell in self._cells[last.end : item.start])

    def _brand_after(self, found: list[Found], item: Found) -> list[Found]:
        last = found[-1]
        if last.model and last.brand == item.brand:
            return found
        fitting = [option for option in last.candidates if option.brand == item.brand]
        if not last.brand and len(fitting) == 1:
            settled = last._replace(brand=item.brand, model=fitting[0].model, confidence=CONTEXT,
                brand_confidence=item.brand_confidence, candidates=(), device_class=item.device_class,
            )  # fmt: skip
            return [*found[:-1], settled]
        return [*found, item]

    def _only_classes(self) -> list[Found]:
        if self._known is not None and self._known.brand is not None and self._known.device_class in (None, "phone"):
            self._classes = [(at, kind) for at, kind in self._classes if self._cells[at].readings != (("note",),)]
        seen = {kind: at for at, kind in reversed(self._classes)}
        return [
            Found(at, at + 1, device_class=kind, source="class")
            for kind, at in sorted(seen.items(), key=lambda pair: pair[1])
        ]

    def _talk(self, found: list[Found]) -> list[Found]:
        """Marks corrections: taken-back words before a mention, or a negated mention before it."""
        out: list[Found] = []
        floor = 0
        for item in found:
            taken_back = words.has_correction(self._cells, floor, item.start)
            after_negated = bool(out) and out[-1].negated and not item.negated
            corrected = item.corrected or ((taken_back or after_negated) and not item.negated) or self._refines(item)
            floor = item.end
            said = self._from_known(item)
            out.append(said if corrected is said.corrected else said._replace(corrected=corrected))
        return out

    def _refines(self, item: Found) -> bool:
        """Whether a name without its maker only goes on from the model known: "макбук эйр", then "м2"."""
        if self._known is None or self._known.model is None or not item.source.startswith("context"):
            return False
        known, fresh = atoms(self._known.model.value), atoms(item.model)
        return len(fresh) > len(known) and fresh[: len(known)] == known

    def _from_known(self, item: Found) -> Found:
        """A maker said in answer to a choice of models settles the choice."""
        if self._known is None or item.model or not item.brand or item.candidates:
            return item
        fitting = [option for option in self._known.candidates if option.brand == item.brand]
        if len(fitting) != 1:
            return item
        return item._replace(model=fitting[0].model, confidence=CONTEXT, open=False)


def _without_attached(found: list[Found]) -> list[Found]:
    return [
        item
        for item in found
        if item.model not in _ATTACHED or not any(other.brand == item.brand and other is not item for other in found)
    ]


def _mention(found: Found, cells: Sequence[Cell], norm: Normalised, message: int) -> DeviceMention:
    first, last = cells[found.start].first, cells[found.end - 1].last
    span = Span(message, norm.tokens[first].start, norm.tokens[last].end)
    return DeviceMention(
        brand=_fact(found.brand, found.brand_confidence, found.source, span),
        model=_fact(found.model, found.confidence, found.source, span),
        device_class=found.device_class,
        candidates=found.candidates,
        negated=found.negated,
        corrected=found.corrected,
        span=(first, last + 1),
        open=found.open,
    )


def _fact(value: str, confidence: float, source: str, span: Span) -> Fact | None:
    return Fact(value, confidence, Method.GAZETTEER, source, (span,)) if value else None
