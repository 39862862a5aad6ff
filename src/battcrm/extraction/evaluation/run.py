"""Runs an extractor over labelled dialogues, turn by turn as the pipeline would, and reports."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol

from battcrm.extraction.dispatcher import Context
from battcrm.extraction.evaluation.calibration import calibration_error, reliability
from battcrm.extraction.evaluation.dataset import Example
from battcrm.extraction.evaluation.score import Outcome, Score
from battcrm.extraction.state import advance
from battcrm.models.facts import Completion, Hypothesis, Method, Reading

AT_ONCE: Final = 32
"""Dialogues under way at once in model mode."""


class Reads(Protocol):
    """The part of an extractor that evaluation needs."""

    def read(self, texts: Sequence[str], context: Context | None = None) -> Reading: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A reading context without a tenant."""

    known: Hypothesis | None = None
    expecting: str | None = None
    options: tuple[str, ...] = ()


Complete = Callable[[Sequence[str], Reading, Context], Awaitable[Completion]]


@dataclass(slots=True)
class ModelUse:
    """What the model was asked in a run: turns that needed it, calls that reached a provider, and how they ended."""

    asked: int = 0
    calls: int = 0
    cost_microrub: int = 0
    failed: Counter[str] = field(default_factory=Counter)

    def add(self, done: Completion) -> None:
        """Count one turn that was asked about."""
        self.asked += 1
        self.calls += done.calls
        self.cost_microrub += done.cost_microrub
        if done.failed is not None:
            self.failed[done.failed] += 1


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


async def read_dialogue_with_model(reader: Reads, complete: Complete, example: Example, use: ModelUse) -> Outcome:
    """The same, with a model call for every turn that leaves fields open."""
    known: tuple[Hypothesis, ...] = ()
    needed = False
    for turn in example.turns:
        context = Asked(known[-1] if known else None, turn.expecting, turn.options)
        reading = reader.read(turn.texts, context)
        if reading.open_fields:
            needed = True
            done = await complete(turn.texts, reading, context)
            use.add(done)
            reading = done.reading
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
    """The report of model mode. Microseconds are processor time, as in rules mode; `model` tells of calls and waiting.

    `llm_free_share` is over all dialogues: no call was made, and every field that was acted on was right. What the
    model itself contributed is `model.claimed` and `model.right`: facts it gave above the acting threshold.
    """
    use, room = ModelUse(), asyncio.Semaphore(AT_ONCE)

    async def one(example: Example) -> Outcome:
        async with room:
            return await read_dialogue_with_model(reader, complete, example, use)

    clock, began = time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(example)) for example in examples]
    found = report([task.result() for task in tasks], time.process_time() - clock)
    own = found["methods"].get(Method.MODEL, {"claimed": 0, "right": 0})
    found["model"] = {
        "turns_asked": use.asked,
        "calls": use.calls,
        "failed": dict(sorted(use.failed.items())),
        "claimed": own["claimed"],
        "right": own["right"],
        "cost_microrub": use.cost_microrub,
        "seconds": round(time.perf_counter() - began, 3),
    }
    return found


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
        "methods": {
            name: {"claimed": count.tp + count.fp, "right": count.tp} for name, count in sorted(score.methods.items())
        },
        "ece": calibration_error(score.points),
        "reliability": [asdict(item) for item in reliability(score.points)],
        "confusions": {
            what: [{"expected": one, "got": other, "n": times} for (one, other), times in table.most_common()]
            for what, table in score.confusions.items()
        },
    }
