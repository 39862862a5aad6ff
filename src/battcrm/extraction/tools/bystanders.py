"""Devices that are named without being the one to be repaired: had before, wished for instead, compared with, a donor of parts."""

from __future__ import annotations

import itertools
from typing import Final

from battcrm.extraction.rules.line import Line
from battcrm.extraction.rules.match import CLAUSE, SENTENCE, class_of, sentence

_FROM: Final = frozenset({"от", "с", "со", "из"})
_ONTO: Final = frozenset({"на", "для", "к", "под", "в", "ко"})
_BEFORE: Final = frozenset({"был", "была", "было", "раньше", "прежде"})
_NOW: Final = frozenset({"теперь", "сейчас", "щас", "нынче", "потом", "взял", "взяла"})
_FORMERLY: Final = frozenset({"раньше", "прежде", "когда-то", "прошлом", "прошлый", "однажды"})
_BUYS: Final = (
    "взять", "брать", "купить", "покуп", "возьму", "куплю", "присматр", "перейти", "прикуп", "доплат", "приобре",
)  # fmt: skip
_EITHER: Final = frozenset({"или", "либо"})
_EITHER_REACH: Final = 3
_WEIGHED: Final = frozenset({"или", "чем", "лучше", "проще", "хотел", "хотела", "думал", "думала", "легче", "либо"})
_WEIGHED_REACH: Final = 7
_SWAPS: Final = frozenset({"на", "поменять", "обменять", "сменить", "менять", "поменяете", "обменяете", "меняете"})
_MINE: Final = frozenset({"мой", "моя", "мое", "меня", "моего", "моем", "моей", "мою", "моему", "мне", "сам", "сама"})
_ALSO: Final = frozenset({"тоже", "также", "еще", "оба", "обе", "обоим", "обоих", "обеих"})
_REACH: Final = 3


def bystanders(line: Line) -> frozenset[int]:
    """Places of the devices that are only named beside another one."""
    places = [place for place, mention in line.devices if not mention.negated]
    if len(places) < 2:
        return frozenset()
    found = {place for place in places if _is_wanted(line, place) or _is_compared(line, place, places)}
    found.update(place for place in places if _is_accessory_of(line, place))
    found.update(_dismissed(line))
    for place, following in itertools.pairwise(places):
        if _is_donor(line, place, following) or _is_former(line, place, following):
            found.add(place)
        elif _is_exchanged(line, place, following):
            found.add(following)
    return frozenset(found)


def told_of_the_past(line: Line) -> frozenset[int]:
    """Words of the sentences about a device had before ("раньше меняли экран на 11. Теперь на 14 надо батарею")."""
    places = [place for place, mention in line.devices if not mention.negated]
    past: set[int] = set()
    for place, following in itertools.pairwise(places):
        first, last = sentence(line.words, place)
        if following < last or not _is_former(line, place, following):
            continue
        past.update(range(first, last))
    return frozenset(past)


def _norms(line: Line, place: int, reach: int = _REACH) -> list[str]:
    """The words right before a device, nearest first, as far as its clause goes."""
    out: list[str] = []
    at = place
    while at > 0 and place - at < reach and line.words[at].before < CLAUSE:
        at -= 1
        out.append(line.words[at].norm)
    return out


def _is_wanted(line: Line, place: int) -> bool:
    """A device to be had instead: "или взять s23", "хотел купить s24, но"."""
    said = _norms(line, place, _WEIGHED_REACH)
    return any(norm.startswith(_BUYS) for norm in said[:_REACH]) and any(norm in _WEIGHED for norm in said)


def _is_exchanged(line: Line, place: int, following: int) -> bool:
    """A device that another is given for: "меняю айфон 11 на 13"."""
    between = line.words[place + 1 : following]
    straight = not any(word.before for word in line.words[place + 1 : following + 1])
    return straight and bool(between) and between[-1].norm == "на" and all(word.norm in _SWAPS for word in between)


def _is_donor(line: Line, place: int, following: int) -> bool:
    """A device that the part comes off: "экран от 10s на 10"."""
    lead, onto = _norms(line, place, 2), _norms(line, following, 1)
    if not lead or lead[0] not in _FROM or not onto or onto[0] not in _ONTO:
        return False
    part = {class_of("@own_part"), class_of("@any_part")}
    return any(not part.isdisjoint(word.classes) for word in line.words[max(0, place - _REACH) : place])


def _is_accessory_of(line: Line, place: int) -> bool:
    """A device that only an accessory comes from: "зарядка от а51 подходит?"."""
    lead, accessory = _norms(line, place, 1), class_of("@accessory")
    return bool(lead) and lead[0] == "от" and place > 1 and accessory in line.words[place - 2].classes


def _dismissed(line: Line) -> set[int]:
    """Devices that were weighed and not chosen: "13 или 13 про? сейчас гляну, 13 про"."""
    named = [(place, mention.model.value) for place, mention in line.devices if mention.model and not mention.negated]
    chosen = named[-1][1] if named else ""
    out: set[int] = set()
    for (place, model), (following, other) in itertools.pairwise(named[:-1]):
        weighed = any(word.norm in _EITHER for word in line.words[place + 1 : following])
        if weighed and following - place <= _EITHER_REACH and chosen in {model, other} and model != other:
            out.add(place if chosen == other else following)
    return out


def _is_former(line: Line, place: int, following: int) -> bool:
    """A device had before another: "был айфон 8, теперь 11"."""
    now = any(norm in _NOW for norm in _norms(line, following, 4)) or _opens_with_now(line, following)
    if not now:
        return False
    first, _ = sentence(line.words, place)
    return not _BEFORE.isdisjoint(_norms(line, place)) or any(
        word.norm in _FORMERLY for word in line.words[first:place]
    )


def _opens_with_now(line: Line, place: int) -> bool:
    first, _ = sentence(line.words, place)
    return any(word.norm in _NOW for word in line.words[first:place])


def _is_compared(line: Line, place: int, places: list[int]) -> bool:
    """Somebody else's device that has nothing wrong, set against the client's own: "у брата 12 держит сутки, а мой 13 …"."""
    words, wrong = line.words, {class_of("@harm"), class_of("@own_part")}
    if class_of("@relative") not in _classes_before(line, place) or not _MINE.isdisjoint(_norms(line, place)):
        return False
    mine = next((at for at in places if at > place and not _MINE.isdisjoint(_norms(line, at))), None)
    if mine is None or any(word.norm in _ALSO for word in words):
        return False
    first = _clause_start(line, mine)
    against = words[first].norm in {"а", "но"} or words[first].before >= SENTENCE
    mended = any(class_of("@past_fix") in word.classes for word in words[place:first])
    return against and (mended or all(wrong.isdisjoint(word.classes) for word in words[place:first]))


def _classes_before(line: Line, place: int) -> frozenset[int]:
    near = line.words[max(0, place - 2) : place]
    return (
        frozenset().union(*(word.classes for word in near))
        if near and line.words[place].before < CLAUSE
        else frozenset()
    )


def _clause_start(line: Line, place: int) -> int:
    at = place
    while at > 0 and line.words[at].before < CLAUSE:
        at -= 1
    return at
