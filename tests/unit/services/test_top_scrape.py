from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from battcrm.services.top_scrape import RATES, TIMES, Scrape, processes, quantile, read

_NAME = "battcrm_send_seconds"


def scrapes(first: list[float], then: list[float]) -> tuple[Scrape, Scrape]:
    registry = CollectorRegistry()
    histogram = Histogram(_NAME, "?", ["channel"], registry=registry, buckets=(0.1, 0.2, 0.4))
    found = []
    for values in (first, then):
        for number, value in enumerate(values):
            histogram.labels(("vk", "max")[number % 2]).observe(value)
        found.append(read(generate_latest(registry)))
    return found[0], found[1]


def test_a_quantile_is_of_what_came_between_the_looks() -> None:
    old, new = scrapes([0.35] * 100, [0.15] * 20)
    assert quantile(old, new, _NAME, 0.95) == pytest.approx(0.195)


def test_a_quantile_beyond_the_last_bucket_is_its_bound() -> None:
    old, new = scrapes([], [5.0] * 4)
    assert quantile(old, new, _NAME, 0.5) == pytest.approx(0.4)


def test_nothing_has_no_quantile() -> None:
    old, new = scrapes([0.1], [])
    assert quantile(old, new, _NAME, 0.5) is None


def test_every_column_is_a_metric_of_ours() -> None:
    from battcrm.infra.telemetry import exposition

    known = {name for name, _ in read(exposition())}
    text = exposition().decode()
    assert all(f"# TYPE {name} counter" in text for name in RATES.values())
    assert all(f"# TYPE {name} histogram" in text for name in TIMES.values())
    assert "process_cpu_seconds_total" in known


def test_a_process_that_is_new_counts_from_zero() -> None:
    _, new = scrapes([0.1], [])
    (process,) = processes({}, {"http://a/metrics": new}, 2.0)
    assert process.address == "http://a/metrics"
    assert process.p95_ms == {"send": pytest.approx(95.0, abs=1)}
