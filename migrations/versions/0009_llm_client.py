"""how often a model was asked for one client in a day

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_GUARD = (
    "ALTER TABLE llm_client ENABLE ROW LEVEL SECURITY",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON llm_client TO battcrm_worker, battcrm_api",
    "CREATE POLICY worker_all ON llm_client TO battcrm_worker USING (true) WITH CHECK (true)",
    "CREATE POLICY api_own ON llm_client TO battcrm_api"
    " USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))"
    " WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))",
)


def upgrade() -> None:
    op.create_table(
        "llm_client",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("client_id", sa.UUID(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "client_id", name=op.f("pk_llm_client")),
        postgresql_with={
            "fillfactor": 70,
            "autovacuum_vacuum_scale_factor": 0.02,
            "autovacuum_vacuum_threshold": 1000,
            "autovacuum_vacuum_cost_delay": 0,
        },
    )
    for statement in _GUARD:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("llm_client")
