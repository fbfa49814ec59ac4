"""What the datasets of a run left out."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run", sa.Column("left_out", sa.JSON, server_default="{}", nullable=False))


def downgrade() -> None:
    op.drop_column("run", "left_out")
