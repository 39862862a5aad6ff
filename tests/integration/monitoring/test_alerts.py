"""Every alert asks for what a running process really exports, and has a page that says what to do."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from battcrm.infra.backlog import QUERIES, SERVED, queues_of
from battcrm.infra.embedded.process import free_port
from battcrm.infra.telemetry import Metrics
from battcrm.models.outgoing import OutState
from battcrm.services.top_scrape import Scrape, read
from battcrm.workers.supervise import ALL
from tests.support.waiting import PATIENCE, eventually

ROOT = Path(__file__).parents[3]
RULES: list[dict[str, Any]] = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
_SELECTOR = re.compile(r"\b((?:battcrm|process)_[a-z_]+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
_LANGUAGE = {"max", "min", "sum", "rate", "increase", "histogram_quantile", "by", "le", "instance"}
# The values that labels in rules may have, where they are ours to define.
_VALUES = {
    "queue": set(QUERIES),
    "state": {state.value for state in OutState},
    "status": {"200", "503"},
    "reason": {"internal_error"},
    "outcome": {"ok", "cached"},
}


def name(rule: dict[str, Any]) -> str:
    return str(rule["alert"])


@pytest.fixture
async def scrape(clean_database: str, pg_worker_url: str, redis_url: str) -> AsyncIterator[tuple[Scrape, str, int]]:
    """What a process with every role exports, its text and its port."""
    port = free_port()
    environment = os.environ | {
        "DATABASE_URL": pg_worker_url,
        "BATTCRM_OWNER_URL": clean_database,
        "REDIS_URL": redis_url,
        "NEO4J_URL": "bolt://127.0.0.1:9",
        "NEO4J_PASSWORD": "none",
        "BATTCRM_SECRET_KEYS": base64.b64encode(bytes(32)).decode(),
        "BATTCRM_GATEWAY_PORT": "0",
        "BATTCRM_METRICS_PORT": str(port),
        "BATTCRM_LOG_LEVEL": "error",
    }
    program = str(Path(sys.executable).parent / "battcrm")
    process = await asyncio.create_subprocess_exec(program, "run", "all", env=environment)

    async def exported() -> str:
        try:
            text = await asyncio.to_thread(_get, port, "/metrics")
        except OSError:
            return ""
        complete = all(f'battcrm_queue_rows{{queue="{queue}"}}' in text for queue in queues_of(ALL))
        return text if complete and 'battcrm_consumer_pending{consumer="graph"}' in text else ""

    try:
        text: str = await eventually(exported, what="all gauges exported")
        yield read(text.encode()), text, port
    finally:
        process.terminate()
        await process.wait()


def _get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
        body: bytes = answer.read()
        return body.decode()


async def _says_yes(port: int, path: str) -> bool:
    """A process exports before it is ready: the AI worker warms up, and tries to reach the graph."""
    try:
        return await asyncio.to_thread(_get, port, path) == '{"ok":true}'
    except urllib.error.HTTPError as refusal:
        with refusal:
            return False


async def test_every_rule_asks_for_what_is_exported(scrape: tuple[Scrape, str, int]) -> None:
    samples, text, port = scrape
    typed = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    labels = catalogue()
    for rule in RULES:
        found = _SELECTOR.findall(rule["expr"])
        assert found, name(rule)
        for metric, matchers in found:
            base = metric.removesuffix("_bucket")
            assert base in typed, f"{name(rule)}: {metric} is not exported"
            assert (typed[base] == "histogram") == (metric != base), f"{name(rule)}: {metric} is a {typed[base]}"
            for label, kind, value in _MATCHER.findall(matchers):
                assert label in labels[base], f"{name(rule)}: {metric} has no label {label}"
                assert matches(kind, value, _VALUES[label]), f"{name(rule)}: no {label} is {kind} {value}"
            if typed[base] == "gauge":
                assert any(key[0] == metric for key in samples), f"{name(rule)}: {metric} has no sample"
    assert {dict(k[1])["queue"] for k in samples if k[0] == "battcrm_queue_rows"} == set(queues_of(ALL))
    for path in ("/healthz", "/readyz"):
        await eventually(partial(_says_yes, port, path), what=f"{path} says yes")


def catalogue() -> dict[str, set[str]]:
    """Labels of every metric by the name it is exported under."""
    found: dict[str, set[str]] = {"process_resident_memory_bytes": set()}
    for metric in vars(Metrics(CollectorRegistry())).values():
        suffix = "_total" if type(metric).__name__ == "Counter" else ""
        found[metric._name + suffix] = set(metric._labelnames)
    return found


def matches(kind: str, value: str, known: set[str]) -> bool:
    """Could a series be chosen, and does every alternative of a pattern exist?"""
    parts = value.split("|")
    if kind in ("=", "!="):
        return value in known
    return all(any(re.fullmatch(part, one) for one in known) for part in parts)


@pytest.mark.parametrize("rule", RULES, ids=name)
def test_a_rule_is_whole(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert re.fullmatch(r"\d+[sm]", rule["for"])
    expression = re.sub(r'"[^"]*"', "", rule["expr"])
    assert expression.count("(") == expression.count(")")
    assert re.search(r" (>|<|==) [\d.e]+$", expression)
    words = set(re.findall(r"[a-z_]+(?=\s*[({])|\b(?:by)\b", _SELECTOR.sub("", expression)))
    assert words <= _LANGUAGE, words
    page = (ROOT / rule["annotations"]["runbook"]).read_text("utf-8")
    assert page.startswith(f"# {rule['annotations']['summary']}\n")
    assert f"`{rule['alert']}` ({rule['labels']['severity']})" in page
    assert "\n## Look\n" in page
    assert "\n## Do\n" in page


def test_every_page_belongs_to_a_rule() -> None:
    pages = {path.name for path in (ROOT / "docs/runbooks").glob("*.md")} - {"README.md"}
    assert pages == {Path(rule["annotations"]["runbook"]).name for rule in RULES}
    index = (ROOT / "docs/runbooks/README.md").read_text("utf-8")
    assert all(f"[{rule['alert']}]" in index for rule in RULES)


def test_every_queue_has_somebody_who_serves_it_and_an_alert() -> None:
    served = {queue for queues in SERVED.values() for queue in queues}
    assert served == set(QUERIES)
    watched = " ".join(rule["expr"] for rule in RULES if "queue_oldest_age" in rule["expr"])
    assert all(queue in watched for queue in QUERIES)
