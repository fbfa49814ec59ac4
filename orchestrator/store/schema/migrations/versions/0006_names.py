"""Names of classes and samples, once for each version of a dataset."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dataset_version",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("split", sa.Text, nullable=False),
        sa.Column("sample_order", sa.Text, nullable=False),
        sa.Column("classes", sa.Integer, nullable=False),
        sa.Column("samples", sa.Integer, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.UniqueConstraint("dataset", "version", name="dataset_version_unique"),
    )
    op.create_table(
        "class_name",
        _of_version(),
        sa.Column("prompts", sa.Text, primary_key=True),
        sa.Column("label", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
    )
    op.create_table(
        "sample_name",
        _of_version(),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sample", sa.Integer, nullable=False),
        sa.Column("label", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("sample_name", "class_name", "dataset_version"):
        op.drop_table(table)


def _of_version() -> sa.Column[int]:
    version = sa.ForeignKey("dataset_version.id")
    return sa.Column("dataset_version_id", sa.Integer, version, primary_key=True, autoincrement=False)
