"""The table the other side reads: its statement is put together by PostgreSQL itself, once, and checked at start.

Names of schema, table and columns come from configuration. They reach the server as parameters of `format('%I')`,
which quotes them; what comes back is prepared and used as it is. Values travel as one JSON array, which
`jsonb_populate_recordset` turns into the column types of the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg

from battcrm.infra.postgres import Connection, Pool
from battcrm.kit.errors import Invalid, Permanent
from battcrm.migration.queue.settings import ResultTable, Write

_COLUMNS: Final = """
SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'f') AND a.attnum > 0 AND NOT a.attisdropped
"""
_UNIQUE: Final = """
SELECT EXISTS (
  SELECT FROM pg_index i WHERE i.indrelid = format('%I.%I', $1::text, $2::text)::regclass AND i.indisunique
    AND i.indpred IS NULL AND i.indexprs IS NULL AND $3::text[] = (
      SELECT array_agg(a.attname::text ORDER BY a.attname) FROM pg_attribute a
      WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)))
"""
_UPSERT: Final = """
SELECT format(
  'INSERT INTO %1$I.%2$I AS t (%3$s) SELECT %4$s FROM jsonb_populate_recordset(NULL::%1$I.%2$I, $1::jsonb) r '
  'ON CONFLICT (%5$s) DO %6$s RETURNING 1',
  $1::text, $2::text,
  (SELECT string_agg(format('%I', c), ', ') FROM unnest($3::text[]) c),
  (SELECT string_agg(format('r.%I', c), ', ') FROM unnest($3::text[]) c),
  (SELECT string_agg(format('%I', k), ', ') FROM unnest($4::text[]) k),
  coalesce(
    (SELECT 'UPDATE SET ' || string_agg(format('%1$I = EXCLUDED.%1$I', c), ', ') FROM unnest($3::text[]) c
     WHERE c <> ALL($4::text[])),
    'NOTHING')) /* all tenants: names of columns alone */
"""
_UPDATE: Final = """
SELECT format(
  'UPDATE %1$I.%2$I AS t SET %3$s FROM jsonb_populate_recordset(NULL::%1$I.%2$I, $1::jsonb) r WHERE %4$s RETURNING 1',
  $1::text, $2::text,
  (SELECT string_agg(format('%1$I = r.%1$I', c), ', ') FROM unnest($3::text[]) c WHERE c <> ALL($4::text[])),
  (SELECT string_agg(format('t.%1$I = r.%1$I', k), ' AND ') FROM unnest($4::text[]) k)
) /* all tenants: names of columns alone */
"""
# What the table itself refuses: asking again with the same values changes nothing.
REFUSED: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


class Target:
    """Writes rows by key. Safe to repeat: the same task gives the same row."""

    def __init__(self, table: ResultTable, statement: str) -> None:
        self.table = table
        self._statement = statement

    @classmethod
    async def open(cls, pool: Pool, table: ResultTable) -> Target:
        """Look at the table. Invalid, with the remedy, when it or a column is missing or the key is not unique."""
        name, columns, key = f"{table.schema_name}.{table.table}", list(table.columns), list(table.key)
        present = {row[0] for row in await pool.fetch(_COLUMNS, table.schema_name, table.table)}
        if not present:
            raise Invalid(
                f"there is no table {name}, or it may not be seen", field="result.table", remedy="create or grant it"
            )
        missing = [column for column in columns if column not in present]
        if missing:
            raise Invalid(f"{name} has no column {', '.join(missing)}", field="result.columns", remedy="correct them")
        if table.write is Write.UPSERT and not await pool.fetchval(
            _UNIQUE, table.schema_name, table.table, sorted(key)
        ):
            remedy = f"add a unique index on ({', '.join(key)}), or set result.write to update"
            raise Invalid(f"{name} has no unique index on exactly its key", field="result.key", remedy=remedy)
        build = _UPSERT if table.write is Write.UPSERT else _UPDATE
        statement: str = await pool.fetchval(build, table.schema_name, table.table, columns, key)
        return cls(table, statement)

    async def write(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the rows, the last of several with one key. Permanent when an update finds no row for one of them."""
        latest = {tuple(str(row[column]) for column in self.table.key): row for row in rows}
        # One order for everybody: two workers that write the same rows cannot lock each other out.
        chosen = [latest[key] for key in sorted(latest)]
        written = await connection.fetch(self._statement, chosen)
        if self.table.write is Write.UPDATE and len(written) < len(chosen):
            raise Permanent("the result table has no row for this task", code="no_row")
