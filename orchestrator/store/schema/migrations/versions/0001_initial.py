"""Runs, cells, what a run asks for, and blocks."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_run()
    _create_cell()
    _create_run_cell()
    _create_block()


def downgrade() -> None:
    for table in ("block", "run_cell", "cell", "run"):
        op.drop_table(table)


def _create_run() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("grid_text", sa.Text, nullable=False),
        sa.Column("grid", sa.JSON, nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("finished_at", moment),
        sa.Column("heartbeat_at", moment, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("code_version", sa.Text, nullable=False),
        sa.Column("python_version", sa.Text, nullable=False),
        sa.Column("packages", sa.JSON, nullable=False),
        sa.Column("machine", sa.JSON, nullable=False),
        sa.Column("devices", sa.JSON, nullable=False),
        sa.CheckConstraint("outcome IN ('complete', 'failed', 'interrupted')", name="run_outcome_known"),
    )


def _create_cell() -> None:
    op.create_table(
        "cell",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("attack", sa.Text, nullable=False),
        sa.Column("epsilon_255", sa.Double, nullable=False),
        sa.Column("threat_model", sa.Text, nullable=False),
        sa.Column("defense", sa.Text, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("precision", sa.Text, nullable=False),
        sa.Column("preprocessing", sa.Text, nullable=False),
        sa.Column("classes", sa.Integer, nullable=False),
        sa.Column("demonstration", sa.Boolean, nullable=False),
        sa.Column("attack_group", sa.Text, nullable=False),
        sa.Column("specification", sa.JSON, nullable=False),
        sa.Column("badges", sa.Text, server_default="", nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.UniqueConstraint("key", name="cell_key_unique"),
    )


def _create_run_cell() -> None:
    op.create_table(
        "run_cell",
        sa.Column("run_id", sa.Text, sa.ForeignKey("run.id"), primary_key=True),
        sa.Column("cell_id", sa.Integer, sa.ForeignKey("cell.id"), primary_key=True),
        sa.Column("samples", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("traceback", sa.Text),
        sa.CheckConstraint("samples > 0", name="run_cell_samples_positive"),
    )
    op.create_index("ix_run_cell_cell_id", "run_cell", ["cell_id"])


def _create_block() -> None:
    op.create_table(
        "block",
        sa.Column("cell_id", sa.Integer, sa.ForeignKey("cell.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("samples", sa.Integer, nullable=False),
        sa.Column("correct", sa.Integer, nullable=False),
        sa.Column("hits", sa.Text, nullable=False),
        sa.Column("sum_confidence", sa.Double, nullable=False),
        sa.Column("sum_margin", sa.Double, nullable=False),
        sa.Column("zero_gradients", sa.Integer),
        sa.Column("attack_seconds", sa.Double, nullable=False),
        sa.Column("attack_forwards", sa.BigInteger, nullable=False),
        sa.Column("attack_backwards", sa.BigInteger, nullable=False),
        sa.Column("attack_peak_memory_mib", sa.Double),
        sa.Column("defense_seconds", sa.Double, nullable=False),
        sa.Column("defense_forwards", sa.BigInteger, nullable=False),
        sa.Column("defense_backwards", sa.BigInteger, nullable=False),
        sa.Column("defense_peak_memory_mib", sa.Double),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, sa.ForeignKey("run.id"), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("outcomes", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("samples BETWEEN 1 AND 50", name="block_samples_in_range"),
        sa.CheckConstraint("correct BETWEEN 0 AND samples", name="block_correct_in_range"),
        sa.CheckConstraint("length(hits) = samples", name="block_hits_complete"),
        sa.CheckConstraint("number >= 0", name="block_number_not_negative"),
    )
