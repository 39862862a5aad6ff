"""appeals

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "appeal",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("appeal_id", sa.UUID(), nullable=False),
        sa.Column("client_id", sa.UUID(), nullable=False),
        sa.Column("dialog_id", sa.UUID(), nullable=False),
        sa.Column("episode_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("control", sa.Text(), server_default="bot", nullable=False),
        sa.Column("control_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("assignee", sa.UUID(), nullable=True),
        sa.Column("appeal_type", sa.Text(), nullable=True),
        sa.Column("brand", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("device_class", sa.Text(), nullable=True),
        sa.Column("repair_types", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("part_owner", sa.Text(), nullable=True),
        sa.Column(
            "known", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("asked", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("expecting", sa.Text(), nullable=True),
        sa.Column("options", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("misunderstood", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("quoted_low", sa.BigInteger(), nullable=True),
        sa.Column("quoted_high", sa.BigInteger(), nullable=True),
        sa.Column("parent_id", sa.UUID(), nullable=True),
        sa.Column(
            "handover", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "appeal_id", name=op.f("pk_appeal")),
    )
    op.create_index("ix_appeal_client", "appeal", ["tenant_id", "client_id", "touched_at"], unique=False)
    op.create_index(
        "ix_appeal_control",
        "appeal",
        ["tenant_id", "control"],
        unique=False,
        postgresql_where=sa.text("control <> 'bot'"),
    )
    op.create_index("uq_appeal_number", "appeal", ["tenant_id", "number"], unique=True)
    op.create_table(
        "decision",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("decision_id", sa.UUID(), nullable=False),
        sa.Column("turn_id", sa.UUID(), nullable=True),
        sa.Column("client_id", sa.UUID(), nullable=False),
        sa.Column("dialog_id", sa.UUID(), nullable=True),
        sa.Column("appeal_id", sa.UUID(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "inputs", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column(
            "alternatives",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "versions", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("cost_microrub", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "decision_id", name=op.f("pk_decision")),
    )
    op.create_index("ix_decision_dialog", "decision", ["tenant_id", "dialog_id", "created_at"], unique=False)
    op.create_index("ix_decision_turn", "decision", ["tenant_id", "turn_id"], unique=False)
    op.create_table(
        "episode",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("episode_id", sa.UUID(), nullable=False),
        sa.Column("appeal_id", sa.UUID(), nullable=False),
        sa.Column("started_as", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_answer_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("turns", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost_microrub", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "episode_id", name=op.f("pk_episode")),
    )
    op.create_index("ix_episode_appeal", "episode", ["tenant_id", "appeal_id", "started_at"], unique=False)
    op.create_table(
        "external_ref",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("internal_id", sa.UUID(), nullable=False),
        sa.Column("hash", postgresql.BYTEA(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "system", "entity", "external_id", name=op.f("pk_external_ref")),
    )
    op.create_table(
        "fact",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("fact_id", sa.UUID(), nullable=False),
        sa.Column("appeal_id", sa.UUID(), nullable=False),
        sa.Column("turn_id", sa.UUID(), nullable=True),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("message_id", sa.UUID(), nullable=True),
        sa.Column("span_start", sa.Integer(), nullable=True),
        sa.Column("span_end", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "fact_id", name=op.f("pk_fact")),
    )
    op.create_index("ix_fact_appeal", "fact", ["tenant_id", "appeal_id", "field", "created_at"], unique=False)
    op.create_table(
        "price_item",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("price_item_id", sa.UUID(), nullable=False),
        sa.Column("brand", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("repair_type", sa.Text(), nullable=False),
        sa.Column("part_name", sa.Text(), nullable=True),
        sa.Column("part_price", sa.BigInteger(), nullable=True),
        sa.Column("labour_price", sa.BigInteger(), nullable=True),
        sa.Column("stock", sa.Integer(), nullable=True),
        sa.Column("quality", sa.Text(), nullable=True),
        sa.Column("priced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("currency", sa.Text(), server_default="RUB", nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "price_item_id", name=op.f("pk_price_item")),
    )
    op.create_index("ix_price_item_device", "price_item", ["tenant_id", "brand", "model", "repair_type"], unique=False)
    op.create_table(
        "repair_record",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("repair_id", sa.UUID(), nullable=False),
        sa.Column("client_id", sa.UUID(), nullable=True),
        sa.Column("appeal_id", sa.UUID(), nullable=True),
        sa.Column("brand", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("device_class", sa.Text(), nullable=True),
        sa.Column("repair_types", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("part_owner", sa.Text(), nullable=True),
        sa.Column("labour_amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("part_amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total_amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "repair_id", name=op.f("pk_repair_record")),
    )
    op.create_index("ix_repair_record_client", "repair_record", ["tenant_id", "client_id"], unique=False)
    op.create_index(
        "ix_repair_record_device", "repair_record", ["tenant_id", "brand", "model", "closed_at"], unique=False
    )
    op.create_table(
        "suggestion",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("suggestion_id", sa.UUID(), nullable=False),
        sa.Column("appeal_id", sa.UUID(), nullable=True),
        sa.Column("dialog_id", sa.UUID(), nullable=False),
        sa.Column("turn_id", sa.UUID(), nullable=False),
        sa.Column(
            "drafts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("edited_text", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "suggestion_id", name=op.f("pk_suggestion")),
    )
    op.create_index(
        "ix_suggestion_open",
        "suggestion",
        ["tenant_id", "appeal_id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "turn",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("turn_id", sa.UUID(), nullable=False),
        sa.Column("client_id", sa.UUID(), nullable=False),
        sa.Column("dialog_id", sa.UUID(), nullable=False),
        sa.Column("appeal_id", sa.UUID(), nullable=True),
        sa.Column("episode_id", sa.UUID(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("from_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("to_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "timings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.PrimaryKeyConstraint("tenant_id", "turn_id", name=op.f("pk_turn")),
    )
    op.create_index("ix_turn_dialog", "turn", ["tenant_id", "dialog_id", "to_seq"], unique=False)


def downgrade() -> None:
    op.drop_table("turn")
    op.drop_table("suggestion")
    op.drop_table("repair_record")
    op.drop_table("price_item")
    op.drop_table("fact")
    op.drop_table("external_ref")
    op.drop_table("episode")
    op.drop_table("decision")
    op.drop_table("appeal")
