"""Whatever the product does by itself has a decision record; the bench counts those that have none."""

from __future__ import annotations

from battcrm.devkit.bench.accounting import decisions
from battcrm.devkit.scripts.format import read_scripts
from battcrm.devkit.scripts.run import world
from battcrm.infra.postgres import open_pool

TALK = """
scripts:
  - title: a price, thanks, a person
    steps:
      - say: "Сколько стоит экран на айфон 13?"
      - say: "спасибо"
      - say: "Позовите оператора"
      - say: "Ну что там?"
"""


async def test_every_action_has_its_record_and_a_missing_one_is_counted(clean_database: str) -> None:
    async with world(clean_database) as opened:
        assert (await opened.play(read_scripts(TALK)[0])).wrong == ()
    pool = await open_pool(clean_database, maximum=1, name="test")
    try:
        before = await decisions(pool)
        assert (before["actions"] >= 6, before["without_record"]) == (True, 0)  # turns, and what they said
        await pool.execute("DELETE FROM decision WHERE tenant_id IS NOT NULL AND reason = 'quote_with_evidence'")
        assert await decisions(pool) == {"actions": before["actions"], "without_record": 2}
    finally:
        await pool.close()
