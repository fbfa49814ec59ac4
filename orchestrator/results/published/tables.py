"""The published numbers: every row of the tables has a robust accuracy, a clean accuracy or both."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrator.grid.cell import TRANSFER
from orchestrator.results.published.names import Names, load_names
from scc_core.components.units import norm_of
from scc_core.errors import UserError, unknown_name

COLUMNS = (
    "source",
    "model",
    "dataset",
    "attack",
    "epsilon_255",
    "threat_model",
    "defense",
    "robust_accuracy",
    "clean_accuracy",
)
_DECIMALS = 8
NUMBERS_FILE = "published.csv"
NAMES_FILE = "names.yaml"
CLEAN = ""
"""The attack of a number without one."""


@dataclass(frozen=True)
class PublishedNumber:
    """One accuracy of a published table, with the table's names for model, dataset, attack and defense.

    Attributes:
        attack: :data:`CLEAN` for clean accuracy.
        epsilon_255: radius of the attack in 1/255; 0 for clean accuracy.
        accuracy: 0 to 1.
        table_epsilon_255: radius of the attack in the row of the table, for a clean accuracy too.
    """

    source: str
    model: str
    dataset: str
    attack: str
    epsilon_255: float
    defense: str
    accuracy: float
    table_epsilon_255: float


@dataclass(frozen=True)
class PublishedTables:
    """Published numbers, in the order of their file, with the meaning of their names."""

    numbers: Sequence[PublishedNumber]
    names: Names

    def resolution(self, number: PublishedNumber) -> float:
        """Return how far the exact accuracy may be from the printed one, as a fraction of 1."""
        return self.names.sources[number.source].resolution / 100

    def norm(self, attack: str) -> str | None:
        """Return the norm of the radii of an attack; None for clean images."""
        return norm_of(self.names.attacks.get(attack))


@cache
def shipped() -> PublishedTables:
    """Return the tables that ship with the package."""
    return load_published(Path(__file__).parent)


def load_published(folder: Path) -> PublishedTables:
    """Read ``published.csv`` and ``names.yaml`` of a folder.

    Raises:
        UserError: a file is missing or wrong; the text names the file, the line and what is expected.
    """
    names = load_names(folder / NAMES_FILE)
    path = folder / NUMBERS_FILE
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True, restval="")
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise UserError(f"{path}: its first line must be {','.join(COLUMNS)}")
            numbers = [number for row in reader for number in _numbers(row, names, f"{path}, line {reader.line_num}")]
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a CSV file: {error}") from None
    seen = set()
    for number in numbers:
        key = (number.source, number.model, number.dataset, number.attack, number.defense, number.table_epsilon_255)
        if key in seen:
            raise UserError(f"{path}: {number.source!r} gives {number.model}, {number.dataset}, {number.defense} twice")
        seen.add(key)
    return PublishedTables(numbers, names)


def _numbers(row: Mapping[str, str], names: Names, where: str) -> Iterator[PublishedNumber]:
    allowed: Mapping[str, Collection[str]] = {
        "source": names.sources,
        "model": names.models,
        "dataset": {*names.datasets, *names.means},
        "attack": names.attacks,
        "threat_model": {TRANSFER},
        "defense": names.defenses,
    }
    for column, known in allowed.items():
        if row[column] not in known:
            raise UserError(f"{where}: {unknown_name(column.replace('_', ' '), row[column], known)}")
    epsilon = _number(row, "epsilon_255", 255.0, where)
    if epsilon == 0:
        raise UserError(f"{where}: epsilon_255 is 0; the accuracy without an attack is the column clean_accuracy")
    described = (row["source"], row["model"], row["dataset"])
    if row["robust_accuracy"]:
        robust = round(_number(row, "robust_accuracy", 100.0, where) / 100, _DECIMALS)
        yield PublishedNumber(*described, row["attack"], epsilon, row["defense"], robust, epsilon)
    if row["clean_accuracy"]:
        clean = round(_number(row, "clean_accuracy", 100.0, where) / 100, _DECIMALS)
        yield PublishedNumber(*described, CLEAN, 0.0, row["defense"], clean, epsilon)


def _number(row: Mapping[str, str], column: str, largest: float, where: str) -> float:
    try:
        value = float(row[column])
    except (TypeError, ValueError):
        raise UserError(f"{where}: {column} is {row[column]!r}, expected a number from 0 to {largest:g}") from None
    if not 0 <= value <= largest:
        raise UserError(f"{where}: {column} is {row[column]}, expected a number from 0 to {largest:g}")
    return value
