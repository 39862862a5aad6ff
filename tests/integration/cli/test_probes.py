"""What the doctor asks PostgreSQL."""

from __future__ import annotations

import pytest

from battcrm.cli.probes import _postgres, _upkeep


async def test_the_server_is_asked_for_everything(clean_database: str) -> None:
    found = {check.name: check for check in await _postgres(clean_database, "here", "")}
    assert list(found) == ["postgres", "postgres_durability", "postgres_upkeep", "schema"]
    assert found["postgres"].ok
    assert found["schema"].ok
    assert (found["postgres_upkeep"].ok, found["postgres_upkeep"].detail) == (True, "autovacuum every 3 s")


@pytest.mark.parametrize(("nap", "right"), [(0, False), (1, True), (10, True), (60, False)])
def test_rare_vacuums_are_named_with_their_remedy(nap: int, *, right: bool) -> None:
    check = _upkeep(nap)
    assert check.ok is right
    assert "autovacuum" in check.detail
    assert "ALTER SYSTEM SET" in check.remedy
