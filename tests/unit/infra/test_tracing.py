from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from battcrm.infra.tracing import ROOT, Tracing, exporter, span_of, trace_of
from battcrm.kit.errors import Invalid

CHANNEL = UUID(int=7)
BEGIN = datetime(2026, 6, 1, 9, 0, 0, 250_000, tzinfo=UTC)
END = BEGIN + timedelta(milliseconds=12)


def traced(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_off_costs_no_import() -> None:
    code = (
        "import sys, battcrm.transport.door, battcrm.pipeline.processor, battcrm.pipeline.ai_worker,"
        " battcrm.transport.sender, battcrm.events.relay, battcrm.workers.supervise;"
        # redis loads the SDK's API by itself; the exporters are ours, and their modules come with the first target.
        "sys.exit('battcrm.infra.tracing_export' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert not Tracing().on


def test_two_processes_name_the_same_spans(tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    trace = trace_of(CHANNEL, "chat", "1")
    gateway, worker = Tracing(), Tracing()
    for tracing, role in ((gateway, "gateway"), (worker, "ai-worker")):
        tracing.start(f"file:{path}", role=role)
    worker.span([trace], "turn:1", BEGIN, END, parent="process", action="auto")
    gateway.span([trace_of(CHANNEL, "chat", "1")], ROOT, BEGIN, END)
    worker.stop()
    gateway.stop()
    turn, root = traced(path)
    assert (turn["trace"], turn["name"], turn["role"]) == (trace, "turn", "ai-worker")
    assert turn["parent"] == f"{span_of(trace, 'process'):016x}"
    assert (root["trace"], root["span"], root["parent"]) == (trace, f"{span_of(trace, ROOT):016x}", None)
    assert turn["end"] - turn["begin"] == 12_000_000
    assert turn["begin"] == 1_780_304_400_250_000_000
    assert turn["attributes"] == {"action": "auto"}


def test_messages_of_other_chats_have_other_traces() -> None:
    assert len({trace_of(CHANNEL, chat, id_) for chat in ("a", "b") for id_ in ("1", "2")}) == 4
    assert trace_of(CHANNEL, "a1", "1") != trace_of(CHANNEL, "a", "11")


def test_every_process_keeps_the_same_share() -> None:
    traces = [trace_of(CHANNEL, "chat", str(number)) for number in range(2000)]
    one, other = Tracing(), Tracing()
    one._share = other._share = 0.25
    kept = [trace for trace in traces if one.kept(trace)]
    assert kept == [trace for trace in traces if other.kept(trace)]
    assert 400 < len(kept) < 600


def test_bindings_are_bounded() -> None:
    tracing = Tracing()
    for number in range(20_005):
        tracing.bind(UUID(int=number), ["a"])
    assert tracing.bound(UUID(int=4)) == ()
    assert tracing.bound(UUID(int=5)) == ("a",)
    tracing.bind(UUID(int=5), [])
    assert tracing.bound(UUID(int=5)) == ("a",)


@pytest.mark.parametrize("target", ["", "file:", "jaeger", "ftp://here"])
def test_an_unknown_target_names_its_variable(target: str) -> None:
    with pytest.raises(Invalid) as error:
        exporter(target)
    assert error.value.field == "BATTCRM_TRACES"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    got: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, json.loads(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", got
        server.shutdown()
        thread.join()


def test_a_collector_gets_otlp(collector: tuple[str, list[tuple[str, Any]]]) -> None:
    address, got = collector
    tracing = Tracing()
    tracing.start(address, role="out-worker")
    trace = trace_of(CHANNEL, "chat", "1")
    tracing.span([trace], "send:9", BEGIN, END, parent="turn:1", failed=True, channel="vk", tries=2, share=0.5)
    tracing.stop()
    ((path, body),) = got
    assert path == "/v1/traces"
    (resource,) = body["resourceSpans"]
    assert {"key": "service.name", "value": {"stringValue": "battcrm"}} in resource["resource"]["attributes"]
    (span,) = resource["scopeSpans"][0]["spans"]
    assert span["traceId"] == trace
    assert (span["name"], span["status"]) == ("send", {"code": 2})
    assert span["startTimeUnixNano"] == "1780304400250000000"
    assert span["parentSpanId"] == f"{span_of(trace, 'turn:1'):016x}"
    values = {item["key"]: item["value"] for item in span["attributes"]}
    assert values == {"channel": {"stringValue": "vk"}, "tries": {"intValue": "2"}, "share": {"doubleValue": 0.5}}


def test_a_collector_that_is_away_stops_nobody() -> None:
    tracing = Tracing()
    tracing.start("http://127.0.0.1:9", role="relay")
    tracing.span([trace_of(CHANNEL, "chat", "1")], ROOT, BEGIN, END)
    tracing.stop()
    assert not tracing.on
