"""Real-time limits of the product, out of the way of tests whose subject they are not.

A turn gives up a price after a second and a cached answer after milliseconds. On a machine that is busy elsewhere these pass
by themselves, and what comes out is another answer. A test of a limit sets its own.
"""

from __future__ import annotations

import pytest

from tests.support.waiting import PATIENCE

_MODEL_S = 30.0
"""Less than the deadline of a turn, and than the waits that emulated providers ask for."""


def relax(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise the limits for one test."""
    from battcrm.extraction.llm_call import ModelReader  # unit tests need none of these, and they take time to load
    from battcrm.graph.pricing_source import PostgresPricing
    from battcrm.response.writer import ModelWriter

    for kind, name, seconds in (
        (ModelReader, "deadline_s", _MODEL_S),
        (ModelWriter, "deadline_s", _MODEL_S),
        (PostgresPricing, "deadline", _MODEL_S),
    ):
        defaults = kind.__init__.__kwdefaults__
        assert defaults is not None
        assert name in defaults
        monkeypatch.setitem(defaults, name, seconds)
    monkeypatch.setattr("battcrm.infra.llm.cache._REDIS_S", PATIENCE)
    monkeypatch.setattr("battcrm.infra.llm.openai._CONNECT_S", PATIENCE)
