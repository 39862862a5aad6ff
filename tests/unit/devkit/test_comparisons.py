"""What the comparing benches conclude from their phases."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import typer

from battcrm.cli.bench_grown import parse_size
from battcrm.devkit.bench import flood, grown
from battcrm.devkit.bench.preload import Size
from battcrm.devkit.bench.world import Shape
from battcrm.devkit.faults.proxy_load import Load
from battcrm.devkit.faults.proxy_load import calls_of as fault_calls


def phase(kind: str, p95: float, **changes: Any) -> dict[str, Any]:
    own = {"p50": p95 / 3, "p95": p95, "p99": p95 * 2, "max": p95 * 3}
    counts = {"accepted": 100, "lost": 0, "duplicated": 0, "unknown": 0}
    return {"kind": kind, **counts, "others_own_ms": own, "own_ms": own} | changes


@pytest.mark.parametrize(
    ("quiet", "loud", "ok"),
    [((50, 50), 59, True), ((50, 50), 61, False), ((40, 70), 80, True), ((40, 70), 90, False), ((50, 50), 20, True)],
)
def test_others_may_move_by_a_fifth_or_the_spread(quiet: tuple[float, float], loud: float, ok: bool) -> None:
    report = flood.judged(flood.Options(), [phase("A", quiet[0]), phase("B", loud), phase("A", quiet[1])])
    assert report["ok"] is ok
    assert report["others_p95_flood_ms"] == loud


def test_a_flood_that_loses_is_not_right() -> None:
    phases = [phase("A", 50), phase("B", 50, lost=1), phase("A", 50)]
    assert not flood.judged(flood.Options(), phases)["ok"]


def test_the_flood_comes_from_one_tenant_in_chats_of_its_own() -> None:
    options = flood.Options(rate=50.0, times=20.0, shape=Shape(tenants=50))
    quiet, loud = (flood.calls_of(options, number, 40.0, kind) for number, kind in ((1, "A"), (2, "B")))
    share = len({c.key for c in quiet}) / 50
    of_first = len({c.key for c in loud if c.tenant == 0})
    assert 14 < of_first / share < 26
    assert not {(c.tenant, c.chat) for c in quiet} & {(c.tenant, c.chat) for c in loud}
    assert [c.at for c in loud] == sorted(c.at for c in loud)
    for call in loud[:50]:
        assert orjson.loads(call.body)["message"]["chat"]["id"] == call.chat


def test_faults_get_calls_that_no_other_case_has() -> None:
    one, other = fault_calls(Load(), 1, 20), fault_calls(Load(copies=3, shuffle=1.0), 2, 20)
    assert not {c.chat for c in one} & {c.chat for c in other}
    assert len(other) >= 3 * len({c.key for c in other})
    assert sum(c.tenant == 0 for c in fault_calls(Load(flood=20.0), 3, 20)) > len(one) / 3


def test_growth_is_a_ratio_of_means() -> None:
    phases = [phase("A", 40), phase("B", 48), phase("A", 44), phase("B", 52), phase("A", 36)]
    report = grown.report(grown.Options(), phases, 100.0, 5_000_000_000)
    assert report["ratio"] == 1.25
    assert report["spread_share"] == 0.2
    assert (report["database_gb"], report["lost"]) == (5.0, 0)


def test_a_size_is_full_or_three_numbers() -> None:
    assert parse_size("full") == Size(1000, 1_000_000, 10_000_000)
    assert parse_size("10:100:1000").each == (10, 10)
    with pytest.raises(typer.BadParameter):
        parse_size("many")
