"""What is broken or asked to be done: a set of repair types, each with the words that say so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from battcrm.extraction.rules.line import Line
from battcrm.extraction.rules.match import CLAUSE, Hit, class_of, scan
from battcrm.extraction.rules.pattern import GAP
from battcrm.extraction.tools.asides import is_aside, is_denied
from battcrm.models.facts import Fact, Method

_BREAKABLE: Final = frozenset(
    {
        "back_glass",
        "housing",
        "camera",
        "hinge",
        "keyboard",
        "button",
        "charging_port",
        "wheel",
        "joystick",
        "other",
        "cleaning",
        "data_recovery",
    }
)
_YIELDING: Final = {"fragile": _BREAKABLE, "dark": frozenset({"no_power", "backlight", "board", "camera"})}
"""Kinds of hits that give way, and to what: "разбил" to a part that breaks, a dark screen to what explains it."""
_VERB: Final = re.compile(r"\w{2}(?:л|ла|ло|ли|лся|лась|лось|лись)$")
_WITHIN: Final = {"button": "keyboard"}
"""What is only a part of the other: keys are not buttons of their own."""
_INSIDES: Final = frozenset({"button", "housing", "keyboard"})
_PLACES: Final = frozenset({"screen", "button", "housing", "keyboard"})
_LIFTED: Final = frozenset({"screen", "back_glass", "housing", "button"})
_CLOGGED: Final = frozenset({"speaker", "microphone", "charging_port"})
_NEAR: Final = 200
_AT: Final = frozenset({"на", "из", "под", "в", "по", "при", "через", "от"})


def standing(hits: Sequence[Hit], *, loose_cover: bool = True) -> list[Hit]:
    """The hits of one book that stand: a longer hit takes the words of the shorter ones inside it.

    Over exactly the same words `none` wins, then the rule that names more of them. Without `loose_cover` a pattern with
    gaps takes words only from hits that say the same: what stands in its gaps may be the real wish.
    """
    ordered = sorted(hits, key=lambda hit: (hit.first, hit.last))
    widest = max((hit.last - hit.first for hit in ordered), default=0)
    return [
        hit
        for at, hit in enumerate(ordered)
        if not any(_beats(o, hit, loose_cover) for o in _around(ordered, at, widest))
    ]


def _around(ordered: Sequence[Hit], at: int, widest: int) -> Iterator[Hit]:
    """Hits that may cover the one at `at`: those that start no later. Work does not grow with the text."""
    hit = ordered[at]
    for other in reversed(ordered[:at] if at < _NEAR else ordered[at - _NEAR : at]):
        if hit.first - other.first > widest:
            break
        yield other
    for index in range(at + 1, len(ordered)):
        if ordered[index].first > hit.first:
            break
        yield ordered[index]


def _beats(other: Hit, hit: Hit, loose_cover: bool) -> bool:
    if other.covers(hit):
        same = other.rule.value in {hit.rule.value, "none"}
        return loose_cover or same or not any(element.kind == GAP for element in other.rule.elements)
    if (other.first, other.last) != (hit.first, hit.last) or other.rule.value == hit.rule.value:
        return False
    if "none" in {other.rule.value, hit.rule.value}:
        return other.rule.value == "none"
    return (len(other.rule.needs), len(other.rule.guards)) > (len(hit.rule.needs), len(hit.rule.guards))


class Repairs(NamedTuple):
    """What a line says of repairs: the hits that count, in order, and the types it says are not the trouble."""

    hits: list[Hit]
    denied: frozenset[str]


def find_repairs(line: Line) -> Repairs:
    """Standing repair hits of a line, in order, without those that the client denies ("не греется", "не тонул").

    Kinds: `part` is a part that is merely named; `fragile` ("разбил") means the screen while nothing else breakable is
    named; `dark` (a black screen) counts while nothing explains it, `dead` ("сдох") while it is not a part that is
    dead, `generic` (a check-up, "не тянет") while nothing else is named.
    """
    said = [hit for hit in standing(scan(line.words, line.tags)) if hit.rule.value != "none"]
    found = [hit for hit in said if not is_denied(hit, line)]
    denied = frozenset(hit.rule.value for hit in said) - {hit.rule.value for hit in found}
    if len(found) > 1:
        found = [hit for hit in found if not _superseded(hit, found, line)]
    return Repairs(found, denied)


def _superseded(hit: Hit, found: Sequence[Hit], line: Line) -> bool:
    rivals = [o for o in found if o.rule.value != hit.rule.value and not _of_another_device(o, hit, line)]
    if not rivals:
        return False
    others = {rival.rule.value for rival in rivals}
    kind = hit.rule.kind
    if kind in _YIELDING:
        return bool(others & _YIELDING[kind])
    if kind == "generic":
        return any(rival.rule.kind != "generic" for rival in rivals)
    return (
        _WITHIN.get(hit.rule.value, "-") in others
        or (kind == "dead" and _names_part(hit, line))
        or (kind == "part" and _is_backdrop(hit, rivals, line))
        or (_is_cleaned(hit, rivals, line))
        or (is_aside(hit, line) and not all(is_aside(rival, line) for rival in rivals))
    )


def _of_another_device(one: Hit, other: Hit, line: Line) -> bool:
    """Whether a text about several devices names one of them between the two."""
    if len(line.devices) < 2:
        return False
    first, last = min(one.last, other.last), max(one.first, other.first)
    return any(first < place < last for place, _ in line.devices)


def _is_cleaned(hit: Hit, rivals: Sequence[Hit], line: Line) -> bool:
    """Whether cleaning is what a clogged part asks for ("динамик забит, почистите"), not the device."""
    words = line.words
    if hit.rule.value != "cleaning" or class_of("@clean") not in words[hit.first].classes:
        return False
    if any(class_of("@somedev|@cooler") in word.classes for word in words[hit.first : hit.last + 3]):
        return False
    return any(rival.rule.value in _CLOGGED for rival in rivals)


def _is_backdrop(hit: Hit, rivals: Sequence[Hit], line: Line) -> bool:
    """A part that is named as the place of a fault, or as what another fault does to it."""
    value = hit.rule.value
    if value in _LIFTED and any(rival.rule.value == "battery" for rival in rivals) and _is_swollen(line):
        return True
    if value == "screen" and any(rival.rule.value == "backlight" for rival in rivals):
        return True
    place = _is_place(hit, line)
    if value in _INSIDES and place:
        return True
    if all(rival.rule.kind for rival in rivals):
        return False
    return (value in _PLACES and place) or _told_about(hit, line)


def _is_swollen(line: Line) -> bool:
    swollen = class_of("@swollen")
    return any(swollen in word.classes for word in line.words)


def _names_part(hit: Hit, line: Line) -> bool:
    """Whether it is a part that is dead ("полифонический динамик сдох"), not the device."""
    words, part = line.words, class_of("@own_part")
    for at in range(hit.first, max(hit.first - 4, -1), -1):
        if part in words[at].classes:
            return True
        if words[at].before >= CLAUSE:
            break
    ahead = words[hit.first + 1 : hit.first + 3]
    return any(part in word.classes for word in ahead if word.before < CLAUSE)


def _is_place(hit: Hit, line: Line) -> bool:
    """Where something is seen ("на экране", "из-под кнопки"), not what is broken."""
    if hit.first == 0 or line.words[hit.first].before > 0:
        return False
    return line.words[hit.first - 1].norm in _AT


def _told_about(hit: Hit, line: Line) -> bool:
    """A part of which the clause tells something we do not know ("экран выжил", "кнопки жал"): not what is wished."""
    words = line.words
    for at in range(hit.last + 1, min(hit.last + 4, len(words))):
        if words[at].before >= CLAUSE:
            return False
        if not words[at].classes and _VERB.search(words[at].norm):
            return True
    return False


def repair_facts(hits: Sequence[Hit], line: Line) -> tuple[Fact, ...]:
    """One fact for each repair type, in order of appearance, with every place it was read from."""
    groups: dict[str, list[Hit]] = {}
    for hit in hits:
        groups.setdefault(hit.rule.value, []).append(hit)
    facts = []
    for value, same in groups.items():
        best = max(same, key=lambda hit: hit.rule.confidence)
        spans = tuple(dict.fromkeys(line.span(hit.first, hit.last) for hit in same))
        facts.append(Fact(value, best.rule.confidence, Method.RULE, best.rule.source, spans))
    return tuple(facts)
