"""Writes docs/reference/scripts-coverage.md from the dialogue scripts and the breaks: `python -m tools.scripts`.

A test compares. Scripts say in `covers` what they stand for: a topic, or an invariant of docs/adr by its number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from battcrm.devkit.scripts.format import Script, load_scripts
from tools.breaks.listed import ROOT, Break, load

PAGE: Final = "docs/reference/scripts-coverage.md"
FOLDER: Final = ROOT / "tests" / "dialogues"
TOPICS: Final = {
    "burst": "Several messages, one answer: quiet window, its extensions, its cap, what does not wait",
    "supersede": "A message, an edit or an operator while the turn is thinking",
    "order": "Webhooks late or out of order; replies in order",
    "idempotency": "The same webhook twice; sends that fail, or whose outcome nobody knows",
    "slot filling": "One question at a time, the most valuable first; several fields in one answer; corrections",
    "ambiguity": "A model of several makers, a device that may be one of two",
    "context": "What a turn may know: its episode, never closed talks or other people",
    "handover triggers": "What goes to a person, how the client learns of it, who speaks meanwhile",
    "return to bot": "How the bot comes back, and with what",
    "quiet hours": "Night, days off and holidays",
    "opt-out": "Stop words, and what only looks like one",
    "anti-loop": "Circles, answering machines, the same answer twice",
    "abuse": "Swearing, spam, threats",
    "off-topic": "What a repair shop does not answer; orders given to the bot",
    "duplicate appeals": "Which open appeal a message belongs to",
    "reopen": "After a closing: thanks, trouble, warranty, a second thought",
    "language": "Russian, English, transliteration, the wrong layout",
    "media": "Voice, pictures, stickers, reactions",
    "edits": "Edits and deletions before, during and after an answer",
    "model down": "The language model does not answer",
}
"""The rows of the acceptance list. Silence of the client and initiated messages come with touches."""
INVARIANTS: Final = {
    1: ("An accepted message is never lost", "tests/faults, tests/property/protocol"),
    2: ("The same provider id is one message, the same text under two ids is two", "tests/faults/test_door_rules.py"),
    3: ("One turn of a client at a time", "tests/faults/test_turn_rules.py"),
    4: ("A turn posts only if nothing newer came and control is the bot's", "tests/faults/test_turn_rules.py"),
    5: ("Replies in order, none twice", "tests/faults/test_send_rules.py"),
    6: ("Context is the episode and frozen facts", "tests/property/behaviour"),
    7: ("The degrade ladder, never silence without a record", "tests/property/behaviour"),
    8: ("No statement crosses tenants (eight shops are played at once on one database)", "tests/integration/sql"),
    9: ("A poisoned item reaches the dead letters and blocks nobody", "tests/faults/test_processor_rules.py"),
    10: ("One tenant's flood does not slow another", "tests/integration/pipeline"),
}
TWO: Final = frozenset({"two devices", "two channels"})
ACCIDENTS: Final = frozenset({"deliver", "repeat", "edit", "delete"})
Listed = Sequence[tuple[Path, Script]]


def tags() -> frozenset[str]:
    """What `covers` may name that has a place of its own on the page; the rest is listed under More."""
    return frozenset(TOPICS) | TWO | {f"invariant {number}" for number in INVARIANTS}


def interleaved(scripts: Listed) -> int:
    """Scripts that go between two devices or two channels."""
    return sum(bool(TWO & set(script.covers)) for _, script in scripts)


def accidental(scripts: Listed) -> int:
    """Scripts with reordered, repeated or late webhooks, edits or deletions."""
    return sum(any(step.act in ACCIDENTS for step in script.steps) for _, script in scripts)


def page(scripts: Listed, breaks: Sequence[Break]) -> str:
    """The page."""
    return "\n".join((*_head(scripts), *_topics(scripts), *_invariants(scripts), *_breaks(breaks), ""))


def _head(scripts: Listed) -> Iterator[str]:
    yield "# What the dialogue scripts cover"
    yield ""
    yield "Made from `tests/dialogues` and `tools/breaks/behaviour.yaml` by `python -m tools.scripts`; a test compares."
    yield "Do not edit."
    yield ""
    yield f"{len(scripts)} scripts; {interleaved(scripts)} go between two devices or two channels;"
    yield f"{accidental(scripts)} have reordered, repeated or late webhooks, edits or deletions."
    yield ""


def _topics(scripts: Listed) -> Iterator[str]:
    yield "## Topics"
    for name, meaning in TOPICS.items():
        found = [script.title for _, script in scripts if name in script.covers]
        yield from ("", f"**{name.capitalize()}** ({len(found)}). {meaning}.", "")
        yield from (f"- {title}" for title in found)
    yield from ("", "## More", "")
    more = sorted({tag for _, script in scripts for tag in script.covers} - tags())
    for name in more:
        yield f"**{name.capitalize()}**: {'; '.join(s.title for _, s in scripts if name in s.covers)}."
        yield ""


def _invariants(scripts: Listed) -> Iterator[str]:
    yield from ("## Invariants", "", "| | invariant | scripts | and |", "|---|---|---|---|")
    for number, (text, tests) in INVARIANTS.items():
        found = [script.title for _, script in scripts if f"invariant {number}" in script.covers]
        yield f"| {number} | {text} | {'; '.join(found)} | `{tests}` |"
    yield ""


def _breaks(breaks: Sequence[Break]) -> Iterator[str]:
    caught = [one for one in breaks if not one.survives]
    yield from ("## Breaks", "")
    yield f"{len(breaks)} single rules are taken out of a copy of the product, one at a time (`python -m tools.breaks`,"
    yield f"in `make long`); {len(caught)} of them a script ought to notice, and that run tells whether it does."
    yield from ("", "| rule taken away | in | to be noticed by |", "|---|---|---|")
    yield from (f"| {one.rule} | `{one.file}` | {one.caught_by} |" for one in caught)
    survivors = [one for one in breaks if one.survives]
    if survivors:
        yield from ("", "Not noticed, and why:", "", "| rule taken away | in | why |", "|---|---|---|")
        yield from (f"| {one.rule} | `{one.file}` | {one.survives} |" for one in survivors)


def current() -> str:
    """The page as it should be."""
    return page(load_scripts(FOLDER), load())


if __name__ == "__main__":
    (ROOT / PAGE).write_text(current(), "utf-8")
