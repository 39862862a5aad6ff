"""a human's word in a chat that has no open appeal

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dialog", sa.Column("human_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("dialog", "human_until")
