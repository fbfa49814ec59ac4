"""The norm of a radius: in both views, beside a radius in its own unit, filled in by the upgrade of an old database."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from orchestrator.store import ResultStore, read_only_query
from orchestrator.store.engine import Database, parse_url
from scc_core.components.component import Component
from tests.orchestrator.store.builders import make_block, make_cell, start

DATA = Path(__file__).parent / "data"
L2 = Component("attack", "pgd", {"norm": "l2", "step_size": 0.1}).resolved()
PGD = {"step_size": 1 / 255, "relative_step_size": None, "norm": "linf"}
BALL = {"epsilon": 4 / 255, "step_size": 1 / 255}

OLD_CELLS = [
    # attack's label, attack, its parameters, epsilon_255, defense, its parameters, norm, badges
    ("none", "none", {}, 0.0, "none", {}, None, ""),
    ("pgd", "pgd", PGD, 4.0, "ttc", BALL, "linf", ""),
    ("pgd", "pgd", PGD, 0.5, "none", {}, "linf", ""),
    ("pgd", "pgd", PGD, 0.4999, "none", {}, "linf", "step beyond the ball"),
    ("pgd(step_size=255/255)", "pgd", {**PGD, "step_size": 1.0}, 4.0, "none", {}, "linf", "step beyond the ball"),
    ("surrogate", "transfer", {**PGD, "step_size": 1.0}, 4.0, "none", {}, "linf", "step beyond the ball"),
    ("pgd(x)", "pgd", {"norm": "linf", "relative_step_size": 2.5}, 4.0, "none", {}, "linf", "step beyond the ball"),
    ("pgd", "pgd", PGD, 255.0, "none", {}, "linf", "radius above 64/255"),
    ("square", "square", {}, 65.0, "none", {}, "linf", "radius above 64/255"),
    ("none", "none", {}, 0.0, "ttc", {**BALL, "step_size": 1.0}, None, "step beyond the ball"),
    ("none", "none", {}, 0.0, "scc", {**BALL, "epsilon": 1.0}, None, "radius above 64/255"),
    ("none", "none", {}, 0.0, "random-noise", {"epsilon": 1.0}, None, "radius above 64/255"),
    ("none", "none", {}, 0.0, "clipure-cos", {"step_size": 30.0}, None, ""),
    ("pgd(norm=l2, step_size=25.5/255)", "pgd", {"norm": "l2", "step_size": 0.1}, 127.5, "none", {}, "l2", ""),
    ("pgd(norm=l2)", "pgd", {"norm": "l2", "step_size": 1.1}, 127.5, "none", {}, "l2", "step beyond the ball"),
    ("mine:Attack", "mine:Attack", {"step_size": 1.0}, 4.0, "mine:Defense", {"epsilon": 1.0}, None, None),
]
"""Stored cells, and what an upgrade tells of them; None where nothing is asserted."""

COPIED = {
    "cell": "model, dataset, threat_model, seed, precision, preprocessing, classes, demonstration, attack_group, "
    "created_at",
    "run_cell": "run_id, samples, error, traceback",
    "block": "number, samples, correct, hits, sum_confidence, sum_margin, zero_gradients, attack_seconds, "
    "attack_forwards, attack_backwards, attack_peak_memory_mib, defense_seconds, defense_forwards, "
    "defense_backwards, defense_peak_memory_mib, device, worker, run_id, created_at, outcomes",
}


@pytest.fixture(params=["sqlite", "postgresql"])
def old_url(request: pytest.FixtureRequest) -> str:
    """A database of schema 0003 with cells of many attacks."""
    url = str(request.getfixturevalue(f"{request.param}_url"))
    if request.param == "sqlite":
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.executescript((DATA / "schema_0003.sql").read_text())
        connection.close()
    else:
        with Database(parse_url(url)).writing() as writing:
            writing.exec_driver_sql((DATA / "postgresql_0003.sql").read_text().replace("%", "%%"))
    with Database(parse_url(url)).writing() as writing:
        for number, (label, attack, lengths, epsilon, defense, own, _, badges) in enumerate(OLD_CELLS, start=10):
            specification = {
                "attack": {"name": attack, "parameters": lengths},
                "defense": {"name": defense, "parameters": own},
            }
            # The badge that a run gave stays the first.
            former = "" if badges is None else "one draw"
            names = f"{number}, 'key {number}', '{label}', {epsilon}, '{defense}'"
            values = f"{names}, '{json.dumps(specification)}', '{former}'"
            writing.exec_driver_sql(
                f"INSERT INTO cell (id, key, attack, epsilon_255, defense, specification, badges, {COPIED['cell']}) "
                f"SELECT {values}, {COPIED['cell']} FROM cell WHERE id = 1"
            )
            for table in ("run_cell", "block"):
                writing.exec_driver_sql(
                    f"INSERT INTO {table} (cell_id, {COPIED[table]}) "
                    f"SELECT {number}, {COPIED[table]} FROM {table} WHERE cell_id = 1"
                )
        writing.exec_driver_sql("DELETE FROM block WHERE cell_id = 14")
    return url


def test_an_upgrade_tells_the_norm_and_marks_lengths_that_have_probably_another_unit(old_url: str) -> None:
    ResultStore.open(old_url).close()
    rows = read_only_query(old_url, "SELECT cell, norm, badges FROM results WHERE substr(cell, 1, 4) = 'key '")
    told = {cell: (norm, badges) for cell, norm, badges in rows.iter_rows()}
    for number, (*_, norm, badges) in enumerate(OLD_CELLS, start=10):
        if number == 14:
            # What has no samples has no badge.
            badges = ""
        expected = "" if badges is None else ", ".join(filter(None, ("one draw", badges)))
        assert told[f"key {number}"] == (norm, expected), OLD_CELLS[number - 10]


def test_an_upgrade_writes_l2_in_its_own_unit(old_url: str) -> None:
    ResultStore.open(old_url).close()
    sql = "SELECT attack, epsilon, epsilon_255 FROM {} WHERE norm = 'l2' ORDER BY attack"
    for view in ("results", "run_results"):
        assert read_only_query(old_url, sql.format(view)).rows() == [
            ("pgd(norm=l2)", 0.5, None),
            ("pgd(norm=l2, step_size=0.1)", 0.5, None),
        ]
    unknown = "SELECT norm, epsilon, epsilon_255 FROM results WHERE attack = 'mine:Attack'"
    assert read_only_query(old_url, unknown).rows() == [(None, pytest.approx(4 / 255), 4.0)]


def test_both_views_and_the_stored_cells_tell_the_norm(store: ResultStore, url: str) -> None:
    clean, linf, euclidean = make_cell(0, attack=None), make_cell(1), make_cell(2, attack=L2, epsilon_255=127.5)
    for cell in (clean, linf, euclidean):
        store.write_blocks(start(store, cell, 50), [make_block(cell)])
    for view in ("results", "run_results"):
        rows = read_only_query(url, f"SELECT norm, epsilon, epsilon_255 FROM {view} ORDER BY seed").rows()
        assert rows == [(None, 0.0, 0.0), ("linf", linf.epsilon_255 / 255, linf.epsilon_255), ("l2", 0.5, None)]
    stored = {cell.key: (cell.norm, cell.epsilon, cell.epsilon_255) for cell in store.cells()}
    assert stored[euclidean.key] == ("l2", 0.5, 127.5)
    assert (stored[clean.key][0], stored[linf.key][0]) == (None, "linf")
    average = "SELECT epsilon_255, count(*) AS cells FROM results WHERE epsilon_255 > 0 GROUP BY epsilon_255"
    assert read_only_query(url, average).rows() == [(linf.epsilon_255, 1)]
    assert store.results().sort("seed")["attack"][2] == "pgd(norm=l2, step_size=0.1)"


def test_a_run_tells_the_norm_of_cells_that_are_there_already(store: ResultStore, url: str) -> None:
    cell = make_cell()
    start(store, cell, 50)
    with Database(parse_url(url)).writing() as writing:
        writing.exec_driver_sql("UPDATE cell SET norm = NULL")
    start(store, cell, 50)
    assert store.results()["norm"].to_list() == ["linf"]
