"""Real-time limits of the product, out of the way of tests whose subject they are not.

A turn gives up a price after a second and a cached answer after milliseconds, a pool a statement after half a minute. On a
machine that is busy elsewhere these pass by themselves, and what comes out is another answer. A test of a limit sets its
own. `python -m tests.support.patience` runs `battcrm` so.
"""

from __future__ import annotations

import pytest

from tests.support.waiting import PATIENCE

_TURN_S = 30.0
"""Less than the lease and the deadline of a turn, and than the waits that emulated providers ask for."""


def relax(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise the limits for one test."""
    from battcrm.extraction.llm_call import ModelReader  # unit tests need none of these, and they take time to load
    from battcrm.graph.context import GraphContextReader
    from battcrm.graph.pricing_source import PostgresPricing
    from battcrm.infra.http import AioHttp
    from battcrm.infra.neo4j import Graph
    from battcrm.infra.postgres import open_pool
    from battcrm.infra.redis import open_redis
    from battcrm.response.writer import ModelWriter

    for function, name, seconds in (
        (ModelReader.__init__, "deadline_s", _TURN_S),
        (ModelWriter.__init__, "deadline_s", _TURN_S),
        (GraphContextReader.__init__, "deadline", _TURN_S),
        (PostgresPricing.__init__, "deadline", _TURN_S),
        (AioHttp.__init__, "connect_timeout", PATIENCE),
        (Graph.open, "connect_timeout", PATIENCE),
        (Graph.read, "deadline", PATIENCE),
        (Graph.write, "deadline", PATIENCE),
        (Graph.transact, "deadline", PATIENCE),
        (open_pool, "patience", PATIENCE),
        (open_redis, "connect_timeout", PATIENCE),
    ):
        defaults = function.__kwdefaults__
        assert defaults is not None
        assert name in defaults
        monkeypatch.setitem(defaults, name, seconds)
    monkeypatch.setattr("battcrm.infra.llm.shelf._REDIS_S", PATIENCE)
    monkeypatch.setattr("battcrm.infra.llm.openai._CONNECT_S", PATIENCE)


if __name__ == "__main__":
    from battcrm.cli.main import main

    relax(pytest.MonkeyPatch())
    main()
