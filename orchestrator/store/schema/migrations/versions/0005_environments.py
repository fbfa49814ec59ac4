"""Environments: what blocks were computed with."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COUNTED = ["cell_id", "number", "samples", "zero_gradients"]


def upgrade() -> None:
    op.create_table(
        "environment",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("version", sa.Text),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("protocol", sa.Integer, nullable=False),
        sa.Column("python", sa.Text, nullable=False),
        sa.Column("torch", sa.Text),
        sa.Column("torchvision", sa.Text),
        sa.Column("timm", sa.Text),
        sa.Column("open_clip", sa.Text),
        sa.Column("cuda", sa.Text),
        sa.Column("cudnn", sa.Text),
        sa.Column("driver", sa.Text),
        sa.Column("device_kind", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("processor", sa.Text, nullable=False),
        sa.Column("threads", sa.Integer),
        sa.Column("batch_size", sa.Integer, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("digest", name="environment_digest_unique"),
    )
    # Both databases add such a column in place. Alembic's own operation would copy all blocks in SQLite.
    op.execute("ALTER TABLE block ADD COLUMN environment_id INTEGER REFERENCES environment (id)")
    op.drop_index("ix_block_counts", "block")
    op.create_index("ix_block_counts", "block", [*COUNTED, "environment_id"])


def downgrade() -> None:
    op.drop_index("ix_block_counts", "block")
    op.create_index("ix_block_counts", "block", COUNTED)
    op.drop_column("block", "environment_id")
    op.drop_table("environment")
