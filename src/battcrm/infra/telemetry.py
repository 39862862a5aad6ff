"""Logs and metrics: JSON lines without message texts, and a typed catalogue of every metric."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import sys
import threading
import time
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from structlog.typing import EventDict

from battcrm.infra.health import HEALTH

REGISTRY: Final = CollectorRegistry()
_LATENCY: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)


class _Maker:
    """Metrics of one registry under the product's prefix."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, help_: str, *labels: str) -> Counter:
        return Counter(f"battcrm_{name}", help_, labels, registry=self._registry)

    def gauge(self, name: str, help_: str, *labels: str) -> Gauge:
        return Gauge(f"battcrm_{name}", help_, labels, registry=self._registry)

    def seconds(self, name: str, help_: str, *labels: str) -> Histogram:
        return Histogram(f"battcrm_{name}_seconds", help_, labels, registry=self._registry, buckets=_LATENCY)


class Metrics:
    """Every metric of the core: name, labels, unit and meaning in one place (docs/reference/metrics.md is made from it)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        make = _Maker(registry)
        self._path_of_a_message(make)
        self._around_it(make)

    def _path_of_a_message(self, make: _Maker) -> None:
        counter, gauge, seconds = make.counter, make.gauge, make.seconds
        self.webhooks = counter("webhooks_total", "Webhook calls by channel kind and HTTP status.", "channel", "status")
        self.rejected = counter(
            "webhooks_rejected_total", "Webhook bodies not accepted, by reason.", "channel", "reason"
        )
        self.acknowledge = seconds("gateway_ack", "Time from a webhook's last byte to its acknowledgement.")
        self.processed = counter("inbox_processed_total", "Inbox rows processed, by outcome.", "outcome")
        self.batch = seconds("processor_batch", "Duration of one processor transaction.")
        self.turns = counter("turns_total", "Turns by how they ended.", "state")
        self.turn_time = seconds("turn", "Duration of a turn without waiting for a model.")
        self.actions = counter("decisions_total", "Decisions by action and reason.", "action", "reason")
        self.turns_running = gauge("turns_running", "Turns in flight in this process.")
        self.sends = counter("sends_total", "Outgoing messages by channel kind and final state.", "channel", "state")
        self.sending = gauge("sends_running", "Sends in flight in this process.")
        self.send_time = seconds("send", "Duration of one send to a messenger.", "channel")

    def _around_it(self, make: _Maker) -> None:
        counter, gauge, seconds = make.counter, make.gauge, make.seconds
        self.published = counter("events_published_total", "Events put on streams by the relay.")
        self.outbox_age = gauge("outbox_oldest_age_seconds", "Age of the oldest unpublished event, in seconds.")
        self.handled = counter(
            "events_handled_total", "Events handled, by consumer and outcome.", "consumer", "outcome"
        )
        self.queue_rows = gauge("queue_rows", "What waits in a queue that this process serves, up to 10,000.", "queue")
        self.queue_age = gauge(
            "queue_oldest_age_seconds", "How long the oldest that could be taken from the queue has waited.", "queue"
        )
        self.consumer_pending = gauge("consumer_pending", "Events given to workers and not finished.", "consumer")
        self.consumer_age = gauge(
            "consumer_oldest_age_seconds", "Age of the oldest event that the consumer has not finished.", "consumer"
        )
        self.consumer_broken = gauge("consumer_broken", "1: events were lost for the consumer; rebuild it.", "consumer")
        self.consumer_gaps = counter(
            "consumer_gaps_total", "Times a stream had lost entries unread, and the outbox was read.", "consumer"
        )
        self.queue_tasks = counter(
            "queue_tasks_total", "Tasks of a list shared with another system, by how they ended.", "lane", "outcome"
        )
        self.dead = counter("dead_letters_total", "Items given up, by source.", "source")
        self.model_calls = counter("model_calls_total", "Model calls by outcome.", "model", "outcome")
        self.model_time = seconds("model", "Duration of model calls.", "model")
        self.graph = counter("graph_queries_total", "Graph round trips by outcome.", "outcome")
        self.graph_time = seconds("graph", "Duration of graph round trips.")
        self.database = gauge("database_up", "1: this process's last look at PostgreSQL was answered.")
        self.stalled = gauge("stalled_loops", "Loops of this process without progress for longer than they may be.")
        self.loop_lag = gauge("event_loop_lag_seconds", "How late the event loop woke up last time.")


METRICS: Final = Metrics(REGISTRY)
# process_cpu_seconds_total, process_resident_memory_bytes and their like, under the names everybody knows.
ProcessCollector(registry=REGISTRY)


def exposition() -> bytes:
    """The scrape of this process in the Prometheus text format."""
    METRICS.stalled.set(len(HEALTH.stalled()))
    return generate_latest(REGISTRY)


def configure_logging(level: str = "INFO", style: str = "json", role: str = "") -> None:
    """Structured logs on standard error; standard output belongs to commands' results."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    renderer: Any = structlog.processors.JSONRenderer() if style == "json" else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_texts,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.clear_contextvars()
    if role:
        structlog.contextvars.bind_contextvars(role=role, pid=os.getpid())
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stderr, format="%(name)s: %(message)s")


def _without_texts(_logger: Any, _method: str, event: EventDict) -> EventDict:
    for key in ("text", "body", "payload", "secrets", "token"):
        if key in event:
            event[key] = "(withheld)"
    return event


class Watchdog:
    """Watches the event loop from a thread: a loop that stands still is dumped and the process ends.

    Liveness is progress: a supervisor restarts the process, and leases hand its work to others. A process that was stopped
    as a whole (a frozen container, a host without a core to spare) has not stalled: its time begins anew.
    """

    def __init__(self, *, limit: float = 30.0) -> None:
        self._limit = limit
        self._beat = time.monotonic()
        self._stop = threading.Event()

    async def run(self) -> None:
        """Beat until cancelled."""
        thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        thread.start()
        try:
            while True:
                due = time.monotonic() + 0.5
                await asyncio.sleep(0.5)
                self._beat = time.monotonic()
                HEALTH.beat("event loop", limit=10.0)
                METRICS.loop_lag.set(max(0.0, self._beat - due))
        finally:
            self._stop.set()

    def _watch(self) -> None:
        looked = time.monotonic()
        while not self._stop.wait(1.0):
            before, looked = looked, time.monotonic()
            if looked - before > 1.0 + self._limit / 3:
                self._beat = looked
            if looked - self._beat > self._limit:
                faulthandler.dump_traceback(file=sys.stderr)
                os._exit(70)
