"""Every channel at once on real processes: duplicates, platform errors, one platform away for a minute.

What a reply's time is depends on the machine, so the short form asks only what became of each message.
"""

from __future__ import annotations

from typing import Any

import pytest

from battcrm.devkit.bench.channels import Options, run
from battcrm.devkit.bench.channels_plan import KINDS, WARMUP, make_plan, outages_of
from battcrm.devkit.bench.channels_report import failed


def _silent(_text: str, _share: float) -> None:
    """Nobody watches."""


def _nothing_is_wrong(report: dict[str, Any]) -> None:
    assert not failed(report), report["examples"]
    assert (report["lost"], report["duplicated"], report["waiting"]) == (0, 0, 0), report["examples"]
    assert report["unknown_causes"].get("unexplained", 0) == 0
    # VK knows a repeated send by its random_id: nothing there stays unknown.
    assert report["channels"]["vk"]["unknown"] == 0
    assert report["sent"] == report["accepted"] == report["covered"]
    for kind in KINDS:
        channel = report["channels"][kind]
        assert channel["sent"] > 0
        assert channel["replied"] >= 0.9 * channel["sent"], kind
    assert report["duplicates_delivered"] > 0
    assert report["faults"]


async def test_two_minutes_of_all_channels() -> None:
    report = await run(Options(rate=6.0, seconds=120.0, tenants=2, graph=False, seed=3, drain=600.0), _silent)
    _nothing_is_wrong(report)
    assert report["outage"]["away"] == [{"kind": "avito", "from_s": 45.0, "to_s": 105.0}]


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_ten_minutes_of_all_channels() -> None:
    report = await run(Options(rate=12.0, seconds=600.0, seed=5), _silent)
    _nothing_is_wrong(report)
    assert [away["kind"] for away in report["outage"]["away"]] == ["telegram", "vk", "whatsapp", "avito", "max"]
    assert report["outage"]["within"], report["outage"]


def test_a_plan_is_the_same_for_a_seed_and_mixes_all_channels() -> None:
    first, again = (make_plan(10, 60, tenants=3, seed=9, model_share=0.3) for _ in range(2))
    assert first == again
    assert {saying.kind for saying in first.sayings} == set(KINDS)
    assert 500 < len(first.sayings) < 1000
    assert [saying.at for saying in first.sayings] == sorted(saying.at for saying in first.sayings)


@pytest.mark.parametrize(("seconds", "count"), [(60.0, 1), (120.0, 1), (600.0, 5)])
def test_outages_leave_as_much_time_with_everybody_there(seconds: float, count: int) -> None:
    found = outages_of(seconds, 60.0)
    assert len(found) == count
    away = sum(part.end - part.begin for part in found)
    assert away == seconds / 2
    assert all(0 < part.begin < part.end < WARMUP + seconds for part in found)
