"""Stored cells, whose attack and defense are names and parameters, not objects."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

from sqlalchemy import Connection, exists, func, select

from orchestrator.grid.cell import NO_DEFENSE, canonical_json
from orchestrator.store.encoding.statements import CHUNK, chunks
from orchestrator.store.schema.tables import Block, CellRow, RunCell

CELL_FIELDS = (
    "key",
    "model",
    "dataset",
    "attack",
    "epsilon_255",
    "threat_model",
    "defense",
    "seed",
    "precision",
    "preprocessing",
    "classes",
    "specification",
    "badges",
    "control",
    "family",
    "randomised",
    "code",
    "norm",
)

_CLASSIFIER = ("protocol", "model", "dataset", "precision")


@dataclass(frozen=True)
class StoredCell:
    """One cell; the names as in the view ``results``.

    Attributes:
        specification: the key is its digest.
        epsilon_255: the radius times 255, in every norm.
        norm: of the radius, ``linf`` or ``l2``; None for clean images, or if it is not known.
        badges: reasons for doubt, joined with ``, ``.
        code: of components of a user's own, for people; None without any, or where it was not recorded.
        samples: number of measured samples.
        zero_gradients: number of measured samples for which every gradient of the attack was exactly zero; None if the
            attack computed none.
        environments: number of environments in which it was measured; those of an older program, which did not tell,
            count as one.
        limit: number of samples, from the first on, that the run asks for; None for a cell that is read without a run.
    """

    key: str
    model: str
    dataset: str
    attack: str
    epsilon_255: float
    threat_model: str
    defense: str
    seed: int
    precision: str
    preprocessing: str
    classes: int
    specification: Mapping[str, Any]
    badges: str
    control: bool | None
    family: str | None
    randomised: bool | None
    code: str | None
    norm: str | None
    samples: int
    zero_gradients: int | None
    environments: int
    limit: int | None = None

    @property
    def epsilon(self) -> float:
        """The radius in [0, 1] pixel units, in its norm."""
        return self.epsilon_255 / 255

    @cached_property
    def classifier(self) -> str:
        """A text that is the same for all cells with the same model, samples and precision."""
        return canonical_json({name: self.specification[name] for name in _CLASSIFIER})

    @cached_property
    def without_seed(self) -> str:
        """A text that is the same for all cells that differ in the seed alone."""
        return canonical_json({**self.specification, "seed": None})

    @cached_property
    def without_defense(self) -> str:
        """A text that is the same for all cells of a threat model ``transfer`` that share their images."""
        return canonical_json({**self.specification, "defense": None})

    @property
    def undefended(self) -> bool:
        """Whether the defense is none."""
        return bool(self.defense_component["name"] == NO_DEFENSE)

    @property
    def attack_component(self) -> Mapping[str, Any]:
        """``name`` and ``parameters`` of the attack."""
        component: Mapping[str, Any] = self.specification["attack"]
        return component

    @property
    def defense_component(self) -> Mapping[str, Any]:
        """``name`` and ``parameters`` of the defense."""
        component: Mapping[str, Any] = self.specification["defense"]
        return component


class MeasuredCell(NamedTuple):
    """A cell of which anything is measured: its specification, and the newest run that asked for it."""

    specification: Mapping[str, Any]
    run: str


def measured_cells(connection: Connection, names: Mapping[str, Collection[str]]) -> list[MeasuredCell]:
    """Return the measured cells whose columns ``names`` have one of the values that it gives."""
    newest = select(func.max(RunCell.run_id)).where(RunCell.cell_id == CellRow.id).scalar_subquery()
    measured = exists().where(Block.cell_id == CellRow.id)
    query = select(CellRow.key, CellRow.specification, newest.label("run")).where(measured)
    found: dict[str, MeasuredCell] = {}
    # Each column's values in chunks: databases limit how many values a statement has.
    for combination in product(*(list(chunks(values, CHUNK // len(names))) for values in names.values())):
        conditions = [getattr(CellRow, name).in_(chunk) for name, chunk in zip(names, combination, strict=True)]
        for row in connection.execute(query.where(*conditions)):
            found[row.key] = MeasuredCell(row.specification, row.run)
    return list(found.values())


def stored_cells(connection: Connection, run_id: str | None) -> list[StoredCell]:
    """Return every cell, or those of a run with the samples that it asks for, in the order of their creation."""
    sums = select(
        Block.cell_id,
        func.sum(Block.samples).label("samples"),
        func.sum(Block.zero_gradients).label("zero_gradients"),
        func.count(func.coalesce(Block.environment_id, 0).distinct()).label("environments"),
    )
    summed = sums.group_by(Block.cell_id).subquery()
    columns = [getattr(CellRow, name) for name in CELL_FIELDS]
    counts = (func.coalesce(summed.c[name], 0).label(name) for name in ("samples", "environments"))
    query = select(*columns, *counts, summed.c.zero_gradients)
    query = query.join(summed, summed.c.cell_id == CellRow.id, isouter=True).order_by(CellRow.id)
    if run_id is not None:
        query = query.add_columns(RunCell.samples.label("limit"))
        query = query.join(RunCell, RunCell.cell_id == CellRow.id).where(RunCell.run_id == run_id)
    return [StoredCell(**row) for row in connection.execute(query).mappings()]
