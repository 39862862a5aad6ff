"""The comparison of a full database with an empty one, from the first server to the report."""

from __future__ import annotations

import pytest

from battcrm.devkit.bench.grown import Options, run
from battcrm.devkit.bench.preload import Size


@pytest.mark.timeout(300)
async def test_a_small_comparison_is_played_to_its_end() -> None:
    told: list[str] = []
    options = Options(size=Size(3, 30, 300), rate=10.0, seconds=3.0, warmup=1.0, phases="AB")
    report = await run(options, lambda what, _share: told.append(what))
    assert [phase["kind"] for phase in report["phases"]] == ["A", "B"]
    assert all(phase["accepted"] > 5 for phase in report["phases"])
    assert [(phase["lost"], phase["duplicated"]) for phase in report["phases"]] == [(0, 0), (0, 0)]
    assert (report["tenants"], report["clients"], report["messages"]) == (3, 30, 300)
    assert {"filling", "phase A", "phase B"} <= set(told)
