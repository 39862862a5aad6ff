from __future__ import annotations

import io
import json
from datetime import timedelta
from functools import partial

from rich.console import Console

from battcrm.cli.top import document
from battcrm.cli.top_screen import draw
from battcrm.infra import monitor
from battcrm.infra.http import AioHttp
from battcrm.infra.postgres import open_pool
from battcrm.infra.telemetry import METRICS
from battcrm.kit.clock import SystemClock
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.services.top import Screen, Top
from tests.support.waiting import eventually

_TENANT = (
    "INSERT INTO tenant (tenant_id, bucket, slug, name, config_version, created_at) VALUES ($1, $2, $3, $3, 1, $4)"
)
_MESSAGE = """
INSERT INTO message (tenant_id, message_id, dialog_id, identity_id, seq, direction, author, kind, text, received_at)
SELECT $1, m, $3, $3, n, 'in', 'client', 'message', '', $4 FROM unnest($2::uuid[]) WITH ORDINALITY AS t(m, n)
"""
_WORK = "INSERT INTO client_work (tenant_id, client_id, bucket, due_at) VALUES ($1, $2, $3, $4)"
_SPENT = "INSERT INTO llm_budget (tenant_id, day, spent_microrub) VALUES ($1, $2, 2500000)"
_DEAD = """
INSERT INTO dead_letter (tenant_id, dead_id, source, reason, payload, created_at) VALUES ($1, $2, 'inbox', '', '', $3)
"""

_ALONE = """
SELECT NOT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'top-test'
) /* all tenants: the server's own view */
"""


async def test_a_screen_of_a_busy_minute(clean_database: str) -> None:
    clock = SystemClock()
    ids = IdFactory(clock)
    pool = await open_pool(clean_database, maximum=2, name="top-test")
    # What a backend of an earlier test counted is published at its end, at the latest.
    await eventually(partial(pool.fetchval, _ALONE), what="earlier tests' backends are gone")
    tenant, idle = ids.new(), ids.new()
    with monitor.serving("127.0.0.1", 0) as port:
        addresses = [f"http://127.0.0.1:{port}/metrics", "http://127.0.0.1:9/metrics"]
        async with AioHttp(allow_private=True) as http:
            top = Top(pool, clock, http, addresses)
            before = await top.look()
            now = clock.now()
            for key, slug in ((tenant, "busy"), (idle, "idle")):
                await pool.execute(_TENANT, key, bucket_of(key), slug, now)
            await pool.execute(_MESSAGE, tenant, [ids.new() for _ in range(30)], ids.new(), now)
            await pool.execute(_WORK, tenant, ids.new(), bucket_of(tenant), now - timedelta(seconds=90))
            await pool.execute(_SPENT, tenant, now.date())
            await pool.execute(_DEAD, tenant, ids.new(), now)
            METRICS.published.inc(7)

            async def counted() -> bool:
                seen = await top.look()
                return seen.inserted["message"] >= before.inserted.get("message", 0) + 30

            # The server publishes its counters when a backend comes to rest.
            await eventually(counted)
            screen = await top.screen(before, await top.look())
    await pool.close()
    check(screen, addresses)


def check(screen: Screen, addresses: list[str]) -> None:
    assert screen.flows["stored"] > 0
    assert screen.flows["turns"] == 0
    (tenant,) = screen.tenants
    assert (tenant.slug, tenant.received, tenant.sent, tenant.waiting) == ("busy", 30, 0, 1)
    assert tenant.spent_microrub == screen.spent_today_microrub == 2_500_000
    ages = {queue.queue: queue.oldest_s for queue in screen.queues}
    assert ages["client_work"] >= 90
    assert ages["outgoing"] == 0
    assert (dict(screen.dead), screen.unknown) == ({"inbox": 1}, 0)
    (process,) = screen.processes
    assert process.address == addresses[0]
    assert process.rates["published"] > 0
    assert process.rss_mb > 10
    assert list(screen.silent) == addresses[1:]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(draw(screen))
    shown = console.export_text()
    assert "busy" in shown
    assert "no answer from http://127.0.0.1:9/metrics" in shown
    assert json.loads(json.dumps(document(screen), default=str))["unknown"] == 0
