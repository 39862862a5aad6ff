"""`battcrm run`: one role, some, or all of them in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from battcrm.kit.errors import Invalid
from battcrm.settings import load_settings
from battcrm.workers.supervise import ALL, parse_roles, run_roles


def _option(help_: str, *, env: str | None = None, **limits: Any) -> Any:
    """An option of the bridge, under a heading of its own."""
    return typer.Option(help=help_, envvar=env, rich_help_panel="With --queue", **limits)


Names = Annotated[str, typer.Argument(help=f"all, or roles separated by commas: {', '.join(ALL)}")]
Queue = Annotated[
    str, typer.Option(help="ai-worker alone: take tasks from this Redis list, which n8n fills, instead of turns.")
]
Concurrency = Annotated[int, _option("Tasks in flight in this process.", min=1, max=5000)]
Pushed = Annotated[str, _option("The side n8n pushes to, left or right; left is its default.")]
Tenant = Annotated[str, _option("Slug or id: whose are tasks that name nobody.")]
Mapping = Annotated[
    Path | None,
    _option(
        "YAML with the mapping of tasks, tenants and results (docs/guides/n8n-bridge.md).", env="BATTCRM_QUEUE_SETTINGS"
    ),
]
RedisUrl = Annotated[str, _option("Redis of the list, if not REDIS_URL.", env="BATTCRM_QUEUE_REDIS_URL")]
ResultsUrl = Annotated[
    str, _option("PostgreSQL of the result table, if not DATABASE_URL.", env="BATTCRM_QUEUE_RESULTS_URL")
]
Shadow = Annotated[bool, _option("Leave the tasks to n8n; read beside it into ai_extraction_shadow.")]
Copies = Annotated[str, _option("With --shadow: a list into which n8n pushes a copy of each task.")]
Drain = Annotated[bool, _option("Take nothing new; finish what is stored, and end.")]


def run(
    role: Names,
    queue: Queue = "",
    concurrency: Concurrency = 400,
    pushed: Pushed = "",
    tenant: Tenant = "",
    queue_settings: Mapping = None,
    queue_redis_url: RedisUrl = "",
    results_url: ResultsUrl = "",
    *,
    shadow: Shadow = False,
    copies: Copies = "",
    drain: Drain = False,
) -> None:
    """Run roles until SIGTERM (they finish what they hold) or a second signal (at once)."""
    names = parse_roles(role)
    settings = load_settings()
    if not queue:
        _run(run_roles(names, settings))
        return
    if names != ("ai-worker",):
        raise Invalid("--queue is for the ai-worker alone", field="--queue", remedy="battcrm run ai-worker --queue …")
    from battcrm.cli.run_queue import QueueOptions, run_queue
    from battcrm.migration.queue.settings import load_settings as load_queue

    if copies and not shadow:
        raise Invalid("--copies is for --shadow", field="--copies", remedy="give --shadow too")
    mapping = load_queue(queue_settings, queue=queue, pushed=pushed or None, tenant=tenant or None)
    servers = {"redis_url": queue_redis_url or None, "results_url": results_url or None}
    options = QueueOptions(mapping, concurrency, shadow=shadow, copies=copies or None, drain=drain, **servers)
    _run(run_queue(options, settings))


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)
