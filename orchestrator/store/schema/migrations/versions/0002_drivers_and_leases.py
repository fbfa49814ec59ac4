"""Drivers and what they have leased, how a run was submitted, and an index that counts without reading outcomes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("run", sa.Column("submission", sa.Text))
    op.create_index("ix_block_counts", "block", ["cell_id", "number", "samples", "zero_gradients"])
    _create_driver()
    _create_lease()


def downgrade() -> None:
    op.drop_table("lease")
    op.drop_table("driver")
    op.drop_index("ix_block_counts", "block")
    op.drop_column("run", "submission")


def _create_driver() -> None:
    op.create_table(
        "driver",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, sa.ForeignKey("run.id"), nullable=False),
        sa.Column("machine", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("registered_at", moment, nullable=False),
        sa.Column("heartbeat_at", moment, nullable=False),
        sa.Column("lease_seconds", sa.Double, nullable=False),
        sa.CheckConstraint("lease_seconds > 0", name="driver_lease_positive"),
    )


def _create_lease() -> None:
    op.create_table(
        "lease",
        sa.Column("attack_group", sa.Text, primary_key=True),
        sa.Column("tile", sa.Integer, primary_key=True),
        sa.Column("driver_id", sa.Text, sa.ForeignKey("driver.id", ondelete="CASCADE"), nullable=False),
        sa.CheckConstraint("tile >= 0", name="lease_tile_not_negative"),
    )
    op.create_index("ix_lease_driver_id", "lease", ["driver_id"])
