"""From words to hypotheses: which devices the client means, and which fault belongs to which of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from battcrm.extraction.rules.line import Line
from battcrm.extraction.rules.match import CLAUSE, MESSAGE, SENTENCE, Hit, Word, class_of, sentence
from battcrm.extraction.tools.bystanders import bystanders
from battcrm.extraction.tools.model import DeviceMention
from battcrm.models.facts import Candidate, Fact

_LINKS: Final = frozenset(
    ["и", "или", "на", "для", "еще", "тоже", "также", "плюс", "потом", "а", "за", "по", "у", "#dev", "экран", "стекло"]
) - {
    "экран",
    "стекло",
}
_TURNS: Final = frozenset({"а", "ну", "и"})
_NEXT: Final = _TURNS | {"на", "для", "у", "если", "за", "сколько", "почем", "цена", "стоит", "будет", "тогда", "тоже"}
_SLIP_REACH: Final = 3
_BESIDES: Final = frozenset({"и", "еще", "также", "тоже", "плюс", "вдобавок", "заодно", "второй", "вторая", "второе"})
_ELSEWHERE: Final = frozenset({"теперь", "сейчас", "раньше", "вместо", "взамен", "был", "была", "было"})
_DIGITS: Final = frozenset("123")
_ORDINALS: Final = {"перв": 0, "втор": 1, "трет": 2}
_CLASS_NOUNS: Final = {
    "телефон": "phone", "смартфон": "phone", "планшет": "tablet", "ноут": "laptop", "час": "watch", "наушник": "headphones",
    "приставк": "console", "самокат": "scooter", "пылесос": "vacuum", "телевизор": "tv", "телик": "tv",
}  # fmt: skip
_BOTH: Final = frozenset({"оба", "обе", "обоих", "обеих", "обоими", "обоим", "обеим"})
_POINTERS: Final = frozenset({"на", "для", "от", "у", "к", "в"})


@dataclass(slots=True)
class Device:
    """One device under construction: where it was mentioned and what was said about it."""

    places: list[int]
    brand: Fact | None = None
    model: Fact | None = None
    device_class: str | None = None
    candidates: tuple[Candidate, ...] = ()
    open: bool = False
    repairs: list[Hit] = field(default_factory=list)
    passed: bool = False


def devices_of(line: Line, repairs: Sequence[Hit], wishes: Sequence[Hit]) -> list[Device]:
    """The devices meant, the one asked about last in the end; each with its own repair hits.

    With one device, or none, a single entry carries all hits. `wishes` are the hits of the book `type`. Devices that
    the last message turned from are `passed` and come first.
    """
    devices = _distinct(line)
    if len(devices) <= 1:
        only = devices[0] if devices else Device([])
        only.repairs = list(repairs)
        return [only]
    for hit in repairs:
        _owner(hit, devices, line).repairs.append(hit)
    devices = _without_bystanders(line, devices)
    if len(devices) == 1:
        return devices
    groups = _listed(line, devices)
    broken = [hit for hit in wishes if hit.rule.kind == "tell" and hit.rule.value == "repair"]
    for group in groups:
        if not any(_also_broken(line, device, devices, broken) for device in group if not device.repairs):
            _share(group)
    if _asks_next(line, devices[-1]):
        return _turned(line, devices, repairs, wishes)
    return _meant(line, devices, groups, repairs, wishes, broken)


def _distinct(line: Line) -> list[Device]:
    devices: list[Device] = []
    slip = _slip_after(line)
    for place, mention in line.devices:
        if mention.negated:
            devices = [d for d in devices if not _names_same(d, mention)]
            continue
        if mention.corrected or place == slip:
            devices = _after_correction(devices, mention)
        known = next((d for d in reversed(devices) if _joins(d, mention)), None)
        if known is None:
            known = Device([])
            devices.append(known)
        _absorb(known, mention, place)
    return devices


def _without_bystanders(line: Line, devices: list[Device]) -> list[Device]:
    """The devices without those named beside them; what was said of a bystander alone goes to the last one meant."""
    aside = bystanders(line)
    meant = [device for device in devices if not aside.issuperset(device.places)]
    if not meant or len(meant) == len(devices):
        return devices
    if not any(device.repairs for device in meant):
        meant[-1].repairs = [hit for device in devices for hit in device.repairs]
    return meant


def _slip_after(line: Line) -> int:
    """Place of the last device when the client says right after it that the ones before were a mistake; -1 if not."""
    if len(line.devices) < 2:
        return -1
    place, slip = line.devices[-1][0], class_of("@slip")
    after = line.words[place + 1 : place + 1 + _SLIP_REACH]
    return place if any(slip in word.classes for word in after) else -1


def _after_correction(devices: list[Device], mention: DeviceMention) -> list[Device]:
    """A correction ends what was said before, except a brand that the new words leave unsaid."""
    if mention.brand is None and mention.model is None:
        return devices
    return []


def _value(fact: Fact | None) -> str:
    return fact.value.casefold() if fact is not None else ""


def _names_same(device: Device, mention: DeviceMention) -> bool:
    return bool(mention.model) and _value(device.model) == _value(mention.model)


def _joins(device: Device, mention: DeviceMention) -> bool:
    """Whether a mention speaks of a device already met: same name, or one of the two only names the family."""
    if device.brand and mention.brand and _value(device.brand) != _value(mention.brand):
        return False
    one, other = _value(device.model), _value(mention.model)
    if one and other:
        return one == other
    if mention.candidates and device.candidates:
        return mention.candidates == device.candidates
    return not (device.device_class and mention.device_class and device.device_class != mention.device_class)


def _absorb(device: Device, mention: DeviceMention, place: int) -> None:
    device.places.append(place)
    device.brand = device.brand or mention.brand
    if mention.model is not None and device.model is None:
        device.model, device.brand = mention.model, mention.brand or device.brand
    device.device_class = device.device_class or mention.device_class
    device.candidates = device.candidates or mention.candidates
    if device.model is not None:
        device.candidates, device.open = (), False
    else:
        device.open = device.open or mention.open


def _owner(hit: Hit, devices: list[Device], line: Line) -> Device:
    """The device a fault belongs to: the one it points to ("экран на X"), else the nearest in its clause, else before it."""
    places = _places(devices)
    named = _referred(hit, devices, line)
    if named is not None:
        return named
    after = [(place, device) for place, device in places if place > hit.last]
    if after and _points(line, hit.last + 1, after[0][0]):
        return after[0][1]
    near = [
        (abs(place - hit.first), place > hit.first, device) for place, device in places if _one_clause(line, hit, place)
    ]
    if near:
        return min(near, key=lambda item: item[:2])[2]
    before = [device for place, device in places if place < hit.first]
    return before[-1] if before else places[0][1]


def _referred(hit: Hit, devices: list[Device], line: Line) -> Device | None:
    """The device that the clause points back to: "первый", "у второго", "часам", "на ноуте"."""
    at = hit.first
    while at >= 0:
        norm = line.words[at].norm
        if norm == "#dev":
            return None
        ordinal = _ordinal(line.words[at])
        if ordinal is not None and ordinal < len(devices):
            return devices[ordinal]
        kind = next((name for stem, name in _CLASS_NOUNS.items() if norm.startswith(stem)), None)
        same = [device for device in devices if kind is not None and device.device_class == kind]
        if len(same) == 1:
            return same[0]
        if line.words[at].before >= CLAUSE:
            return None
        at -= 1
    return None


def _ordinal(word: Word) -> int | None:
    """0 for "первый", 1 for "второй"; the normaliser has turned the word into a digit, its length gives it away."""
    if word.end - word.start > 2 and word.norm in _DIGITS:
        return int(word.norm) - 1
    return next((n for stem, n in _ORDINALS.items() if word.norm.startswith(stem)), None)


def _places(devices: list[Device]) -> list[tuple[int, Device]]:
    return sorted(((place, device) for device in devices for place in device.places), key=lambda item: item[0])


def _points(line: Line, start: int, place: int) -> bool:
    between = line.words[start:place]
    if len(between) > 3 or any(word.before >= CLAUSE for word in line.words[start : place + 1]):
        return False
    return bool(between) and any(word.norm in _POINTERS for word in between)


def _one_clause(line: Line, hit: Hit, place: int) -> bool:
    first, last = min(hit.last, place), max(hit.first, place)
    return all(
        line.words[i].before < CLAUSE and line.words[i].norm not in {"и", "а", "но"} for i in range(first + 1, last + 1)
    )


def _listed(line: Line, devices: list[Device]) -> list[list[Device]]:
    """Groups of devices named side by side ("айфон 11 и редми 9")."""
    groups, maker = [[devices[0]]], class_of("@maker")
    for one, other in itertools.pairwise(devices):
        between = line.words[one.places[-1] + 1 : other.places[0]]
        beside = all(word.norm in _LINKS or maker in word.classes for word in between) and len(between) <= 3
        linked = bool(between) or line.words[other.places[0]].before >= CLAUSE
        if beside and linked and other.places[0] > one.places[-1]:
            groups[-1].append(other)
        else:
            groups.append([other])
    return groups


def _asks_next(line: Line, device: Device) -> bool:
    """A last message that only turns to another device: "а на редми 10?", "а для 12 про сколько?"."""
    at = device.places[0]
    first = next((i for i in range(at, -1, -1) if line.words[i].before >= MESSAGE), 0)
    told = [word for index, word in enumerate(line.words[first:], first) if index not in device.places]
    return 0 < first <= at and bool(told) and told[0].norm in _TURNS and all(word.norm in _NEXT for word in told)


def _turned(line: Line, devices: list[Device], repairs: Sequence[Hit], wishes: Sequence[Hit]) -> list[Device]:
    """The last device with everything that was asked, and before it those that had a question of their own."""
    for device in devices[:-1]:
        device.passed = bool(device.repairs) or _also_asked(line, device, devices, wishes)
    devices[-1].repairs = list(repairs)
    return [device for device in devices if device.passed or device is devices[-1]]


def _share(group: list[Device]) -> None:
    with_hits = [device for device in group if device.repairs]
    if len(with_hits) != 1 or len(group) == 1:
        return
    for device in group:
        device.repairs = list(with_hits[0].repairs)


def _meant(
    line: Line,
    devices: list[Device],
    groups: list[list[Device]],
    repairs: Sequence[Hit],
    wishes: Sequence[Hit],
    broken: Sequence[Hit],
) -> list[Device]:
    also = [d for d in devices if _also_broken(line, d, devices, broken) or _also_asked(line, d, devices, wishes)]
    if repairs and not any(word.norm in _BOTH for word in line.words):
        return [device for device in devices if device.repairs or device in also]
    if repairs:
        if any(_of_both(line, hit) for hit in repairs):
            _share(devices)
        return devices
    group = groups[-1]
    asks = [hit for hit in wishes if hit.rule.kind == "ask"]
    if asks and len(groups) > 1:
        last = max(hit.last for hit in asks)
        ahead = [g for g in groups if g[0].places[0] <= last + 4]
        group = ahead[-1] if ahead else group
    return [device for device in devices if device in group or device in also]


def _of_both(line: Line, hit: Hit) -> bool:
    """Whether a fault is said of both devices ("у обоих разбиты экраны")."""
    at = hit.first
    while at > 0 and line.words[at].before < CLAUSE and line.words[at].norm not in _BOTH:
        at -= 1
    return line.words[at].norm in _BOTH


def _also_broken(line: Line, device: Device, devices: Sequence[Device], broken: Sequence[Hit]) -> bool:
    """A device of which only "сломался" is told, named besides another: "айфон 12 сломался, и ещё экран на a52"."""
    place = device.places[0]
    others = [other.places[0] for other in devices if other is not device]
    told = any(
        _one_clause(line, hit, place) and not any(min(place, hit.first) < at < max(place, hit.last) for at in others)
        for hit in broken
    )
    return told and _besides(line, place, others)


def _also_asked(line: Line, device: Device, devices: Sequence[Device], wishes: Sequence[Hit]) -> bool:
    """A device with a question of its own and another one named besides: "айфон 12, сколько ремонт? И ещё a52"."""
    others = [other.places[0] for other in devices if other is not device]
    for hit in asked_in(line, device, [hit for hit in wishes if hit.rule.kind == "ask"]):
        nearest = min((place for place, _ in _places(list(devices))), key=lambda at: abs(at - hit.first))
        if nearest in device.places and _besides(line, device.places[0], others):
            return True
    return False


def _besides(line: Line, place: int, others: Sequence[int]) -> bool:
    """Whether the nearest of the other devices is one more, not what this one was changed for."""
    nearest = min(others, key=lambda at: abs(at - place))
    between = line.words[min(place, nearest) : max(place, nearest)]
    bought = class_of("@bought")
    if any(word.norm in _ELSEWHERE or bought in word.classes for word in between):
        return False
    return any(word.norm in _BESIDES or (word.norm in _TURNS and word.before >= SENTENCE) for word in between)


def asked_in(line: Line, device: Device, hits: Sequence[Hit]) -> list[Hit]:
    """Hits that stand in the sentences where this device is mentioned."""
    ranges = [sentence(line.words, place) for place in device.places]
    return [hit for hit in hits if any(first <= hit.first < last for first, last in ranges)]
