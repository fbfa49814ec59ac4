"""What identifies the code of each cell's components, as people see it; null for what an older program stored."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cell", sa.Column("code", sa.Text))


def downgrade() -> None:
    op.drop_column("cell", "code")
