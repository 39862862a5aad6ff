"""Results go into whatever table the other side reads, with its own names, and never into SQL text."""

from __future__ import annotations

import pytest

from battcrm.kit.errors import Invalid
from tests.integration.queue.conftest import PLAIN, QUEUE, Place, bridged, options, pump

# Names that would end a statement if they were pasted into one.
_EVIL = 'Мои "сообщения"; DROP TABLE tenant --'


async def own_table(place: Place, sql: str) -> None:
    await place.runtime.pool.execute("DROP SCHEMA IF EXISTS n8n CASCADE")
    await place.runtime.pool.execute("CREATE SCHEMA n8n")
    await place.runtime.pool.execute(sql)


async def test_any_names_and_types(place: Place) -> None:
    quoted = await place.runtime.pool.fetchval("SELECT format('%I', $1::text)", _EVIL)
    await own_table(
        place,
        f'CREATE TABLE n8n.{quoted} ("Id" bigint PRIMARY KEY, "chat id" text, {quoted} text, kinds text[], '
        "sure jsonb, status text DEFAULT 'new', done timestamptz, kept text DEFAULT 'mine')",
    )
    columns = {
        "Id": "task_id",
        "chat id": "task.chat_id",
        _EVIL: "model",
        "kinds": "repair_types",
        "sure": "confidence",
        "status": "=done",
        "done": "finished_at",
    }
    result = {"schema": "n8n", "table": _EVIL, "key": ["Id"], "columns": columns}
    task = {"id": "9007199254740993", "chat_id": 55, "text": PLAIN}
    await place.push(task, task)
    async with bridged(place, options(result=result)) as built:
        await pump(built)
        await place.push({**task, "text": "экран на айфон 12"})
        await pump(built)
    (row,) = await place.runtime.pool.fetch(f"SELECT * FROM n8n.{quoted}")
    assert (row["Id"], row["chat id"], row[_EVIL], row["kinds"]) == (9007199254740993, "55", "iPhone 12", ["screen"])
    assert (row["status"], row["kept"]) == ("done", "mine")
    assert row["sure"]["model"] >= 0.75
    assert await place.runtime.pool.fetchval("SELECT count(*) FROM tenant") == 2


async def test_update_changes_rows_that_are_there_and_no_others(place: Place) -> None:
    await own_table(place, "CREATE TABLE n8n.msgs (id int, body text NOT NULL, model text)")
    await place.runtime.pool.execute("INSERT INTO n8n.msgs VALUES (1, 'a', NULL), (2, 'b', NULL)")
    result = {
        "schema": "n8n",
        "table": "msgs",
        "write": "update",
        "key": ["id"],
        "columns": {"id": "task_id", "model": "model"},
    }
    await place.push(*({"id": n, "text": PLAIN} for n in (1, 2, 3)))
    async with bridged(place, options(result=result)) as built:
        await pump(built)
    rows = await place.runtime.pool.fetch("SELECT id, body, model FROM n8n.msgs ORDER BY id")
    assert [tuple(row) for row in rows] == [(1, "a", "iPhone 13 Pro"), (2, "b", "iPhone 13 Pro")]
    assert await place.dead() == [(f"queue:{QUEUE}", "the result table has no row for this task")]
    assert await place.waiting() == 0


async def test_row_the_table_refuses_is_a_dead_letter_and_its_neighbours_are_written(place: Place) -> None:
    await own_table(place, "CREATE TABLE n8n.strict (id text PRIMARY KEY CHECK (id <> '2'), n int)")
    result = {"schema": "n8n", "table": "strict", "key": ["id"], "columns": {"id": "task_id", "n": "task.n"}}
    await place.push(*({"id": n, "text": PLAIN, "n": n} for n in (1, 2, 3)), {"id": 4, "text": PLAIN, "n": "many"})
    async with bridged(place, options(result=result)) as built:
        await pump(built)
    assert [row[0] for row in await place.runtime.pool.fetch("SELECT id FROM n8n.strict ORDER BY id")] == ["1", "3"]
    reasons = sorted(reason for _, reason in await place.dead())
    assert reasons == [
        "the result table refused it: CheckViolationError strict_id_check",
        "the result table refused it: InvalidTextRepresentationError",
    ]


@pytest.mark.parametrize(
    ("sql", "changed", "what"),
    [
        ("SELECT 1", {"table": "none"}, "no table n8n.none"),
        ("CREATE TABLE n8n.t (id text PRIMARY KEY)", {"columns": {"id": "task_id", "x": "model"}}, "no column x"),
        ("CREATE TABLE n8n.t (id text, m text)", {}, "no unique index"),
        ("CREATE TABLE n8n.t (id text, m text, UNIQUE (id, m))", {}, "no unique index"),
        ("CREATE TABLE n8n.t (id text, m text); CREATE UNIQUE INDEX ON n8n.t (id) WHERE m = 'a'", {}, "no unique"),
    ],
)
async def test_table_that_does_not_fit_is_told_at_start(
    place: Place, sql: str, changed: dict[str, object], what: str
) -> None:
    await own_table(place, sql)
    result = {"schema": "n8n", "table": "t", "key": ["id"], "columns": {"id": "task_id", "m": "model"}} | changed
    with pytest.raises(Invalid, match=what) as caught:
        async with bridged(place, options(result=result)):
            pass
    assert caught.value.remedy


async def test_table_of_another_database(place: Place, pg_url: str) -> None:
    await place.push({"id": 1, "text": PLAIN})
    async with bridged(place, options(results_url=pg_url)) as built:
        await pump(built)
    assert [row["task_id"] for row in await place.rows()] == ["1"]
    assert await place.waiting() == 0
