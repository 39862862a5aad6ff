from __future__ import annotations

import urllib.request

import pytest

from battcrm.infra.telemetry import METRICS, serving_metrics
from battcrm.kit.errors import Invalid


def test_a_role_without_http_serves_its_metrics() -> None:
    METRICS.published.inc()
    with (
        serving_metrics("127.0.0.1", 0) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer,
    ):
        body = answer.read().decode()
    assert "battcrm_events_published_total" in body


def test_a_taken_port_is_named_with_its_remedy() -> None:
    with serving_metrics("127.0.0.1", 0) as port, pytest.raises(Invalid) as error, serving_metrics("127.0.0.1", port):
        pass
    assert error.value.field == "BATTCRM_METRICS_PORT"


def test_without_a_port_nothing_listens() -> None:
    with serving_metrics("127.0.0.1", None) as port:
        assert port is None
