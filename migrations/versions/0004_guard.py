"""roles, row-level security, default partitions

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WORKER = "battcrm_worker"
API = "battcrm_api"
PARTITIONED = ("message", "message_raw", "outbox", "processed", "llm_call")
# Not of one tenant: positions of consumers and exclusive roles. The API role cannot touch them.
SHARED = ("lease", "consumer_group")

_ROLES = """
DO $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'battcrm_worker') THEN
    CREATE ROLE battcrm_worker NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'battcrm_api') THEN
    CREATE ROLE battcrm_api NOLOGIN;
  END IF;
END $$
"""

_TENANT_TABLES = """
SELECT c.relname FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY 1
"""


def upgrade() -> None:
    op.execute(_ROLES)
    for table in PARTITIONED:
        op.execute(f'CREATE TABLE "{table}_default" PARTITION OF "{table}" DEFAULT')
    tables = [row[0] for row in op.get_bind().exec_driver_sql(_TENANT_TABLES)]
    for table in tables:
        guard(table)
    for table in SHARED:
        op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO {WORKER}')
    op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {WORKER}, {API}")
    op.execute(f"GRANT USAGE ON SCHEMA public TO {WORKER}, {API}")


def guard(table: str) -> None:
    """Workers see all tenants (they act for each row's tenant); the API role sees the tenant of its transaction."""
    op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
    op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO {WORKER}, {API}')
    op.execute(f'CREATE POLICY worker_all ON "{table}" TO {WORKER} USING (true) WITH CHECK (true)')
    own = "tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)"
    op.execute(f'CREATE POLICY api_own ON "{table}" TO {API} USING ({own}) WITH CHECK ({own})')


def downgrade() -> None:
    tables = [row[0] for row in op.get_bind().exec_driver_sql(_TENANT_TABLES)]
    for table in tables:
        op.execute(f'DROP POLICY IF EXISTS worker_all ON "{table}"')
        op.execute(f'DROP POLICY IF EXISTS api_own ON "{table}"')
        op.execute(f'ALTER TABLE "{table}" DISABLE ROW LEVEL SECURITY')
    for table in PARTITIONED:
        op.execute(f'DROP TABLE IF EXISTS "{table}_default"')
