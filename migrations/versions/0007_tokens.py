"""tokens that a platform renews, beside the channel's credentials

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("channel", sa.Column("tokens", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("channel", "tokens")
