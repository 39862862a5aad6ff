"""merges with an undo record, outcomes of episodes, effects of suggestions

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
# Who is merged is nobody's survivor and whose survivor is merged is nobody: no chains, so no cycles. Two merges that
# would make a cycle together lock each other's target and one of them fails.
_FLAT = """
CREATE FUNCTION client_merge_is_flat() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM client c WHERE c.tenant_id = NEW.tenant_id AND c.client_id = NEW.merged_into
    AND c.merged_into IS NULL FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'client % is merged into a client that is none or is merged itself', NEW.client_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'client_merge_is_flat';
  END IF;
  IF EXISTS (SELECT 1 FROM client c WHERE c.tenant_id = NEW.tenant_id AND c.merged_into = NEW.client_id) THEN
    RAISE EXCEPTION 'client % is merged while others are merged into it', NEW.client_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'client_merge_is_flat';
  END IF;
  RETURN NULL;
END $$
"""
_TRIGGER = """
CREATE CONSTRAINT TRIGGER client_merge_is_flat AFTER INSERT OR UPDATE OF merged_into ON client
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.merged_into IS NOT NULL) EXECUTE FUNCTION client_merge_is_flat()
"""
_GUARD = (
    "ALTER TABLE client_merge ENABLE ROW LEVEL SECURITY",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON client_merge TO battcrm_worker, battcrm_api",
    "CREATE POLICY worker_all ON client_merge TO battcrm_worker USING (true) WITH CHECK (true)",
    """
CREATE POLICY api_own ON client_merge TO battcrm_api
USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
""",
)


def upgrade() -> None:
    op.create_table(
        "client_merge",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("merge_id", sa.UUID(), nullable=False),
        sa.Column("survivor_id", sa.UUID(), nullable=False),
        sa.Column("duplicate_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("moved", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("merged_at", TIME, nullable=False),
        sa.Column("undone_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "merge_id", name=op.f("pk_client_merge")),
    )
    op.create_index("ix_client_merge_survivor", "client_merge", ["tenant_id", "survivor_id"])
    op.create_index("ix_client_merge_duplicate", "client_merge", ["tenant_id", "duplicate_id"])
    for statement in _GUARD:
        op.execute(statement)
    merged = sa.text("merged_into IS NOT NULL")
    op.create_index("ix_client_merged", "client", ["tenant_id", "merged_into"], postgresql_where=merged)
    op.execute(_FLAT)
    op.execute(_TRIGGER)
    _episodes()
    op.add_column(
        "suggestion", sa.Column("effect", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False)
    )
    op.add_column("suggestion", sa.Column("note", sa.Text(), nullable=True))
    waiting = sa.text("state = 'open'")
    op.create_index("ix_suggestion_dialog", "suggestion", ["tenant_id", "dialog_id"], postgresql_where=waiting)


def _episodes() -> None:
    for name in ("handed_at", "human_at", "durable_at", "taken_back_at"):
        op.add_column("episode", sa.Column(name, TIME, nullable=True))
    op.add_column("episode", sa.Column("first_answer_by", sa.Text(), nullable=True))
    op.add_column(
        "episode",
        sa.Column("reasons", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
    )
    opened = sa.text("ended_at IS NULL")
    op.create_index("ix_episode_open", "episode", ["tenant_id", "started_at"], postgresql_where=opened)
    provisional = sa.text("outcome IS NOT NULL AND durable_at IS NULL")
    op.create_index("ix_episode_provisional", "episode", ["tenant_id", "ended_at"], postgresql_where=provisional)


def downgrade() -> None:
    op.drop_index("ix_suggestion_dialog", "suggestion")
    op.drop_column("suggestion", "note")
    op.drop_column("suggestion", "effect")
    op.drop_index("ix_episode_provisional", "episode")
    op.drop_index("ix_episode_open", "episode")
    for name in ("reasons", "first_answer_by", "taken_back_at", "durable_at", "human_at", "handed_at"):
        op.drop_column("episode", name)
    op.execute("DROP TRIGGER client_merge_is_flat ON client")
    op.execute("DROP FUNCTION client_merge_is_flat()")
    op.drop_index("ix_client_merged", "client")
    op.drop_table("client_merge")
