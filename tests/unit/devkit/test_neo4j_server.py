from __future__ import annotations

from pathlib import Path

import pytest

from battcrm.devkit import neo4j_server
from battcrm.kit.errors import Invalid

MEMORY = neo4j_server.Memory()


def test_the_server_listens_on_loopback_alone_and_reports_nothing() -> None:
    lines = dict(line.split("=", 1) for line in neo4j_server.configuration(7799, MEMORY).splitlines())
    assert lines["server.bolt.listen_address"] == "127.0.0.1:7799"
    assert lines["dbms.usage_report.enabled"] == "false"
    assert {lines["server.http.enabled"], lines["server.https.enabled"]} == {"false"}


def test_a_missing_program_is_named_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    calls = (
        (neo4j_server.fetch_command, (tmp_path,), "mvn"),
        (neo4j_server.server_command, (tmp_path, MEMORY), "java"),
    )
    for command, arguments, name in calls:
        with pytest.raises(Invalid) as caught:
            command(*arguments)
        assert (caught.value.field, bool(caught.value.remedy)) == (name, True)


async def test_what_was_fetched_is_not_fetched_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "complete").touch()
    await neo4j_server.prepare(tmp_path, 7799, MEMORY)
    assert (tmp_path / "conf" / "neo4j.conf").read_text() == neo4j_server.configuration(7799, MEMORY)
