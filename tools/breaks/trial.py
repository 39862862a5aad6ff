"""One run of some tests in a copy of the tree, in a process forked with everything but the product loaded already."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing.context import ForkServerContext
from typing import Final

PRELOADED: Final = [
    "pytest", "pytest_asyncio.plugin", "xdist.plugin", "pytest_timeout", "pytest_socket", "hypothesis.stateful", "asyncpg",
    "orjson", "pydantic", "pydantic_settings", "structlog", "aiohttp", "redis.asyncio", "sqlalchemy.ext.asyncio", "alembic",
    "cryptography.fernet", "prometheus_client", "opentelemetry.sdk.trace", "psutil", "yaml", "neo4j",
]  # fmt: skip


def nursery() -> ForkServerContext:
    """Where trials are forked from. Nothing of ours may be loaded there: each trial has a tree of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def run(tree: str, worker: str, tests: Sequence[str], output: str) -> None:
    """Run pytest in the tree with its output in a file; the process ends with pytest's exit code."""
    os.chdir(tree)
    sys.path[:0] = [os.path.join(tree, "src"), tree]
    sys.dont_write_bytecode = True
    os.environ |= {"PYTEST_XDIST_WORKER": worker, "PYTHONPATH": os.pathsep.join(sys.path[:2])}
    with open(output, "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    import pytest

    options = ["-p", "no:randomly", "-p", "no:cacheprovider", "-x", "-q", "-m", "not long", "--timeout", "60"]
    # The plugins are loaded already, which pytest would have liked to do itself.
    sys.exit(pytest.main([*options, "-W", "ignore::pytest.PytestAssertRewriteWarning", *tests]))
