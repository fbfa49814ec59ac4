"""The results database: all that the program reads from it and writes to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self

import polars as pl
from sqlalchemy import URL, CursorResult, bindparam, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from orchestrator.grid.cell import Cell
from orchestrator.store import leasing
from orchestrator.store.encoding.insertion import insert_blocks
from orchestrator.store.encoding.names import store_names
from orchestrator.store.encoding.packing import unpack
from orchestrator.store.encoding.rows import (
    BlockRow,
    Environments,
    block_rows,
    cell_row,
    environments_of,
    new_run_id,
    run_row,
    storable_text,
)
from orchestrator.store.encoding.statements import cell_ids, chunks, environment_ids, insert_new, update_facts
from orchestrator.store.engine import Database, is_sqlite, parse_url, require_file, shown
from orchestrator.store.errors import RunCancelledError, database_words, without_password
from orchestrator.store.leasing import DriverRecord, Tile
from orchestrator.store.reading.cells import MeasuredCell, StoredCell, measured_cells, stored_cells
from orchestrator.store.reading.environments import environments, environments_of_runs, name_of
from orchestrator.store.reading.frames import PackedBlock, outcomes_frame, view_frame
from orchestrator.store.reading.held import held_blocks, held_within
from orchestrator.store.reading.hits import Hits
from orchestrator.store.reading.names import class_names, sample_names
from orchestrator.store.reading.runs import find_run, summaries
from orchestrator.store.reading.speeds import DeviceTotals, device_totals
from orchestrator.store.records import INTERRUPTED, OUTCOMES, RunRecord, RunSummary, StoredBlock
from orchestrator.store.schema.columns import RESULTS, RUN_RESULTS
from orchestrator.store.schema.migrate import migrate
from orchestrator.store.schema.tables import Block, CellRow, EnvironmentRow, Run, RunCell
from scc_core.blocks import BlockRanges
from scc_core.errors import UserError
from scc_core.outcomes import BlockResult


class ResultStore:
    """The runs, cells and blocks of one database.

    Consistency:
        - One process, the driver, writes the results of a run; workers hold no database credentials. Several drivers
          may use one database: their writes wait for one another.
        - Every method is one transaction: it is done completely or, on any exception, not at all.
        - Every write is idempotent: a stored block stays as it is, so that a write may be repeated.
        - Readers see the last committed state and never wait for a writer.

    A store may be pickled, and several threads may use it. Connections are opened at their first use and not pickled.

    Every method raises :class:`StoreUnavailableError` while the database cannot be reached; the call may be repeated.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # The ids of cells by their keys, as far as they were asked for: they never change.
        self._ids: dict[str, int] = {}
        self._environment_ids: dict[str | None, int | None] = {None: None}

    @property
    def name(self) -> str:
        """The database's name for people: the path of an SQLite file, or the URL without password and options."""
        return shown(self._database.url)

    @property
    def url(self) -> URL:
        """The database's URL, with the password in it."""
        return self._database.url

    def ping(self) -> None:
        """Return if the database can be written now.

        Raises:
            StoreUnavailableError: it cannot.
        """
        with self._database.writing() as connection:
            connection.execute(text("SELECT 1"))

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> Self:
        """Open a database, and create or upgrade its tables.

        Args:
            url: ``sqlite:///FILE``, the path of an SQLite file, or ``postgresql://USER:PASSWORD@HOST/DATABASE``.
            create: whether a missing file is made and an empty database filled with tables.

        Raises:
            UserError: the database cannot be used; one line that says why and what to do, without a password.
        """
        database = Database(parse_url(url))
        require_file(database.url, exists=not create)
        try:
            migrate(database, create=create)
        except DBAPIError as error:
            words = without_password(database_words(error), database.url)
            raise UserError(f"{shown(database.url)} cannot be used as a results database: {words}") from None
        return cls(database)

    def close(self) -> None:
        """Close every connection; a later call opens new ones."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ResultStore({shown(self._database.url)!r})"

    def start_run(self, record: RunRecord, cells: Mapping[Cell, int], run_id: str | None = None) -> str:
        """Store a run and the cells that it asks for; return the run's id.

        Args:
            record: what is known of the run.
            cells: the number of samples, from the first on, that the run asks for of each cell.
            run_id: the id of a submitted run, made by :func:`new_run_id`; None makes a new one.
        """
        run_id = run_id or new_run_id(record.started_at)
        requested = {cell.key: samples for cell, samples in cells.items()}
        with self._database.writing() as connection:
            connection.execute(insert(Run), run_row(run_id, record))
            insert_new(connection, CellRow, [cell_row(cell, record.started_at) for cell in cells], "key")
            update_facts(connection, cells)
            store_names(connection, cells)
            ids = cell_ids(connection, requested)
            rows = [{"run_id": run_id, "cell_id": ids[key], "samples": count} for key, count in requested.items()]
            if rows:
                connection.execute(insert(RunCell), rows)
        return run_id

    def note_facts(self, cells: Iterable[Cell]) -> None:
        """Store what components and datasets of stored cells say of themselves today, as :meth:`start_run` does."""
        known = list(cells)
        with self._database.writing() as connection:
            update_facts(connection, known)
            store_names(connection, known)

    def finish_run(self, run_id: str, outcome: str) -> None:
        """Store how the run ended: ``complete``, ``failed`` or ``interrupted``.

        Raises:
            ValueError: another outcome.
            UserError: no such run.
        """
        if outcome not in OUTCOMES:
            raise ValueError(f"outcome is {outcome!r}, expected one of {', '.join(OUTCOMES)}")
        now = datetime.now(UTC)
        self._update_run(run_id, outcome=outcome, finished_at=now, heartbeat_at=now)

    def heartbeat(self, run_id: str) -> None:
        """Store that the run's driver is alive.

        Raises:
            RunCancelledError: the run was cancelled.
            UserError: no such run.
        """
        alive = update(Run).where(Run.id == run_id, Run.outcome.is_(None)).values(heartbeat_at=datetime.now(UTC))
        with self._database.writing() as connection:
            if connection.execute(alive).rowcount == 0:
                if connection.execute(select(Run.id).where(Run.id == run_id)).first() is None:
                    raise UserError(f"no run {run_id!r} in this database")
                raise RunCancelledError(run_id)

    def cancel_run(self, run_id: str) -> bool:
        """End an unfinished run; its driver notices at its next heartbeat. Return whether the run was unfinished."""
        unfinished = update(Run).where(Run.id == run_id, Run.outcome.is_(None))
        ended = unfinished.values(outcome=INTERRUPTED, finished_at=datetime.now(UTC))
        with self._database.writing() as connection:
            return connection.execute(ended).rowcount == 1

    def set_submission(self, run_id: str, submission: str | None) -> None:
        """Store the job by which a run was submitted to a cluster; None for a run that the command itself carries out.

        Raises:
            UserError: no such run.
        """
        self._update_run(run_id, submission=submission)

    def measured_blocks(
        self, keys: Iterable[str], within: Mapping[str, BlockRanges] | None = None
    ) -> dict[str, BlockRanges]:
        """Return the numbers of the stored blocks for each of the cells ``keys``; an empty set where there is none.

        Args:
            keys: keys of the cells.
            within: by the key of a cell, the numbers to look up; meant for few cells. None looks up all.
        """
        with self._database.reading() as connection:
            return held_blocks(connection, keys) if within is None else held_within(connection, within)

    def write_blocks(self, run_id: str, results: Sequence[BlockResult]) -> int:
        """Store blocks that a run has measured; a block that is stored already stays as it is.

        Returns:
            How many of them were new.

        Raises:
            ValueError: a block is of an unknown cell or has impossible contents; none of ``results`` is stored.
        """
        return self.write_rows(run_id, block_rows(results), environments_of(results))

    def write_rows(self, run_id: str, rows: Sequence[BlockRow], environments: Environments) -> int:
        """Store blocks as :func:`block_rows` returns them, and their environments; otherwise as :meth:`write_blocks`.

        Raises:
            ValueError: also for an environment that is neither given nor stored.
        """
        if not rows:
            return 0
        with self._database.writing() as connection:
            unknown = {row.cell for row in rows} - self._ids.keys()
            if unknown:
                self._ids.update(cell_ids(connection, unknown))
            new = {row.environment for row in rows if row.environment is not None} - self._environment_ids.keys()
            known = self._environment_ids | (environment_ids(connection, new, environments) if new else {})
            written = insert_blocks(connection, run_id, rows, self._ids, known)
        # Only now: an id of a transaction that failed may be given to another environment.
        self._environment_ids = known
        return written

    def fail_cells(self, run_id: str, keys: Iterable[str], error: str, traceback: str) -> None:
        """Store why cells of a run failed.

        Args:
            run_id: the run.
            keys: keys of the cells.
            error: the message, in one line.
            traceback: the traceback of the exception.

        What a database cannot hold of the texts is written as escapes, and very long ones are cut in their middle.

        Raises:
            ValueError: the run does not ask for one of the cells; nothing is stored.
        """
        wanted = set(keys)
        why = {"error": storable_text(error), "traceback": storable_text(traceback)}
        with self._database.writing() as connection:
            ids = list(cell_ids(connection, wanted).values())
            changed = 0
            for chunk in chunks(ids):
                failed = update(RunCell).where(RunCell.run_id == run_id, RunCell.cell_id.in_(chunk))
                changed += connection.execute(failed.values(why)).rowcount
            if changed != len(wanted):
                raise ValueError(f"run {run_id} asks for {changed} of the {len(wanted)} cells that failed")

    def clear_failures(self, run_id: str) -> None:
        """Prepare a run for its continuation: delete its failures and its outcome, and note that its driver is alive.

        Raises:
            UserError: no such run.
        """
        with self._database.writing() as connection:
            reopened = {"outcome": None, "finished_at": None, "heartbeat_at": datetime.now(UTC)}
            self._require_one(connection.execute(update(Run).where(Run.id == run_id).values(reopened)), run_id)
            connection.execute(update(RunCell).where(RunCell.run_id == run_id).values(error=None, traceback=None))

    def runs(self) -> list[RunSummary]:
        """Return every run, the latest first."""
        with self._database.reading() as connection:
            return summaries(connection)

    def run(self, run_id: str | None = None) -> RunSummary:
        """Return the run whose id is or begins with ``run_id``; the latest for None.

        Raises:
            UserError: no run has this id, or several have; the latest runs are named.
        """
        with self._database.reading() as connection:
            return summaries(connection, find_run(connection, run_id))[0]

    def run_cells(self, run_id: str) -> dict[str, int]:
        """Return how many samples the run asks for, by the key of the cell."""
        query = select(CellRow.key, RunCell.samples).join(CellRow, CellRow.id == RunCell.cell_id)
        with self._database.reading() as connection:
            return {row.key: row.samples for row in connection.execute(query.where(RunCell.run_id == run_id))}

    def cells(self, run_id: str | None = None) -> list[StoredCell]:
        """Return every cell, or those of a run with the number of samples that it asks for.

        Raises:
            UserError: no such run.
        """
        with self._database.reading() as connection:
            return stored_cells(connection, None if run_id is None else find_run(connection, run_id))

    def measured_cells(self, names: Mapping[str, Collection[str]]) -> list[MeasuredCell]:
        """Return the cells of which anything is measured, with the newest run that asked for each.

        Args:
            names: by the name of a column of ``results`` such as ``defense``, the values of it that are looked up.
        """
        with self._database.reading() as connection:
            return measured_cells(connection, names)

    def newest_runs(self) -> dict[str, str]:
        """Return the newest run that asked for each cell, by the cell's key."""
        query = select(CellRow.key, func.max(RunCell.run_id).label("run")).join(RunCell, RunCell.cell_id == CellRow.id)
        with self._database.reading() as connection:
            return {row.key: row.run for row in connection.execute(query.group_by(CellRow.key))}

    def count_afresh(self) -> None:
        """Update the statistics of PostgreSQL's planner, which it does itself only minutes later; SQLite needs none."""
        if not is_sqlite(self._database.url):
            with self._database.writing() as connection:
                connection.execute(text("ANALYZE cell, run_cell, block"))

    def set_badges(self, badges: Mapping[str, str]) -> None:
        """Store the badges of cells by their keys, in place of those that they have."""
        if not badges:
            return
        statement = update(CellRow).where(CellRow.key == bindparam("of")).values(badges=bindparam("joined"))
        rows = [{"of": key, "joined": joined} for key, joined in badges.items()]
        with self._database.writing() as connection:
            connection.execute(statement, rows)

    def hits(self, cell_key: str, limit: int | None = None) -> Hits:
        """Return which samples of a cell are right, of the first ``limit`` or of all."""
        return self.hits_of([cell_key], limit)[cell_key]

    def hits_of(self, cell_keys: Iterable[str], limit: int | None = None) -> dict[str, Hits]:
        """Return which samples are right, of the first ``limit`` or of all, by the key of the cell."""
        blocks: dict[str, list[tuple[int, str]]] = {key: [] for key in cell_keys}
        query = select(CellRow.key, Block.number, Block.hits).join(CellRow, CellRow.id == Block.cell_id)
        with self._database.reading() as connection:
            for chunk in chunks(blocks):
                for key, number, text in connection.execute(query.where(CellRow.key.in_(chunk))):
                    blocks[key].append((number, text))
        return {key: Hits.of_blocks(own, limit) for key, own in blocks.items()}

    def environments(self) -> dict[str, Mapping[str, Any]]:
        """Return the facts of every environment by its name, as the column ``environments`` of the views has it."""
        with self._database.reading() as connection:
            return environments(connection)

    def environments_of_runs(self, run_id: str | None = None) -> dict[str, list[str]]:
        """Return by the id of a run the names of the environments that measured its samples, whichever run did."""
        with self._database.reading() as connection:
            return environments_of_runs(connection, run_id)

    def device_totals(self) -> list[DeviceTotals]:
        """Return seconds and passes of all that is measured, by device, model and precision."""
        with self._database.reading() as connection:
            return device_totals(connection)

    def outcomes(self, cell_keys: Iterable[str], *, scores: bool = False) -> pl.DataFrame:
        """Return what is measured of some cells, one row per sample.

        Args:
            cell_keys: keys of the cells.
            scores: whether to return the softmax probability of every class, too.

        Returns:
            Columns ``cell``, ``position`` (in the dataset's fixed order), ``sample_id``, ``label``, ``prediction``,
            ``margin``, ``confidence``, ``correct``; in the order of ``cell_keys``, then of the position. With
            ``scores`` also ``scores``, a list per sample in label order, null for datasets of many classes.
        """
        keys = list(dict.fromkeys(cell_keys))
        query = select(CellRow.key, Block.number, Block.outcomes).join(Block, Block.cell_id == CellRow.id)
        blocks: list[PackedBlock] = []
        with self._database.reading() as connection:
            for chunk in chunks(keys):
                rows = connection.execute(query.where(CellRow.key.in_(chunk)))
                blocks += [PackedBlock(*row) for row in rows]
        rank = {key: index for index, key in enumerate(keys)}
        ordered = sorted(blocks, key=lambda block: (rank[block.cell], block.number))
        return outcomes_frame(ordered, scores=scores)

    def stored_blocks(self, blocks: Collection[tuple[str, int]]) -> dict[tuple[str, int], StoredBlock]:
        """Return what is stored of some blocks, each a cell's key and a number; others are missing."""
        query = select(CellRow.key, Block.number, Block.outcomes, EnvironmentRow.digest)
        query = query.join(Block, Block.cell_id == CellRow.id)
        query = query.outerjoin(EnvironmentRow, EnvironmentRow.id == Block.environment_id)
        numbers = {number for _, number in blocks}
        found = {}
        with self._database.reading() as connection:
            for chunk in chunks(sorted({key for key, _ in blocks})):
                rows = connection.execute(query.where(CellRow.key.in_(chunk), Block.number.in_(numbers)))
                for key, number, packed, digest in rows:
                    if (key, number) in blocks:
                        found[key, number] = StoredBlock(unpack(packed), name_of(digest))
        return found

    def class_names(self, cells: Iterable[StoredCell]) -> dict[str, tuple[str, ...]]:
        """Return what prompts call the classes, in label order, by the key of the cell; else the labels as text."""
        with self._database.reading() as connection:
            return class_names(connection, cells)

    def sample_names(self, cell: StoredCell) -> pl.DataFrame:
        """Return the columns ``sample_id`` and ``name`` of a cell's dataset, as far as its names are stored."""
        with self._database.reading() as connection:
            return sample_names(connection, cell)

    def results(self, run_id: str | None = None) -> pl.DataFrame:
        """Return the view ``results``, or for a run its part of ``run_results``; columns as in :data:`VIEWS`.

        Raises:
            UserError: no such run.
        """
        view = RESULTS if run_id is None else RUN_RESULTS
        columns = ", ".join(column.name for column in view.columns)
        with self._database.reading() as connection:
            if run_id is None:
                rows = connection.execute(text(f"SELECT {columns} FROM results"))
            else:
                query = text(f"SELECT {columns} FROM run_results WHERE run = :run")
                rows = connection.execute(query, {"run": find_run(connection, run_id)})
            return view_frame(view, rows.all())

    def driver_heartbeat(self, driver: DriverRecord) -> int:
        """Note that a driver lives, and register it at the first call; return how many other drivers live.

        This and the next four methods are for PostgreSQL, where several drivers use one database.
        """
        with self._database.writing() as connection:
            return leasing.driver_heartbeat(connection, driver)

    def acquire_leases(
        self, driver: DriverRecord, tiles: Sequence[Tile], *, dead: Collection[str] = (), take_expired: bool = False
    ) -> set[Tile]:
        """Lease tiles for a driver, and return those it holds now; see :func:`leasing.acquire_leases`."""
        with self._database.writing() as connection:
            return leasing.acquire_leases(connection, driver, tiles, dead=dead, take_expired=take_expired)

    def release_leases(self, driver: DriverRecord, tiles: Sequence[Tile]) -> None:
        """Release leases of a driver."""
        with self._database.writing() as connection:
            leasing.release_leases(connection, driver, tiles)

    def remove_driver(self, driver: DriverRecord) -> None:
        """Remove a driver and its leases."""
        with self._database.writing() as connection:
            leasing.remove_driver(connection, driver)

    def drivers_on_machine(self, driver: DriverRecord) -> dict[str, int]:
        """Return the process numbers of the other drivers on a driver's machine, by their ids; some may be dead."""
        with self._database.reading() as connection:
            return leasing.drivers_on_machine(connection, driver)

    def _update_run(self, run_id: str, **values: object) -> None:
        with self._database.writing() as connection:
            self._require_one(connection.execute(update(Run).where(Run.id == run_id).values(**values)), run_id)

    @staticmethod
    def _require_one(result: CursorResult[Any], run_id: str) -> None:
        if result.rowcount != 1:
            raise UserError(f"no run {run_id!r} in this database")
