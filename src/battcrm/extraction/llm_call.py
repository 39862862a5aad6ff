"""The one model call of a turn: only the open fields, only redacted text, a strict schema, and every claim checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

from battcrm.extraction.llm_answer import Names, apply_answer, parse_answer
from battcrm.extraction.prompts.loader import Prompt, load_prompt
from battcrm.extraction.redaction import RedactionPolicy, redact
from battcrm.kit.errors import BattError, Invalid
from battcrm.models.calls import CallReport, CallScope
from battcrm.models.facts import Completion, Hypothesis, Reading

MAX_CHARS: Final = 4_000
DEADLINE_S: Final = 8.0


class ChatCall(Protocol):
    """A chat model with structured output, reduced to what extraction needs."""

    async def __call__(
        self,
        messages: Sequence[Mapping[str, str]],
        schema: Mapping[str, Any],
        deadline_s: float,
        scope: CallScope | None = None,
    ) -> Mapping[str, Any]:
        """The parsed answer. `deadline_s`: seconds this call may take. Raises kit.errors for every expected failure.

        The scope's report is filled, also by a call that fails.
        """
        ...


@dataclass(frozen=True, slots=True)
class Asking:
    """What is known beside the texts."""

    known: Hypothesis | None = None
    expecting: str | None = None
    options: tuple[str, ...] = ()


class ModelReader:
    """Fills open fields by one call. Keeps no state; safe to share between turns."""

    def __init__(
        self,
        chat: ChatCall,
        names: Names,
        *,
        policy: RedactionPolicy = RedactionPolicy(),
        deadline_s: float = DEADLINE_S,
        prompt: Prompt | None = None,
    ) -> None:
        self._chat = chat
        self._names = names
        self._policy = policy
        self._deadline_s = deadline_s
        self._prompt = prompt or load_prompt()

    async def complete(
        self,
        texts: Sequence[str],
        reading: Reading,
        asking: Asking,
        scope: CallScope | None = None,
        names: Names | None = None,
    ) -> Completion:
        """The improved reading. Without open fields no call is made; after any failure the reading is unchanged.

        `names`: what this tenant's answers are checked against, where that is more than everybody's catalogue.
        """
        if not reading.open_fields:
            return Completion(reading, 0)
        hidden = [redact(text[:MAX_CHARS], self._policy).text for text in texts]
        step = f"model {self._prompt.name} for {', '.join(sorted(reading.open_fields))}"
        messages = self._messages(hidden, reading, asking)
        try:
            raw = await self._chat(messages, self._prompt.schema, self._deadline_s, scope)
            better = apply_answer(reading, parse_answer(raw), hidden, names or self._names, self._prompt.name)
        except Invalid as error:
            return _completion(reading, scope, (step, f"refused: {error.code}"), error.code)
        except BattError as error:
            return _completion(reading, scope, (step, f"failed: {error.code}"), error.code)
        return _completion(better, scope, (step, "applied"))

    def _messages(self, texts: Sequence[str], reading: Reading, asking: Asking) -> list[dict[str, str]]:
        """The fixed prefix first, so that it is cached; all that varies is one JSON document of data."""
        data = {
            "open_fields": sorted(reading.open_fields),
            "known": _summary(asking.known),
            "read_by_rules": [_summary(item) for item in reading.hypotheses],
            "shop_asked": asking.expecting,
            "options": list(asking.options),
            "customer_messages": list(texts),
        }
        return [
            {"role": "system", "content": self._prompt.system},
            {"role": "user", "content": orjson.dumps(data).decode()},
        ]


def _completion(
    reading: Reading, scope: CallScope | None, steps: tuple[str, str], failed: str | None = None
) -> Completion:
    """With what the call reported about itself; a chat that reports nothing counts as one call."""
    report = scope.report if scope is not None else CallReport()
    calls = report.calls if report.steps else 1
    told = (steps[0], *report.steps, steps[1])
    return Completion(reading, calls, failed, told, report.cost_microrub, report.provider_ms)


def _summary(hypothesis: Hypothesis | None) -> dict[str, Any] | None:
    if hypothesis is None:
        return None
    return {
        "appeal_type": hypothesis.appeal_type.value if hypothesis.appeal_type else None,
        "brand": hypothesis.brand.value if hypothesis.brand else None,
        "model": hypothesis.model.value if hypothesis.model else None,
        "repair_types": [fact.value for fact in hypothesis.repair_types],
        "part_owner": hypothesis.part_owner.value if hypothesis.part_owner else None,
    }
