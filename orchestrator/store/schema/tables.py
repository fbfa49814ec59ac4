"""The tables, as SQLAlchemy models. A change here comes with a migration."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from scc_core.blocks import BLOCK_SIZE


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite holds it as text without a zone, PostgreSQL with one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Convert to UTC; a moment without a zone is refused.

        Raises:
            ValueError: ``value`` has no zone.
        """
        if value is not None and value.tzinfo is None:
            raise ValueError(f"a moment needs a zone, got {value!r}")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Return the moment with UTC as its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a plain class attribute
        str: Text,
        float: Double,
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        dict[str, str]: JSON,
        bytes: LargeBinary,
    }


class Run(Base):
    """One submission of a grid. ``outcome`` is null while it is unfinished.

    ``submission`` names the job by which a cluster was asked for the run; it is null where a command ran it itself.
    ``left_out`` holds by dataset what lay beside its samples, as pairs of name and reason; ``warnings`` holds by
    dataset what should be doubted of its classes and prompts, as lines. ``devices`` is empty: blocks refer to
    environments, which name them.
    """

    __tablename__ = "run"
    __table_args__ = (CheckConstraint("outcome IN ('complete', 'failed', 'interrupted')", name="run_outcome_known"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    grid_text: Mapped[str]
    grid: Mapped[dict[str, Any]]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime]
    outcome: Mapped[str | None]
    host: Mapped[str]
    pid: Mapped[int]
    code_version: Mapped[str]
    python_version: Mapped[str]
    packages: Mapped[dict[str, str]]
    machine: Mapped[dict[str, str]]
    devices: Mapped[dict[str, str]] = mapped_column(default=dict)
    submission: Mapped[str | None]
    left_out: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    warnings: Mapped[dict[str, Any]] = mapped_column(server_default="{}")


class CellRow(Base):
    """One cell. ``attack`` and ``defense`` are the labels for people; ``specification`` is what ``key`` digests.

    ``badges`` are the reasons for doubt, joined with ``, ``. What the defense and the model's card say of themselves is
    null where it is not known: ``control``, ``family`` and ``randomised``. ``code`` is the code of the cell's
    components for people; it is null where all are of scc-bench, in the first version of their numerics, or where an
    older program stored the cell.
    ``norm`` is that of the attack, null for clean images too. ``epsilon_255`` is the radius times 255 in every norm.
    """

    __tablename__ = "cell"
    __table_args__ = (UniqueConstraint("key", name="cell_key_unique"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    model: Mapped[str]
    dataset: Mapped[str]
    attack: Mapped[str]
    epsilon_255: Mapped[float]
    threat_model: Mapped[str]
    defense: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    precision: Mapped[str]
    preprocessing: Mapped[str]
    classes: Mapped[int]
    demonstration: Mapped[bool]
    attack_group: Mapped[str]
    specification: Mapped[dict[str, Any]]
    badges: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime]
    control: Mapped[bool | None]
    family: Mapped[str | None]
    randomised: Mapped[bool | None]
    code: Mapped[str | None]
    norm: Mapped[str | None]


class RunCell(Base):
    """A cell that a run asks for, over the first ``samples`` samples; ``error`` is null unless it failed there."""

    __tablename__ = "run_cell"
    __table_args__ = (CheckConstraint("samples > 0", name="run_cell_samples_positive"),)

    run_id: Mapped[str] = mapped_column(ForeignKey("run.id"), primary_key=True)
    cell_id: Mapped[int] = mapped_column(ForeignKey("cell.id"), primary_key=True, index=True)
    samples: Mapped[int]
    error: Mapped[str | None]
    traceback: Mapped[str | None]


class EnvironmentRow(Base):
    """An environment in which blocks were measured; ``digest`` is that of ``facts``, whose main parts are columns."""

    __tablename__ = "environment"
    __table_args__ = (UniqueConstraint("digest", name="environment_digest_unique"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str]
    version: Mapped[str | None]
    code: Mapped[str]
    protocol: Mapped[int]
    python: Mapped[str]
    torch: Mapped[str | None]
    torchvision: Mapped[str | None]
    timm: Mapped[str | None]
    open_clip: Mapped[str | None]
    cuda: Mapped[str | None]
    cudnn: Mapped[str | None]
    driver: Mapped[str | None]
    device_kind: Mapped[str]
    device: Mapped[str]
    processor: Mapped[str]
    threads: Mapped[int | None]
    batch_size: Mapped[int]
    facts: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Block(Base):
    """One measured block: its counts, its costs (totals and peaks) and its packed per-sample outcomes.

    ``hits`` holds a ``1`` for each correct sample and a ``0`` for each wrong one, in the dataset's sample order.
    ``zero_gradients`` counts the samples for which every gradient of the attack was exactly zero; it is null where the
    attack computed none. The peaks are null where the device does not tell them, and the environment is null in blocks
    that an older program wrote.
    """

    __tablename__ = "block"
    __table_args__ = (
        CheckConstraint(f"samples BETWEEN 1 AND {BLOCK_SIZE}", name="block_samples_in_range"),
        CheckConstraint("correct BETWEEN 0 AND samples", name="block_correct_in_range"),
        CheckConstraint("length(hits) = samples", name="block_hits_complete"),
        CheckConstraint("number >= 0", name="block_number_not_negative"),
        # Counting reads this alone: the rows themselves are fifty times as large.
        Index("ix_block_counts", "cell_id", "number", "samples", "zero_gradients", "environment_id"),
    )

    cell_id: Mapped[int] = mapped_column(ForeignKey("cell.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    samples: Mapped[int]
    correct: Mapped[int]
    hits: Mapped[str]
    sum_confidence: Mapped[float]
    sum_margin: Mapped[float]
    zero_gradients: Mapped[int | None]
    attack_seconds: Mapped[float]
    attack_forwards: Mapped[int] = mapped_column(BigInteger)
    attack_backwards: Mapped[int] = mapped_column(BigInteger)
    attack_peak_memory_mib: Mapped[float | None]
    defense_seconds: Mapped[float]
    defense_forwards: Mapped[int] = mapped_column(BigInteger)
    defense_backwards: Mapped[int] = mapped_column(BigInteger)
    defense_peak_memory_mib: Mapped[float | None]
    device: Mapped[str]
    worker: Mapped[str]
    run_id: Mapped[str] = mapped_column(ForeignKey("run.id"))
    created_at: Mapped[datetime]
    outcomes: Mapped[bytes]
    environment_id: Mapped[int | None] = mapped_column(ForeignKey("environment.id"))


class DatasetVersion(Base):
    """A version of a dataset whose classes and samples have names here, once for all of its cells.

    The positions of its samples hold for cells of the same ``split`` and ``sample_order``. ``digest`` changes whenever
    the name, the label or the position of a sample does.
    """

    __tablename__ = "dataset_version"
    __table_args__ = (UniqueConstraint("dataset", "version", name="dataset_version_unique"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    dataset: Mapped[str]
    version: Mapped[str]
    split: Mapped[str]
    sample_order: Mapped[str]
    classes: Mapped[int]
    samples: Mapped[int]
    digest: Mapped[str]


class ClassName(Base):
    """A class: what the data calls it, and what the prompts of digest ``prompts`` call it."""

    __tablename__ = "class_name"

    dataset_version_id: Mapped[int] = mapped_column(ForeignKey("dataset_version.id"), primary_key=True)
    prompts: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    name: Mapped[str]


class SampleName(Base):
    """A sample: its place in the dataset's fixed order, by which blocks know it, its index, its label and its name."""

    __tablename__ = "sample_name"
    # Half the size: the rows lie in the index of the key.
    __table_args__ = ({"sqlite_with_rowid": False},)

    dataset_version_id: Mapped[int] = mapped_column(ForeignKey("dataset_version.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    sample: Mapped[int]
    label: Mapped[int]
    name: Mapped[str]


class DriverRow(Base):
    """A process that carries out a run now, on a database that several may write; its clock is the server's.

    ``machine`` tells where ``pid`` is the number of a process. The driver counts as dead when its last sign of life is
    older than ``lease_seconds``.
    """

    __tablename__ = "driver"
    __table_args__ = (CheckConstraint("lease_seconds > 0", name="driver_lease_positive"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("run.id"))
    machine: Mapped[str]
    pid: Mapped[int]
    registered_at: Mapped[datetime]
    heartbeat_at: Mapped[datetime]
    lease_seconds: Mapped[float]


class LeaseRow(Base):
    """A tile of an attack group that one driver alone may measure: blocks ``tile * TILE_BLOCKS`` onward."""

    __tablename__ = "lease"
    __table_args__ = (CheckConstraint("tile >= 0", name="lease_tile_not_negative"),)

    attack_group: Mapped[str] = mapped_column(primary_key=True)
    tile: Mapped[int] = mapped_column(primary_key=True)
    driver_id: Mapped[str] = mapped_column(ForeignKey("driver.id", ondelete="CASCADE"), index=True)


TILE_BLOCKS = 8
"""Blocks of a tile. Drivers of different versions must agree on it, so that a change needs a migration."""
