"""tasks of a list shared with another system, and their results

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WORKER = "battcrm_worker"
API = "battcrm_api"
RESULTS = ("ai_extraction_result", "ai_extraction_shadow")
CHURN = {
    "fillfactor": 70,
    "autovacuum_vacuum_scale_factor": 0.02,
    "autovacuum_vacuum_threshold": 1000,
    "autovacuum_vacuum_cost_delay": 0,
}


def upgrade() -> None:
    op.create_table(
        "queue_task",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("task_key", sa.UUID(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("raw", postgresql.BYTEA(), nullable=False),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bucket", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "task_key", name=op.f("pk_queue_task")),
        postgresql_with=CHURN,
    )
    pending = sa.text("due_at IS NOT NULL")
    op.create_index("ix_queue_task_pending", "queue_task", ["tenant_id", "due_at"], postgresql_where=pending)
    op.create_index("ix_queue_task_next", "queue_task", ["due_at"], postgresql_where=pending)
    for name in RESULTS:
        _results(name)
    for name in ("queue_task", *RESULTS):
        _guard(name)
    # An owner's view passes the row policies: a reader of the results needs no other right in this database.
    op.execute("CREATE VIEW n8n_extraction AS SELECT * FROM ai_extraction_result")


def _results(name: str) -> None:
    empty = sa.text("'{}'::jsonb")
    nobody = sa.text("'{}'::text[]")
    op.create_table(
        name,
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("appeal_type", sa.Text(), nullable=True),
        sa.Column("brand", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("device_class", sa.Text(), nullable=True),
        sa.Column("repair_types", postgresql.ARRAY(sa.Text()), server_default=nobody, nullable=False),
        sa.Column("part_owner", sa.Text(), nullable=True),
        sa.Column("confidence", postgresql.JSONB(astext_type=sa.Text()), server_default=empty, nullable=False),
        sa.Column("methods", postgresql.JSONB(astext_type=sa.Text()), server_default=empty, nullable=False),
        sa.Column(
            "hypotheses",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("open_fields", postgresql.ARRAY(sa.Text()), server_default=nobody, nullable=False),
        sa.Column("language", sa.Text(), server_default=sa.text("'ru'"), nullable=False),
        sa.Column("wants_operator", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("model_calls", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.Text(), nullable=True),
        sa.Column("steps", postgresql.ARRAY(sa.Text()), server_default=nobody, nullable=False),
        sa.Column("cost_microrub", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "task_id", name=op.f(f"pk_{name}")),
    )


def _guard(table: str) -> None:
    """Workers see all tenants (they act for each row's tenant); the API role sees the tenant of its transaction."""
    op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
    op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO {WORKER}, {API}')
    op.execute(f'CREATE POLICY worker_all ON "{table}" TO {WORKER} USING (true) WITH CHECK (true)')
    own = "tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)"
    op.execute(f'CREATE POLICY api_own ON "{table}" TO {API} USING ({own}) WITH CHECK ({own})')


def downgrade() -> None:
    op.execute("DROP VIEW n8n_extraction")
    for name in ("queue_task", *RESULTS):
        op.drop_table(name)
