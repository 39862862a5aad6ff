"""What came of a step, and what of it is not as expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from battcrm.devkit.scripts.format import AppealExpect, Expect
from battcrm.devkit.scripts.messenger import Shown


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything since the step began (`decisions`, `replies`, `turns`), and how things stand (the rest)."""

    decisions: Sequence[Any]
    replies: Sequence[Shown]
    turns: int
    appeals: Sequence[Any]
    stored: int
    opted_out: bool
    suggested: int
    clients: int
    events: Sequence[str]
    spoke_at: datetime | None


def judge(expect: Expect, seen: Seen) -> list[str]:
    """What differs, in words; empty = all is as expected."""
    return [*_decided(expect, seen), *_said(expect, seen), *_timely(expect, seen), *_standing(expect, seen)]


def _decided(expect: Expect, seen: Seen) -> Iterator[str]:
    made = [f"{d['action']}/{d['reason']}" for d in seen.decisions]
    if expect.decisions is not None and list(expect.decisions) != made:
        yield f"decisions: {made}, expected {list(expect.decisions)}"
    routes = [d["inputs"].get("routing", {}).get("reason") for d in seen.decisions]
    if expect.route is not None and expect.route not in routes:
        yield f"route: {routes}, expected {expect.route}"
    if expect.turns is not None and expect.turns != seen.turns:
        yield f"turns: {seen.turns}, expected {expect.turns}"
    notes = [d["inputs"]["handover"] for d in seen.decisions if "handover" in d["inputs"]]
    if expect.handover is not None and not any(expect.handover.lower() in str(n).lower() for n in notes):
        yield f"handover: {notes}, expected {expect.handover!r} in it"


def _said(expect: Expect, seen: Seen) -> Iterator[str]:
    text = "\n".join(r.text for r in seen.replies)
    lower = " ".join(text.lower().split())  # a hard space is a space to whoever reads
    wanted = 0 if expect.silence else expect.replies
    if wanted is not None and wanted != len(seen.replies):
        yield f"replies: {len(seen.replies)}, expected {wanted}: {text!r}"
    yield from (f"reply: no {piece!r} in {text!r}" for piece in expect.reply if piece.lower() not in lower)
    yield from (f"without: {piece!r} is in {text!r}" for piece in expect.without if piece.lower() in lower)
    places = [lower.find(piece.lower()) for piece in expect.order]
    if -1 in places or places != sorted(places):
        yield f"order: {list(expect.order)} are at {places} of {text!r}"
    titles = [title for r in seen.replies for title, _ in r.buttons]
    yield from (f"buttons: no {title!r} among {titles}" for title in expect.buttons if title not in titles)


def _timely(expect: Expect, seen: Seen) -> Iterator[str]:
    if expect.within is None and expect.not_before is None:
        return
    if not seen.replies or seen.spoke_at is None:
        yield "within: there was no reply"
        return
    waited = (seen.replies[0].at - seen.spoke_at).total_seconds()
    if expect.within is not None and waited > expect.within:
        yield f"within: the reply came after {waited:g} s, expected at most {expect.within:g}"
    if expect.not_before is not None and waited < expect.not_before:
        yield f"not_before: the reply came after {waited:g} s, expected at least {expect.not_before:g}"


def _standing(expect: Expect, seen: Seen) -> Iterator[str]:
    if expect.appeals is not None and expect.appeals != len(seen.appeals):
        yield f"appeals: {len(seen.appeals)}, expected {expect.appeals}"
    last = _last(seen)
    if expect.appeal is not None and (last is None or last["number"] != expect.appeal):
        yield f"appeal: {last['number'] if last else None}, expected {expect.appeal}"
    yield from _appeal("", AppealExpect(status=expect.status, control=expect.control, facts=expect.facts), last)
    by_number = {a["number"]: a for a in seen.appeals}
    for number, wanted in expect.each.items():
        yield from _appeal(f"each.{number}.", wanted, by_number.get(number))
    yield from _outcome("", expect.outcome, last)
    for kind, count in expect.events.items():
        if seen.events.count(kind) != count:
            yield f"events.{kind}: {seen.events.count(kind)}, expected {count}"
    for name in ("stored", "opted_out", "suggested", "clients"):
        wanted_value, value = getattr(expect, name), getattr(seen, name)
        if wanted_value is not None and wanted_value != value:
            yield f"{name}: {value}, expected {wanted_value}"


def _last(seen: Seen) -> Any | None:
    """The appeal the last decision was about, else the one touched last."""
    decided = next((d["appeal_id"] for d in reversed(seen.decisions) if d["appeal_id"] is not None), None)
    by_id = {a["appeal_id"]: a for a in seen.appeals}
    newest = max(seen.appeals, key=lambda a: a["touched_at"], default=None)
    return by_id.get(decided, newest)


def _appeal(prefix: str, expect: AppealExpect, appeal: Any | None) -> Iterator[str]:
    for name in ("status", "control"):
        wanted = getattr(expect, name)
        found = appeal[name] if appeal is not None else None
        if wanted is not None and wanted != found:
            yield f"{prefix}{name}: {found}, expected {wanted}"
    yield from _outcome(prefix, expect.outcome, appeal)
    said = appeal["messages"] if appeal is not None else 0
    if expect.messages is not None and expect.messages != said:
        yield f"{prefix}messages: {said}, expected {expect.messages}"
    known = _values(appeal["known"] if appeal is not None else {})
    for name, value in expect.facts.items():
        found_values = known.get(name, [])
        if (value is None and found_values) or (value is not None and value not in found_values):
            yield f"{prefix}facts.{name}: {found_values}, expected {value}"


def _outcome(prefix: str, wanted: str | None, appeal: Any | None) -> Iterator[str]:
    found = appeal["outcome"] if appeal is not None else None
    if wanted is not None and wanted != (found or "none"):
        yield f"{prefix}outcome: {found or 'none'}, expected {wanted}"


def _values(known: Mapping[str, Any]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, found in known.items():
        items = found if isinstance(found, list) else [found]
        values[name] = [i["v"] if isinstance(i, dict) else str(i) for i in items]
    return values
