"""A process as its `/metrics` tell: what it used and did between two scrapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]
Scrape = Mapping[tuple[str, Labels], float]

# Column -> counters whose sum it is.
RATES: Final[Mapping[str, str]] = {
    "webhooks": "battcrm_webhooks_total",
    "processed": "battcrm_inbox_processed_total",
    "turns": "battcrm_turns_total",
    "sends": "battcrm_sends_total",
    "published": "battcrm_events_published_total",
    "handled": "battcrm_events_handled_total",
    "model_calls": "battcrm_model_calls_total",
    "graph_queries": "battcrm_graph_queries_total",
}
TIMES: Final[Mapping[str, str]] = {
    "ack": "battcrm_gateway_ack_seconds",
    "batch": "battcrm_processor_batch_seconds",
    "turn": "battcrm_turn_seconds",
    "send": "battcrm_send_seconds",
    "model": "battcrm_model_seconds",
    "graph": "battcrm_graph_seconds",
}


@dataclass(frozen=True, slots=True)
class Process:
    """One process between two scrapes: CPU in percent of a core, rates a second, p95 in milliseconds (None: nothing)."""

    address: str
    cpu_percent: float
    rss_mb: float
    loop_lag_ms: float
    stalled: int
    rates: Mapping[str, float]
    p95_ms: Mapping[str, float]
    queue_age_s: Mapping[str, float]


def read(body: bytes) -> Scrape:
    """Samples of a scrape by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def processes(before: Mapping[str, Scrape], after: Mapping[str, Scrape], seconds: float) -> list[Process]:
    """The processes that answered, in the order of their addresses. A process that is new counts from zero."""
    return [_process(address, before.get(address, {}), after[address], seconds) for address in sorted(after)]


def _process(address: str, old: Scrape, new: Scrape, seconds: float) -> Process:
    rates = {column: (total(new, name) - total(old, name)) / seconds for column, name in RATES.items()}
    times = {column: quantile(old, new, name, 0.95) for column, name in TIMES.items()}
    cpu = total(new, "process_cpu_seconds_total") - total(old, "process_cpu_seconds_total")
    ages = {dict(k[1])["queue"]: v for k, v in new.items() if k[0] == "battcrm_queue_oldest_age_seconds"}
    return Process(
        address=address,
        cpu_percent=round(cpu / seconds * 100, 1),
        rss_mb=round(total(new, "process_resident_memory_bytes") / 1e6, 1),
        loop_lag_ms=round(total(new, "battcrm_event_loop_lag_seconds") * 1000, 1),
        stalled=int(total(new, "battcrm_stalled_loops")),
        rates={column: round(value, 1) for column, value in rates.items() if value > 0},
        p95_ms={column: round(value * 1000, 1) for column, value in times.items() if value is not None},
        queue_age_s={queue: round(age, 2) for queue, age in ages.items()},
    )


def total(scrape: Scrape, name: str) -> float:
    """The sum of a metric over its labels; 0 where there is none."""
    return sum(value for (found, _), value in scrape.items() if found == name)


def quantile(old: Scrape, new: Scrape, name: str, share: float) -> float | None:
    """A quantile of what a histogram took in between two scrapes, interpolated inside its bucket; None for nothing."""
    grown: dict[float, float] = {}
    for (found, labels), value in new.items():
        if found == f"{name}_bucket":
            bound = float(dict(labels)["le"])
            grown[bound] = grown.get(bound, 0.0) + value - old.get((found, labels), 0.0)
    return _interpolated(sorted(grown.items()), share)


def _interpolated(buckets: Sequence[tuple[float, float]], share: float) -> float | None:
    if not buckets or buckets[-1][1] <= 0:
        return None
    wanted = buckets[-1][1] * share
    floor, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted:
            return floor if bound == float("inf") else floor + (bound - floor) * (wanted - below) / (count - below)
        floor, below = bound, count
    return floor
