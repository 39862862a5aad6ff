"""What the bot owes its people, each rule a function from a finished history to what broke it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from battcrm.devkit.scripts.shop import USUAL
from battcrm.pipeline.debounce import is_bare_thanks
from tests.property.behaviour import words
from tests.property.behaviour.history import CLOSED, History

Rule = Callable[[History], Iterator[str]]
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_LOOP: Final = timedelta(seconds=90)
_LOOP_TURNS: Final = 6
_PUT_OFF: Final = 2
_CIRCLE: Final = "anti_loop"
_DAY: Final = timedelta(days=1)
_SPEECH: Final = frozenset({"auto", "clarify"})
_AMOUNT: Final = re.compile(r"(?:([\d\u00a0]+)–)?([\d\u00a0]+)\u00a0₽")
_ABOUT_ONE: Final = frozenset({"quote_with_evidence", "no_price_offer_diagnostics", "client_agreed"})
_TALKING: Final = frozenset({"quoted", "agreed", "in_repair", "done"})
_MODEL: Final = {m: re.compile(re.escape(m) + r"(?! (?:Pro|Max|Plus|mini))") for m in words.MODELS}


def broken(history: History) -> list[str]:
    """Everything that was not as it must be."""
    return [f"{rule.__name__}: {line}" for rule in RULES for line in rule(history)]


def everything_comes_to_rest(history: History) -> Iterator[str]:
    """Nothing waits, and nothing was buried."""
    for dialog in history.rows["dialogs"]:
        heard = [m["seq"] for m in history.rows["messages"] if _spoken(m) and m["dialog_id"] == dialog["dialog_id"]]
        if dialog["due_at"] or dialog["client_due"] or max(heard, default=0) > dialog["answered_seq"]:
            yield f"{dict(dialog)} with words up to {max(heard, default=0)}"
    yield from (f"dead letter {dict(row)}" for row in history.rows["dead"] if row["source"] != "orphan")
    waiting = [o for o in history.rows["outgoing"] if o["state"] in ("pending", "sending")]
    yield from (f"still {o['state']}: {o['text']!r}" for o in waiting)


def every_turn_has_its_reasons(history: History) -> Iterator[str]:
    """A turn that ended and every word of the bot has a decision."""
    decided = {d["turn_id"] for d in history.rows["decisions"]}
    ended = [t for t in history.rows["turns"] if t["state"] in ("posted", "silent")]
    yield from (f"turn {t['turn_id']} ({t['state']})" for t in ended if t["turn_id"] not in decided)
    said = [o for o in history.rows["outgoing"] if o["author"] == "bot" and o["turn_id"] not in decided]
    yield from (f"words without a decision: {o['text']!r}" for o in said)


def every_word_is_answered_once(history: History) -> Iterator[str]:
    """A bot that speaks has heard something new; nothing is answered twice unless a person gave it back."""
    answered: dict[str, Any] = {}
    for decision in history.rows["decisions"]:
        if decision["action"] not in _SPEECH or not history.words(decision):
            continue
        fresh = [m for m in history.fresh(decision) if m["kind"] != "reaction"]
        if not fresh:
            yield f"spoke with nothing new: {_told(history, decision)}"
        for message in fresh:
            before = answered.setdefault(str(message["message_id"]), decision)
            same = before["turn_id"] == decision["turn_id"]
            if not same and not history.returned(decision["client_id"], before["created_at"], decision["created_at"]):
                yield f"{message['text']!r} answered twice: {_told(history, decision)}"


def nothing_is_said_over_newer_words(history: History) -> Iterator[str]:
    """What the client wrote while a turn was thinking is read first, unless that turn was put off twice already.

    Newer is what lies between the last word the turn has read and its own: both are numbered under the dialog's lock.
    A handover is never put off.
    """
    client_of = {d["dialog_id"]: d["client_id"] for d in history.rows["dialogs"]}
    handed_over = {d["turn_id"] for d in history.rows["decisions"] if d["action"] == "operator"}
    put_off: Counter[Any] = Counter()
    for turn in history.rows["turns"]:
        if turn["state"] == "superseded":
            put_off.update(d for d, client in client_of.items() if client == client_of.get(turn["dialog_id"]))
            continue
        said = [o["place"] for o in history.said.get(turn["turn_id"], []) if o["dialog_id"] == turn["dialog_id"]]
        newer = [m for m in history.rows["messages"] if said and _came_between(m, turn, min(said))]
        if newer and turn["turn_id"] not in handed_over and put_off[turn["dialog_id"]] < _PUT_OFF:
            yield f"said over {[m['text'] for m in newer]}, put off {put_off[turn['dialog_id']]} times"
        put_off[turn["dialog_id"]] = 0


def _came_between(message: Any, turn: Any, before: int) -> bool:
    """Words of the client that bump the dialog's version, and are neither read by the turn nor later than its answer."""
    words = message["direction"] == "in" and message["kind"] != "reaction" and not message["revision"]
    there = message["dialog_id"] == turn["dialog_id"] and turn["to_seq"] < message["seq"] < before
    return there and words and not is_bare_thanks(message["text"] or "")


def a_person_is_not_interrupted(history: History) -> Iterator[str]:
    """While a human has an appeal the bot says nothing about it."""
    for decision in history.rows["decisions"]:
        appeal = decision["appeal_id"]
        if appeal is None or not history.words(decision):
            continue
        control = history.state("control", appeal, decision["created_at"], "bot")
        if control not in ("bot", "paused"):  # a pause ends by the clock, and no event tells
            yield f"spoke under {control}: {_told(history, decision)}"


def nothing_of_the_bot_leaves_after_a_person_spoke(history: History) -> Iterator[str]:
    """An operator's act cancels what the bot still had to send to that chat."""
    for act in history.acts:
        if act.do not in ("take", "reply"):
            continue
        chats = {
            a["dialog_id"] for a in history.rows["appeals"] if a["number"] == act.number and a["closed_at"] is None
        }
        for row in history.rows["outgoing"]:
            late = row["state"] == "sent" and row["finished_at"] > act.at > row["created_at"]
            if row["author"] == "bot" and row["dialog_id"] in chats and late:
                yield f"{row['text']!r} left after the operator's {act.do}"


def a_handover_is_told(history: History) -> Iterator[str]:
    """Who is handed over learns of it, once in a day in the same words; and then a person has the appeal."""
    handovers = [d for d in history.rows["decisions"] if d["action"] == "operator"]
    # Of two devices that are handed over at once one is announced.
    told = {d["turn_id"] for d in handovers if history.words(d)}
    for decision in handovers:
        if decision["turn_id"] not in told and not _told_before(history, decision):
            yield f"silent handover {decision['reason']}"
        if decision["appeal_id"] is None:
            yield f"handover of nothing {decision['reason']}"
            continue
        after = history.state(
            "control", decision["appeal_id"], decision["created_at"] + timedelta(microseconds=1), "bot"
        )
        if after != "human":
            yield f"handover {decision['reason']} leaves control {after}"


def who_opted_out_is_left_alone(history: History) -> Iterator[str]:
    """One confirmation; then small talk stays unanswered."""
    since: dict[Any, Any] = {}
    for decision in history.rows["decisions"]:
        client = decision["client_id"]
        if client in since and history.words(decision):
            small = [m for m in history.fresh(decision) if m["kind"] != "reaction"]
            status = _status(history, decision)
            if decision["reason"] == "opt_out":
                yield f"confirmed again: {_told(history, decision)}"
            if small and all(m["text"] in (*words.SMALL, *words.THANKS) for m in small) and status not in _TALKING:
                yield f"small talk with who opted out: {_told(history, decision)}"
        if decision["reason"] in ("opt_out", "opted_out_before"):
            since.setdefault(client, decision["created_at"])


def thanks_open_nothing(history: History) -> Iterator[str]:
    """A thank-you, a thumb, a greeting or spam neither opens nor reopens an appeal."""
    nothing = (*words.THANKS, words.SPAM, "Здравствуйте!")
    for decision in history.rows["decisions"]:
        fresh = [m for m in history.fresh(decision) if m["kind"] != "reaction"]
        route = decision["inputs"].get("routing", {}).get("action")
        one = {m["text"] for m in fresh}
        plain = fresh and all(m["kind"] == "message" and not m["revision"] for m in fresh) and len(one) == 1
        if plain and one <= set(nothing) and route in ("new", "reopen"):
            yield f"{one} -> {route} {decision['action']}/{decision['reason']}"


def devices_are_not_mixed(history: History) -> Iterator[str]:
    """What is said about one appeal names no other appeal's device."""
    for decision in history.rows["decisions"]:
        if decision["reason"] not in _ABOUT_ONE:
            continue
        own = decision["inputs"].get("known", {}).get("model", {}).get("v", "")
        # A price may rest on repairs of a near model, and says so.
        named = {own, *(q["sibling"] for q in decision["inputs"].get("graph", {}).get("quotes", []))}
        for row in history.words(decision):
            others = [m for m, pattern in _MODEL.items() if m not in named and pattern.search(row["text"])]
            if others:
                yield f"about {own}: {row['text']!r}"


def prices_rest_on_evidence(history: History) -> Iterator[str]:
    """A sum in a reply is in a quote of its decision that has evidence, and is the shop's own price."""
    for decision in history.rows["decisions"]:
        if decision["action"] not in ("auto", "clarify", "operator"):
            continue
        graph = decision["inputs"].get("graph", {})
        quotes = [q for q in graph.get("quotes", []) if q["evidence"] and not q["refusal"]]
        known = {q[field] for q in quotes for field in ("low", "high", "part_price")}
        for row in history.words(decision):
            said = {_kopecks(x) for m in _AMOUNT.finditer(row["text"]) for x in m.groups() if x}
            if said - known:
                yield f"{sorted(said - known)} rests on nothing: {row['text']!r}"
        if decision["reason"] == "quote_with_evidence":
            yield from (f"{q['device']} {q['repair_type']}: {q['low']}..{q['high']}" for q in quotes if not _true(q))


def circles_end(history: History) -> Iterator[str]:
    """At most six answers in a minute and a half, and never the same one twice running.

    The confirmation of an opt-out does not count: it is owed once, whatever was said before it.
    """
    closings = [e["at"] for e in history.rows["events"] if e["data"].get("after") in CLOSED]
    answers = (d for d in history.rows["decisions"] if d["reason"] != "opt_out")
    speech = {d["turn_id"]: d for d in answers if d["action"] in _SPEECH}
    for dialog in history.rows["dialogs"]:
        rows = [o for o in history.rows["outgoing"] if o["dialog_id"] == dialog["dialog_id"] and o["author"] == "bot"]
        for row in rows:
            near = [o for o in rows if row["created_at"] - _LOOP < o["created_at"] < row["created_at"]]
            # Answers in closed appeals are of another talk, and do not count.
            open_ = not near or not any(near[0]["created_at"] <= at <= row["created_at"] for at in closings)
            if row["turn_id"] in speech and len(near) >= _LOOP_TURNS and open_:
                yield f"answer {len(near) + 1} within {_LOOP}: {row['text']!r}"
        for first, second in pairwise(rows):
            same = first["text"] == second["text"] and second["created_at"] - first["created_at"] < _DAY
            closed = any(first["created_at"] <= at <= second["created_at"] for at in closings)
            if same and second["turn_id"] in speech and first["turn_id"] != second["turn_id"] and not closed:
                yield f"said twice: {second['text']!r}"


def people_see_what_was_sent(history: History) -> Iterator[str]:
    """Every chat shows what was sent, each once and in order; what nobody knows may be missing."""
    chats = {(o["channel_id"], o["chat"]) for o in history.rows["outgoing"]}
    for channel, chat in chats:
        rows = [o for o in history.rows["outgoing"] if (o["channel_id"], o["chat"]) == (channel, chat)]
        seen = [s.text for s in history.shown if (s.channel_id, s.chat) == (channel, chat)]
        expected = [(o["text"], o["state"] == "unknown") for o in rows if o["state"] in ("sent", "unknown")]
        if not _matches(expected, seen):
            yield f"{chat}: sent {expected}, shown {seen}"


def _matches(sent: Sequence[tuple[str, bool]], shown: Sequence[str]) -> bool:
    """Whether the shown texts are the sent ones in order, of which those that nobody knows of may be missing."""
    ends = {0}  # how many of the shown ones the sent ones so far may account for
    for text, may_miss in sent:
        seen = {end + 1 for end in ends if end < len(shown) and shown[end] == text}
        ends = seen | (ends if may_miss else set())
    return len(shown) in ends


def a_message_is_stored_once(history: History) -> Iterator[str]:
    """The same provider id is one message."""
    seen = Counter(
        (m["dialog_id"], m["external_id"]) for m in history.rows["messages"] if _spoken(m) and m["kind"] != "edit"
    )
    yield from (f"{key} is stored {n} times" for key, n in seen.items() if n > 1)


def control_is_told_in_events(history: History) -> Iterator[str]:
    """Whoever follows the events knows who may speak and how far an appeal is."""
    for appeal in history.rows["appeals"]:
        for kind, start in (("control", "bot"), ("status", "new")):
            told = history.state(kind, appeal["appeal_id"], _NEVER, start)
            if told != appeal[kind]:
                yield f"appeal {appeal['number']}: {kind} is {appeal[kind]}, the events say {told}"


def numbers_have_no_gaps(history: History) -> Iterator[str]:
    """Appeals are numbered 1, 2, 3…"""
    numbers = [a["number"] for a in history.rows["appeals"]]
    if numbers != list(range(1, len(numbers) + 1)):
        yield str(numbers)


def spam_and_threats_get_silence(history: History) -> Iterator[str]:
    """A stranger's spam is not answered."""
    for decision in history.rows["decisions"]:
        fresh = [m for m in history.fresh(decision) if m["kind"] != "reaction"]
        alone = len(fresh) == 1 and fresh[0]["text"] == words.SPAM and not fresh[0]["revision"]
        if alone and history.words(decision) and _status(history, decision) not in _TALKING:
            yield _told(history, decision)


def _spoken(message: Any) -> bool:
    return message["direction"] == "in" and message["kind"] != "reaction" and message["deleted_at"] is None


def _told(history: History, decision: Any) -> str:
    texts = [row["text"] for row in history.words(decision)]
    return f"{decision['action']}/{decision['reason']} {texts}"


def _status(history: History, decision: Any) -> str:
    appeal = decision["appeal_id"]
    return history.state("status", appeal, decision["created_at"], "new") if appeal is not None else "new"


def _told_before(history: History, decision: Any) -> bool:
    """The same appeal was told within a day; in a circle nobody in a chat is told the same again for another device."""
    since = decision["created_at"] - _DAY
    told = [
        row["appeal_id"] for row in history.rows["outgoing"] if row["author"] == "bot" and _within(row, since, decision)
    ]
    if decision["appeal_id"] in told or decision["reason"] != _CIRCLE:
        return decision["appeal_id"] in told
    return any(
        other["action"] == "operator" and other["dialog_id"] == decision["dialog_id"] and history.words(other)
        for other in history.rows["decisions"]
        if _within(other, since, decision)
    )


def _within(row: Any, since: Any, decision: Any) -> bool:
    return bool(since <= row["created_at"] < decision["created_at"])


def _kopecks(text: str) -> int:
    return int(text.replace("\u00a0", "")) * 100


def _true(quote: Any) -> bool:
    """The range holds a price of the shop for that device and repair."""
    of = [p for p in USUAL if p.repair == quote["repair_type"] and f"{p.brand} {p.model}" == quote["device"]]
    sums = [(p.labour if quote["labour_only"] else p.labour + p.part) * 100 for p in of]
    return any(quote["low"] <= price <= quote["high"] for price in sums) or (not of and bool(quote["sibling"]))


RULES: Final[tuple[Rule, ...]] = (
    everything_comes_to_rest, every_turn_has_its_reasons, every_word_is_answered_once,
    nothing_is_said_over_newer_words, a_person_is_not_interrupted,
    nothing_of_the_bot_leaves_after_a_person_spoke, a_handover_is_told, who_opted_out_is_left_alone,
    thanks_open_nothing, devices_are_not_mixed, prices_rest_on_evidence, circles_end, people_see_what_was_sent,
    a_message_is_stored_once, control_is_told_in_events, numbers_have_no_gaps, spam_and_threats_get_silence,
)  # fmt: skip
