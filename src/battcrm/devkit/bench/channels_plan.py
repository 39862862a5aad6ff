"""The schedule of a run over all channels: who writes what, where and when, and when a platform is away."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from battcrm.devkit.bench.mix import dialogue

KINDS: Final = ("telegram", "vk", "whatsapp", "avito", "max", "webchat")
# The web chat has no platform that could be away.
PLATFORMS: Final = KINDS[:-1]
DUPLICATES: Final = 0.05
ERRORS: Final = 0.02
OUTAGE: Final = 60.0
WARMUP: Final = 15.0
_CYCLE: Final = 120.0
_FIRST_PERSON: Final = 500_000_000


@dataclass(frozen=True, slots=True)
class Saying:
    """One message: `at` seconds after the start, `person` unique in the run."""

    at: float
    kind: str
    tenant: int
    person: int
    text: str
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Outage:
    """A platform that cannot be reached between two moments, in seconds after the start."""

    kind: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that will happen, decided before it starts. `seconds` come after `warmup`, in which caches fill."""

    sayings: Sequence[Saying]
    outages: Sequence[Outage]
    seconds: float
    seed: int
    errors: float
    warmup: float = WARMUP

    def document(self) -> dict[str, Any]:
        """As JSON for the platforms' process."""
        return asdict(self)


def plan_of(document: dict[str, Any]) -> Plan:
    """What `Plan.document` made."""
    sayings = [Saying(**item) for item in document["sayings"]]
    outages = [Outage(**item) for item in document["outages"]]
    return Plan(sayings, outages, document["seconds"], document["seed"], document["errors"], document["warmup"])


def make_plan(
    rate: float,
    seconds: float,
    *,
    tenants: int,
    seed: int,
    model_share: float,
    outage: float = OUTAGE,
    errors: float = ERRORS,
) -> Plan:
    """`rate` messages a second over all channels, in dialogues that start as a Poisson process."""
    rng, end = random.Random(seed), WARMUP + seconds
    starts_per_second = rate / _messages_each(seed, model_share)
    sayings: list[Saying] = []
    at, person = 0.0, _FIRST_PERSON
    while (at := at + rng.expovariate(starts_per_second)) < end:
        person += 1
        kind, tenant = KINDS[person % len(KINDS)], rng.randrange(tenants)
        for line in dialogue(rng, model_share).lines:
            twice = rng.random() < DUPLICATES
            if at + line.after < end:
                sayings.append(Saying(at + line.after, kind, tenant, person, line.text, twice))
    sayings.sort(key=lambda saying: saying.at)
    return Plan(sayings, outages_of(seconds, outage, seed), seconds, seed, errors)


def outages_of(seconds: float, length: float, first: int = 0) -> list[Outage]:
    """One platform after the other goes away for `length`: in the middle of a short run, every two minutes of a long
    one, so that each minute without it lies between two with everybody there. `first` says who begins."""
    if length <= 0:
        return []
    cycles = max(1, int(seconds // _CYCLE))
    share = seconds / cycles
    length = min(length, share / 2)
    found = []
    for number in range(cycles):
        begin = WARMUP + number * share + (share - length) / 2
        found.append(Outage(PLATFORMS[(first + number) % len(PLATFORMS)], begin, begin + length))
    return found


def _messages_each(seed: int, model_share: float) -> float:
    lengths = [len(dialogue(random.Random(seed + i), model_share).lines) for i in range(2000)]
    return sum(lengths) / len(lengths)
