"""Runs an extractor over labelled dialogues, turn by turn as the pipeline would, and reports."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from battcrm.extraction.dispatcher import Context
from battcrm.extraction.evaluation.calibration import calibration_error, reliability
from battcrm.extraction.evaluation.dataset import Example
from battcrm.extraction.evaluation.score import Outcome, Score
from battcrm.extraction.state import advance
from battcrm.models.facts import Hypothesis, Reading


class Reads(Protocol):
    """The part of an extractor that evaluation needs."""

    def read(self, texts: Sequence[str], context: Context | None = None) -> Reading: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A reading context without a tenant."""

    known: Hypothesis | None = None
    expecting: str | None = None
    options: tuple[str, ...] = ()


Complete = Callable[[Sequence[str], Reading, Context], Awaitable[Reading]]


def read_dialogue(reader: Reads, example: Example) -> Outcome:
    """The state after all turns of one dialogue, by rules alone."""
    known: tuple[Hypothesis, ...] = ()
    needed = False
    for turn in example.turns:
        context = Asked(known[-1] if known else None, turn.expecting, turn.options)
        reading = reader.read(turn.texts, context)
        needed |= bool(reading.open_fields)
        known = advance(known, reading)
    return Outcome(example, known, needed)


async def read_dialogue_with_model(reader: Reads, complete: Complete, example: Example) -> Outcome:
    """The same, with a model call for every turn that leaves fields open."""
    known: tuple[Hypothesis, ...] = ()
    needed = False
    for turn in example.turns:
        context = Asked(known[-1] if known else None, turn.expecting, turn.options)
        reading = reader.read(turn.texts, context)
        if reading.open_fields:
            needed = True
            reading = await complete(turn.texts, reading, context)
        known = advance(known, reading)
    return Outcome(example, known, needed)


def evaluate(reader: Reads, examples: Sequence[Example]) -> dict[str, Any]:
    """The report of rules mode. Reads everything once to warm caches, then once more on the clock.

    The clock is processor time: what the reading costs, not how busy the machine was meanwhile.
    """
    outcomes = [read_dialogue(reader, example) for example in examples]
    started = time.process_time()
    for example in examples:
        read_dialogue(reader, example)
    elapsed = time.process_time() - started
    return report(outcomes, elapsed)


async def evaluate_with_model(reader: Reads, complete: Complete, examples: Sequence[Example]) -> dict[str, Any]:
    """The report of model mode; time includes the calls."""
    started = time.perf_counter()
    outcomes = [await read_dialogue_with_model(reader, complete, example) for example in examples]
    return report(outcomes, time.perf_counter() - started)


def report(outcomes: Sequence[Outcome], elapsed: float) -> dict[str, Any]:
    """The machine-readable report. Shares are 0..1, times microseconds per customer message."""
    score = Score()
    for outcome in outcomes:
        score.add(outcome)
    n = max(score.n, 1)
    messages = max(sum(outcome.example.messages for outcome in outcomes), 1)
    return {
        "n": score.n,
        "exact_match": round(score.exact / n, 4),
        "llm_free_share": round(score.free / n, 4),
        "us_per_message": round(elapsed / messages * 1e6, 1),
        "fields": {name: count.as_dict() for name, count in score.counts.items()},
        "errors": [asdict(miss) for miss in score.misses],
        "needed_model": round(sum(outcome.needed_model for outcome in outcomes) / n, 4),
        "ece": calibration_error(score.points),
        "reliability": [asdict(item) for item in reliability(score.points)],
        "confusions": {
            what: [{"expected": one, "got": other, "n": times} for (one, other), times in table.most_common()]
            for what, table in score.confusions.items()
        },
    }
