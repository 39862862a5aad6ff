"""The report of a run over all channels: counts, latencies by channel, and what an outage did to the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from battcrm.devkit.bench.accounting import percentiles
from battcrm.devkit.bench.channels_judge import Verdict
from battcrm.devkit.bench.channels_plan import Outage, Plan

COUNTS: Final = ("sent", "covered", "silent", "replied", "lost", "duplicated", "unknown", "waiting")
ALLOWED: Final = 0.2


def report(verdict: Verdict, evidence: Mapping[str, Any], plan: Plan, start: float) -> dict[str, Any]:
    """The document that `--json` prints, without what only the runner knows."""
    repeated = sum(1 for saying in plan.sayings if saying.duplicate)
    return {
        **{name: verdict.total(name) for name in COUNTS},
        "accepted": len(evidence["said"]) - evidence["undelivered"],
        "unknown_causes": dict(verdict.causes),
        "faults": _counted(fault["fault"] for fault in evidence["faults"]),
        "duplicates_delivered": repeated,
        "webhooks_repeated": evidence["repeated"],
        "llm_turn_share": round(verdict.llm_turns / max(1, verdict.turns), 3),
        "ack_ms": percentiles(evidence["ack_ms"]),
        "own_ms": percentiles([ms for channel in verdict.channels.values() for _, ms in channel.own_ms]),
        "end_to_end_ms": percentiles([ms for channel in verdict.channels.values() for ms in channel.end_to_end_ms]),
        "stages_ms": {name: percentiles(values) for name, values in verdict.stages_ms.items()},
        "covered_per_s": round(verdict.total("covered") / (plan.warmup + plan.seconds), 1),
        "typing_shown": evidence["typing"],
        "channels": {
            kind: {name: getattr(channel, name) for name in COUNTS}
            | {"own_ms": percentiles([ms for _, ms in channel.own_ms])}
            for kind, channel in sorted(verdict.channels.items())
        },
        "outage": outage(verdict, plan, start),
        "examples": verdict.examples,
    }


def failed(document: Mapping[str, Any]) -> bool:
    """Whether anything was lost or doubled, or an outcome is unknown without a cause."""
    return bool(document["lost"] or document["duplicated"] or document["unknown_causes"].get("unexplained"))


def outage(verdict: Verdict, plan: Plan, start: float) -> dict[str, Any] | None:
    """p95 of the channels that stayed, with one away (B) and with all there just before and after (A, A): interleaved.

    `within` = B is slower than the mean of the A by at most 20 %, or by what the two A differ by anyway.
    """
    if not plan.outages:
        return None
    before: list[float] = []
    during: list[float] = []
    after: list[float] = []
    for part in plan.outages:
        begin, end = start + part.begin, start + part.end
        for kind, channel in verdict.channels.items():
            if kind == part.kind:
                continue
            for asked, ms in channel.own_ms:
                if begin <= asked < end:
                    during.append(ms)
                elif begin - _half(plan) <= asked < begin:
                    before.append(ms)
                elif end <= asked < end + _half(plan):
                    after.append(ms)
    first, second, away = (percentiles(values)["p95"] for values in (before, after, during))
    base = (first + second) / 2
    spread = abs(first - second) / base if base else 0.0
    slower = away / base - 1 if base else 0.0
    return {
        "away": [_named(part) for part in plan.outages],
        "p95_all_there_ms": [first, second],
        "p95_one_away_ms": away,
        "samples": [len(before), len(after), len(during)],
        "slower": round(slower, 3),
        "spread": round(spread, 3),
        "within": slower <= max(ALLOWED, spread),
    }


def _half(plan: Plan) -> float:
    """Length of the quiet time on either side of an outage."""
    share = plan.seconds / len(plan.outages)
    return (share - (plan.outages[0].end - plan.outages[0].begin)) / 2


def _named(part: Outage) -> dict[str, Any]:
    return {"kind": part.kind, "from_s": round(part.begin, 1), "to_s": round(part.end, 1)}


def _counted(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found
