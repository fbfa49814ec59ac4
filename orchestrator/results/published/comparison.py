"""Measured and published numbers side by side, with their difference and whether they agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from orchestrator.grid.cell import TRANSFER, canonical_json
from orchestrator.results.grouping import RADIUS_SCHEMA, Row, Schema
from orchestrator.results.published.matching import NOT_MEASURED, Match, Matcher
from orchestrator.results.published.names import Gate
from orchestrator.results.published.tables import CLEAN, PublishedNumber, PublishedTables
from orchestrator.store import ResultStore, StoredCell
from scc_core.evaluation.metrics import Interval, mean_interval

COMPARISON_SCHEMA: Schema = {
    "source": pl.String(),
    "model": pl.String(),
    "dataset": pl.String(),
    "attack": pl.String(),
    **RADIUS_SCHEMA,
    "threat_model": pl.String(),
    "defense": pl.String(),
    "table_epsilon_255": pl.Float64(),
    "measured_model": pl.String(),
    "measured_dataset": pl.String(),
    "seed": pl.Int64(),
    "samples": pl.Int64(),
    "images": pl.Int64(),
    "accuracy": pl.Float64(),
    "accuracy_low": pl.Float64(),
    "accuracy_high": pl.Float64(),
    "published": pl.Float64(),
    "difference": pl.Float64(),
    "within": pl.Boolean(),
    "badges": pl.String(),
    "reason": pl.String(),
}


@dataclass(frozen=True)
class Measured:
    """The measurement that a published number is compared with: one cell, or the mean over the datasets of an average.

    Attributes:
        dataset: its name in the grid; for a mean the names of all datasets.
        accuracy: 0 to 1; in a mean every dataset has the same weight.
        interval: 95 %.
        samples: measured samples, over all datasets.
    """

    model: str
    dataset: str
    seed: int
    accuracy: float
    interval: Interval
    samples: int
    badges: str

    def agrees(self, expected: float, tolerance: float) -> bool:
        """Tell whether ``expected`` lies in the interval, widened by ``tolerance`` on both sides."""
        return self.interval.low - tolerance <= expected <= self.interval.high + tolerance


@dataclass(frozen=True)
class GateResult:
    """A gate with its measurement; without one, ``reason`` says why. ``norm`` is that of its radius."""

    gate: Gate
    measured: Measured | None
    reason: str = ""
    norm: str = "linf"

    @property
    def passed(self) -> bool | None:
        """Whether the measurement is as the gate expects; None without one."""
        if self.measured is None:
            return None
        return self.measured.agrees(self.gate.expected / 100, self.gate.tolerance / 100)


class Comparison:
    """The comparable cells of a database, or of one of its runs, beside published numbers.

    Raises:
        UserError: no such run, or the tables name an attack or a defense that does not exist.
    """

    def __init__(self, store: ResultStore, tables: PublishedTables, run: str | None = None) -> None:
        measured = store.results(run).filter(pl.col("samples") > 0)
        self._tables = tables
        self._results = {row["cell"]: row for row in measured.iter_rows(named=True)}
        self._matcher = Matcher(tables, [cell for cell in store.cells(run) if cell.key in self._results])

    def table(self) -> pl.DataFrame:
        """Return a row for every published number and comparable cell, and one with the reason where there is none.

        Accuracies are fractions of 1; ``images`` is what the published number was measured on. The columns are those
        of :data:`COMPARISON_SCHEMA`, the rows in the order of the published numbers.
        """
        rows: list[Row] = []
        for number in self._tables.numbers:
            described: Row = {
                "source": number.source,
                "model": number.model,
                "dataset": number.dataset,
                "attack": "none" if number.attack == CLEAN else number.attack,
                **self._radius(number),
                "threat_model": TRANSFER,
                "defense": number.defense,
                "table_epsilon_255": number.table_epsilon_255,
                "images": sum(self._tables.names.datasets[name].images for name in self._members(number)),
                "published": number.accuracy,
            }
            found, reason = self._find(number)
            resolution = self._tables.resolution(number)
            rows += [{**described, **_columns(measured, number.accuracy, resolution)} for measured in found]
            if not found:
                rows.append({**described, "reason": reason})
        return pl.DataFrame(rows, schema=COMPARISON_SCHEMA, orient="row")

    def gates(self) -> list[GateResult]:
        """Return the measured accuracies of the gates, one result per gate and measurement."""
        results: list[GateResult] = []
        for gate in self._tables.names.gates:
            number = PublishedNumber(
                source="",
                model=gate.model,
                dataset=gate.dataset,
                attack=gate.attack,
                epsilon_255=gate.epsilon_255,
                defense=gate.defense,
                accuracy=gate.expected / 100,
                table_epsilon_255=gate.epsilon_255,
            )
            found, reason = self._find(number)
            norm = self._tables.norm(gate.attack) or "linf"
            results += [GateResult(gate, measured, norm=norm) for measured in found]
            if not found:
                results.append(GateResult(gate, None, reason, norm))
        return results

    def notes(self, sources: Iterable[str]) -> list[str]:
        """Return what a reader of numbers from these sources must know, each beginning with the source."""
        known = self._tables.names.sources
        return [f"{name}: {known[name].note}" for name in known if name in set(sources) and known[name].note]

    def _radius(self, number: PublishedNumber) -> Row:
        """Return the columns of :data:`~orchestrator.results.grouping.RADIUS_SCHEMA` for a number."""
        norm = self._tables.norm(number.attack)
        in_255 = None if norm == "l2" else number.epsilon_255
        return {"norm": norm, "epsilon": number.epsilon_255 / 255, "epsilon_255": in_255}

    def _find(self, number: PublishedNumber) -> tuple[list[Measured], str]:
        """Return the measurements of a number, or why there is none; of a mean, those of all its members.

        Each measurement of a mean has one cell of every member, all with the same weights and seed; where several names
        stand for a member, the cell is of the first of them that is measured. Of a single dataset, each name gives a
        measurement of its own. Of several versions of a cell, the latest counts.
        """
        members = self._members(number)
        matches = [self._matcher.match(replace(number, dataset=member)) for member in members]
        by_subject: dict[str, dict[int, StoredCell]] = {}
        for index, match in enumerate(matches):
            for cell in reversed(match.cells):
                subject = canonical_json([cell.specification["model"], cell.seed])
                name = cell.dataset if len(members) == 1 else ""
                by_subject.setdefault(f"{name} {subject}", {})[index] = cell
        complete = [cells for cells in by_subject.values() if len(cells) == len(members)]
        if complete:
            return [self._measured(list(cells.values())) for cells in complete], ""
        return [], _why_not(members, matches, by_subject.values())

    def _members(self, number: PublishedNumber) -> Sequence[str]:
        """Return the datasets of a mean, or the single dataset of the number."""
        return self._tables.names.means.get(number.dataset, (number.dataset,))

    def _measured(self, cells: Sequence[StoredCell]) -> Measured:
        rows = [self._results[cell.key] for cell in cells]
        badges = dict.fromkeys(badge for row in rows for badge in row["badges"].split(", ") if badge)
        return Measured(
            model=cells[0].model,
            dataset=", ".join(cell.dataset for cell in cells),
            seed=cells[0].seed,
            accuracy=sum(row["accuracy"] for row in rows) / len(rows),
            interval=mean_interval([(row["correct"], row["samples"]) for row in rows]),
            samples=sum(row["samples"] for row in rows),
            badges=", ".join(badges),
        )


def _why_not(members: Sequence[str], matches: Sequence[Match], partial: Iterable[Mapping[int, StoredCell]]) -> str:
    if len(members) == 1 or all(match.reason == matches[0].reason and match.reason for match in matches):
        return matches[0].reason
    best = max(partial, key=len, default={})
    if not best:
        return NOT_MEASURED
    missing = [member for index, member in enumerate(members) if index not in best]
    return f"{len(missing)} of the {len(members)} members of the mean are missing: {', '.join(missing)}"


def _columns(measured: Measured, published: float, resolution: float) -> Row:
    return {
        "measured_model": measured.model,
        "measured_dataset": measured.dataset,
        "seed": measured.seed,
        "samples": measured.samples,
        "accuracy": measured.accuracy,
        "accuracy_low": measured.interval.low,
        "accuracy_high": measured.interval.high,
        "difference": measured.accuracy - published,
        "within": measured.agrees(published, resolution),
        "badges": measured.badges,
    }
