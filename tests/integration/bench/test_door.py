"""The bench of the door alone: what it reports is what the database has."""

from __future__ import annotations

from battcrm.devkit.bench.door import Load, run


async def test_every_acknowledged_webhook_is_counted_and_stored_once() -> None:
    shown: list[str] = []
    report = await run(Load(seconds=1.5, connections=4, tenants=3), lambda text, _share: shown.append(text))
    assert report["accepted"] > 0
    assert report["stored"] == report["accepted"]
    assert (report["lost"], report["duplicated"], report["refused"]) == (0, 0, 0)
    assert report["ack_ms"]["p50"] > 0
    assert report["cpu_ms_per_message_by_process"]["gateway"] > 0
    assert report["settings"]["fsync"] == "on"
    assert shown[-1] == "load"
