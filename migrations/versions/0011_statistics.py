"""small samples for the planner

Our statements go by keys and are planned once, so the planner needs little more than sizes. With the usual samples
ANALYZE took half a second of a core every ten seconds on a busy young installation, while everybody waited. Documents,
arrays and the words of messages, which nobody searches by value, are left out. Partitions made later take this over in
`infra/partitions.py`.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_WIDE = "(t.typname IN ('jsonb', 'bytea') OR t.typcategory = 'A' OR (c.relname = 'message' AND a.attname = 'text'))"
_SET = """
DO $$ DECLARE each record; BEGIN
  FOR each IN
    SELECT c.oid::regclass AS place, a.attname AS name, {target} AS target
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> 'alembic_version'
  LOOP
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', each.place, each.name, each.target);
  END LOOP;
END $$
"""


def upgrade() -> None:
    op.execute(_SET.replace("{target}", f"CASE WHEN {_WIDE} THEN 0 ELSE 10 END"))


def downgrade() -> None:
    op.execute(_SET.replace("{target}", "-1"))
