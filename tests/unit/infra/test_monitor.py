from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from battcrm.infra import monitor
from battcrm.infra.health import HEALTH, Health
from battcrm.infra.telemetry import METRICS
from battcrm.kit.errors import Invalid
from tests.support.waiting import PATIENCE


@pytest.fixture(autouse=True)
def _only_our_loops() -> Iterator[None]:
    before, HEALTH._due = HEALTH._due, {}
    yield
    HEALTH._due = before


def get(port: int | None, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_role_without_http_serves_its_metrics() -> None:
    METRICS.published.inc()
    with monitor.serving("127.0.0.1", 0) as port:
        status, body = get(port, "/metrics")
    assert status == 200
    assert "battcrm_events_published_total" in body
    assert "process_resident_memory_bytes" in body


def test_liveness_is_progress() -> None:
    HEALTH.beat("relay")
    with monitor.serving("127.0.0.1", 0) as port:
        assert get(port, "/healthz") == (200, '{"ok":true}')
        HEALTH.beat("turns", limit=-1.0)
        status, body = get(port, "/healthz")
        assert (status, json.loads(body)) == (503, {"ok": False, "stalled": ["turns"]})
        assert "battcrm_stalled_loops 1.0" in get(port, "/metrics")[1]
        assert get(port, "/elsewhere")[0] == 404


def test_a_loop_is_stalled_only_after_its_own_limit() -> None:
    now = [100.0]
    health = Health(lambda: now[0])
    health.beat("quick", limit=10)
    health.beat("slow", limit=60)
    now[0] = 150.0
    assert health.stalled() == ["quick"]
    health.forget("quick")
    now[0] = 161.0
    assert health.stalled() == ["slow"]
    health.beat("slow", limit=60)
    assert health.stalled() == []


async def test_readiness_is_asked_on_the_loop() -> None:
    answers: list[tuple[int, dict[str, Any]]] = [(200, {"ok": True}), (503, {"ok": False, "database": "OSError"})]

    async def is_ready() -> tuple[int, dict[str, Any]]:
        return answers.pop(0)

    with monitor.serving("127.0.0.1", 0, is_ready) as port:
        assert await asyncio.to_thread(get, port, "/readyz") == (200, '{"ok":true}')
        status, body = await asyncio.to_thread(get, port, "/readyz")
        assert (status, json.loads(body)["database"]) == (503, "OSError")


async def test_a_loop_that_stands_still_is_not_ready() -> None:
    async def is_ready() -> tuple[int, dict[str, Any]]:
        return 200, {"ok": True}

    with monitor.serving("127.0.0.1", 0, is_ready) as port:
        # The call blocks the loop on which readiness would have to be answered.
        status, body = get(port, "/readyz")
    assert (status, json.loads(body)["stalled"]) == (503, ["event loop"])


def test_a_taken_port_is_named_with_its_remedy() -> None:
    with (
        monitor.serving("127.0.0.1", 0) as port,
        pytest.raises(Invalid) as error,
        monitor.serving("127.0.0.1", port),
    ):
        pass
    assert error.value.field == "BATTCRM_METRICS_PORT"


def test_without_a_port_nothing_listens() -> None:
    with monitor.serving("127.0.0.1", None) as port:
        assert port is None
