"""The schedule of a run: every webhook call with its moment, made before the run starts."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from battcrm.devkit.bench.mix import dialogue

DUPLICATES = 0.05


@dataclass(frozen=True, slots=True)
class Call:
    """One webhook call. `at` is seconds from the start of the load; `key` names the message, twice for a duplicate."""

    at: float
    tenant: int
    chat: int
    message: int
    kind: str
    body: bytes
    duplicate: bool

    @property
    def key(self) -> tuple[int, int, int]:
        """Identity of the message."""
        return (self.tenant, self.chat, self.message)


def make_plan(rate: float, seconds: float, *, tenants: int, seed: int, model_share: float) -> list[Call]:
    """Calls whose expected rate is `rate` messages a second: dialogues start as a Poisson process."""
    rng = random.Random(seed)
    calls: list[Call] = []
    chat = 1_000_000
    update = 10_000
    # Dialogues have 1.4 messages on average; starts beyond the end are cut, their late lines too.
    samples = [len(dialogue(random.Random(seed + i), model_share).lines) for i in range(2000)]
    starts_per_second = rate / (sum(samples) / len(samples))
    at = 0.0
    while True:
        at += rng.expovariate(starts_per_second)
        if at > seconds:
            break
        chat += 1
        tenant = rng.randrange(tenants)
        spoken = dialogue(rng, model_share)
        for number, line in enumerate(spoken.lines, 1):
            moment = at + line.after
            if moment > seconds:
                continue
            update += 1
            body = update_body(update, chat, number, line.text)
            calls.append(Call(moment, tenant, chat, number, spoken.kind, body, duplicate=False))
            if rng.random() < DUPLICATES:
                calls.append(
                    Call(moment + rng.uniform(0.05, 2.0), tenant, chat, number, spoken.kind, body, duplicate=True)
                )
    calls.sort(key=lambda call: call.at)
    return calls


def update_body(update: int, chat: int, message: int, text: str) -> bytes:
    """A Telegram update with a text message."""
    person = {"id": chat, "is_bot": False, "first_name": "Клиент", "language_code": "ru"}
    content: dict[str, Any] = {
        "message_id": message,
        "from": person,
        "chat": {"id": chat, "type": "private", "first_name": "Клиент"},
        "date": 1_780_000_000 + message,
        "text": text,
    }
    return orjson.dumps({"update_id": update, "message": content})


def save(calls: list[Call], path: Path) -> None:
    """Write a plan for the generator's process."""
    rows = [(c.at, c.tenant, c.chat, c.message, c.kind, c.body.decode(), c.duplicate) for c in calls]
    path.write_bytes(orjson.dumps(rows))


def load(path: Path) -> list[Call]:
    """Read a plan."""
    return [Call(a, t, c, m, k, b.encode(), d) for a, t, c, m, k, b, d in orjson.loads(path.read_bytes())]
