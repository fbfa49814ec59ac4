"""What defenses and models say of themselves: stored with each cell, shown by the views, filled in by the upgrade."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import polars as pl
import pytest

from orchestrator.store import ResultStore, read_only_query
from orchestrator.store.engine import Database, parse_url
from orchestrator.store.schema.columns import RESULTS, RUN_RESULTS
from scc_core.components.component import Component
from scc_core.identity import ModelSpec
from tests.orchestrator.store.builders import make_cell, make_record, row_of, start

DATA = Path(__file__).parent / "data"
FACTS = ("control", "family", "randomised")
OLD_CELLS = {
    ("hf-hub:wisdomik/QuiltNet-B-32", "flip"): (True, "biomedical", False),
    ("hf-hub:wisdomik/QuiltNet-B-32@main", "views(num_views=8)"): (True, "biomedical", True),
    ("hf-hub:wisdomik/QuiltNet-B-32-mine", "scc(spatial=false)"): (False, None, True),
    ("openai/ViT-B-32", "none"): (False, "general", False),
    ("hf-hub:chs20/fare2-clip", "csr"): (False, "adversarially fine-tuned", False),
    ("package.module:medium-clip", "package.module:flip"): (None, None, None),
    ("local-dir:/models/demo-clip", "Flip(right=1)"): (None, None, None),
}
"""Names of stored cells, and what an upgrade tells of them."""


def renamed_copies(connection: Database) -> None:
    """Give the old database's first cell, with its request and blocks, once more under each of the names."""
    columns = {
        "cell": "dataset, attack, epsilon_255, threat_model, seed, precision, preprocessing, classes, demonstration, "
        "attack_group, specification, badges, created_at",
        "run_cell": "run_id, samples, error, traceback",
        "block": "number, samples, correct, hits, sum_confidence, sum_margin, zero_gradients, attack_seconds, "
        "attack_forwards, attack_backwards, attack_peak_memory_mib, defense_seconds, defense_forwards, "
        "defense_backwards, defense_peak_memory_mib, device, worker, run_id, created_at, outcomes",
    }
    with connection.writing() as writing:
        for number, (model, defense) in enumerate(OLD_CELLS, start=10):
            names = f"{number}, 'key {number}', '{model}', '{defense}'"
            writing.exec_driver_sql(
                f"INSERT INTO cell (id, key, model, defense, {columns['cell']}) "
                f"SELECT {names}, {columns['cell']} FROM cell WHERE id = 1"
            )
            for table in ("run_cell", "block"):
                writing.exec_driver_sql(
                    f"INSERT INTO {table} (cell_id, {columns[table]}) "
                    f"SELECT {number}, {columns[table]} FROM {table} WHERE cell_id = 1"
                )


@pytest.fixture(params=["sqlite", "postgresql"])
def old_url(request: pytest.FixtureRequest) -> str:
    """A database of schema 0003 with cells of many names."""
    url = str(request.getfixturevalue(f"{request.param}_url"))
    if request.param == "sqlite":
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.executescript((DATA / "schema_0003.sql").read_text())
        connection.close()
    else:
        with Database(parse_url(url)).writing() as writing:
            writing.exec_driver_sql((DATA / "postgresql_0003.sql").read_text().replace("%", "%%"))
    renamed_copies(Database(parse_url(url)))
    return url


def rows_of(url: str, view: str) -> pl.DataFrame:
    return read_only_query(url, f"SELECT * FROM {view} ORDER BY cell")


def test_an_upgrade_fills_in_what_stored_names_tell_and_leaves_the_rest_unknown(old_url: str) -> None:
    with ResultStore.open(old_url) as store:
        rows = store.results().filter(pl.col("cell").str.starts_with("key")).iter_rows(named=True)
        found = {(row["model"], row["defense"]): tuple(row[name] for name in FACTS) for row in rows}
    assert found == OLD_CELLS


def test_an_upgrade_leaves_every_former_column_of_the_views_as_it_was(old_url: str) -> None:
    before = {view.name: rows_of(old_url, view.name) for view in (RESULTS, RUN_RESULTS)}
    ResultStore.open(old_url).close()
    for name, old in before.items():
        new = rows_of(old_url, name)
        assert old.height == 2 + len(OLD_CELLS)
        assert new.columns[: len(old.columns) + len(FACTS)] == [*old.columns, *FACTS]
        assert set(new["environments"]) == {"unknown", None}
        assert new.select(old.columns).equals(old)


def told(seed: int = 0, family: str | None = "biomedical"):
    return make_cell(
        seed,
        model=ModelSpec("quilt", "d" * 64, family=family),
        defense=Component("defense", "pkg:mine", control=True, randomised=False),
    )


def silent(seed: int = 0):
    return make_cell(seed, model=ModelSpec("quilt", "d" * 64), defense=Component("defense", "pkg:mine"))


def facts(store: ResultStore, run: str | None = None) -> list[tuple[object, ...]]:
    return store.results(run).select(FACTS).rows()


def test_facts_are_no_part_of_the_key() -> None:
    assert told().key == silent().key
    assert told().specification() == silent().specification()


def test_both_views_and_the_stored_cells_tell_them(store: ResultStore) -> None:
    run = start(store, told(), 50)
    assert facts(store) == facts(store, run) == [(True, "biomedical", False)]
    (stored,) = store.cells()
    assert (stored.control, stored.family, stored.randomised) == (True, "biomedical", False)
    assert all({*FACTS} <= {column.name for column in view.columns} for view in (RESULTS, RUN_RESULTS))


def test_a_run_tells_them_of_cells_that_are_there_already_and_never_forgets_them(store: ResultStore) -> None:
    start(store, silent(), 50)
    assert facts(store) == [(None, None, None)]
    for cell in (told(), told(), silent()):
        start(store, cell, 50)
        assert facts(store) == [(True, "biomedical", False)]
    start(store, told(family="general"), 50)
    assert facts(store) == [(True, "general", False)]


def test_only_the_cells_of_a_run_are_told_of(store: ResultStore) -> None:
    many = {silent(seed): 50 for seed in range(600)}
    store.start_run(make_record(), many)
    store.note_facts([told(seed) for seed in range(1, 600)])
    known = store.results().filter(pl.col("control").is_not_null())
    assert known.height == 599
    assert row_of(store.results(), silent(0))["family"] is None
