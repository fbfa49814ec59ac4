"""Whatever a worker sends, its cell fails with the reason stored, and everything beside it is written."""

from __future__ import annotations

import json
import pickle
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.store import ResultStore, StoreUnavailableError
from orchestrator.writing.reconnect import DatabaseConnection
from orchestrator.writing.spool import spool_of
from orchestrator.writing.writer import Writer, write_leftover_spools
from scc_core.blocks import BLOCK_SIZE
from scc_core.cost import Cost
from scc_core.machine.settings import CACHE
from scc_core.outcomes import BlockResult, Failure
from tests.orchestrator.store.builders import make_block, make_cell, make_record
from workers.report import Report

BAD, GOOD = make_cell(0), make_cell(1)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE.name, str(tmp_path / "cache"))
    monkeypatch.setattr("orchestrator.writing.reconnect._FIRST_PAUSE", 0.02)
    monkeypatch.setattr("orchestrator.store.engine.BUSY_TIMEOUT_MS", 20)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ResultStore]:
    url = str(tmp_path / "results.db")
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    with ResultStore.open(url) as opened:
        yield opened


def writer_of(store: ResultStore, run: str, said: list[str]) -> Writer:
    spool = spool_of(store.url, run)
    return Writer(run, store, spool, DatabaseConnection(store, said.append, "results wait"), said.append)


def started(store: ResultStore) -> str:
    return store.start_run(make_record(), {BAD: 500, GOOD: 500})


def outcomes(**columns: Any) -> Callable[[BlockResult], BlockResult]:
    """A block of which some columns are others: an array, or the one value of a sample."""

    def changed(block: BlockResult) -> BlockResult:
        new = {}
        for name, value in columns.items():
            array = getattr(block.outcomes, name)
            new[name] = value if isinstance(value, np.ndarray) or value is None else array.copy()
            if new[name] is not value:
                new[name][3] = value
        return replace(block, outcomes=replace(block.outcomes, **new))

    return changed


def block(**columns: Any) -> Callable[[BlockResult], BlockResult]:
    return lambda one: replace(one, **columns)


UNSTORABLE = {
    "margin of minus infinity": outcomes(margins=-np.inf),
    "margin of NaN": outcomes(margins=np.nan),
    "margins whose infinities cancel": outcomes(margins=np.array([np.inf, -np.inf] * 25, np.float32)),
    "confidence of NaN": outcomes(confidences=np.nan),
    "confidence above 1": outcomes(confidences=1.5),
    "negative confidence": outcomes(confidences=-0.5),
    "prediction above the classes": outcomes(predictions=10),
    "negative prediction": outcomes(predictions=-1),
    "label above the classes": outcomes(labels=10),
    "too few predictions": outcomes(predictions=np.zeros(49, np.int32)),
    "too many margins": outcomes(margins=np.zeros(51, np.float32)),
    "predictions that are a matrix": outcomes(predictions=np.zeros((50, 2), np.int32)),
    "predictions that are no whole numbers": outcomes(predictions=np.full(50, 0.5)),
    "predictions beyond their type": outcomes(predictions=np.full(50, 2**40)),
    "predictions of text": outcomes(predictions=np.array(["cat"] * 50)),
    "no margins": outcomes(margins=None),
    "scores of NaN": outcomes(scores=np.full((50, 10), np.nan, np.float16)),
    "scores of too few classes": outcomes(scores=np.full((50, 9), 0.1, np.float16)),
    "scores of fewer samples": outcomes(scores=np.full((49, 10), 0.1, np.float16)),
    "no outcomes": block(outcomes=None),
    "fewer samples than the dataset has": lambda one: make_block(BAD, one.block, [True] * 49),
    "more samples than a block has": lambda one: make_block(BAD, one.block, [True] * 51),
    "no samples": lambda one: make_block(BAD, one.block, []),
    "a block beyond the dataset": block(block=10_000),
    "a block beyond four bytes": block(block=2**40),
    "a negative block": block(block=-1),
    "a block that is no number": block(block="1"),
    "infinite seconds": block(attack=Cost(float("inf"))),
    "NaN seconds": block(defense=Cost(float("nan"))),
    "negative seconds": block(defense=Cost(-1.0)),
    "absurd seconds": block(defense=Cost(1e308)),
    "negative passes": block(attack=Cost(1.0, -1, 0)),
    "passes beyond eight bytes": block(attack=Cost(1.0, 2**63, 0)),
    "passes that no database can sum": block(defense=Cost(1.0, 1, 2**62)),
    "passes that are no whole number": block(attack=Cost(1.0, 0.5, 0)),
    "infinite memory": block(attack=Cost(1.0, 1, 1, float("inf"))),
    "no cost": block(attack=None),
    "more zero gradients than samples": block(zero_gradients=51),
    "negative zero gradients": block(zero_gradients=-1),
    "a device with a NUL": block(device="H200\0"),
    "a worker with half a surrogate": block(worker="host\ud800"),
    "no device": block(device=None),
}


@pytest.mark.parametrize("kind", UNSTORABLE)
def test_a_block_that_cannot_be_stored_fails_its_cell_alone(store: ResultStore, kind: str) -> None:
    run, said = started(store), []
    writer = writer_of(store, run, said)
    bad = UNSTORABLE[kind](make_block(BAD, 1))
    writer.add([make_block(GOOD, 0), make_block(BAD, 0), bad, make_block(GOOD, 1)], BAD.dataset)
    assert (writer.take_unstorable(), writer.take_unstorable()) == ({BAD.key}, set())
    writer.add([make_block(GOOD, 2)], BAD.dataset)
    writer.finish()
    rows = {row["cell"]: row for row in store.results(run).iter_rows(named=True)}
    assert {key: (row["status"], row["samples"]) for key, row in rows.items()} == {
        GOOD.key: ("partial", 3 * BLOCK_SIZE),
        BAD.key: ("failed", BLOCK_SIZE),
    }
    assert rows[BAD.key]["error"]
    assert said == []
    # A resume measures the block again, and what comes is stored.
    store.clear_failures(run)
    writer.add([make_block(BAD, 1)], BAD.dataset)
    writer.finish()
    assert store.results(run).filter(cell=BAD.key)["samples"].item() == 2 * BLOCK_SIZE


def test_what_is_stored_can_be_summed_however_large_it_is(store: ResultStore) -> None:
    run = started(store)
    most = np.full(BLOCK_SIZE, np.finfo(np.float32).max)
    huge = outcomes(margins=most)(make_block(BAD, 0))
    huge = replace(huge, attack=Cost(1e9, 2**40, 2**40, 1e9), defense=Cost(1e9, 2**40, 2**40, 1e9))
    writer = writer_of(store, run, [])
    writer.add([replace(huge, block=number) for number in range(10)], BAD.dataset)
    writer.finish()
    assert writer.take_unstorable() == set()
    row = store.results(run).filter(cell=BAD.key).row(0, named=True)
    assert row["mean_margin"] == pytest.approx(float(most[0]))
    assert row["forwards_per_image"] == 2**40 / BLOCK_SIZE


def test_the_reason_names_the_block_and_what_is_wrong_with_it(store: ResultStore) -> None:
    run = started(store)
    writer = writer_of(store, run, [])
    writer.add([outcomes(predictions=10)(make_block(BAD, 1))], BAD.dataset)
    writer.finish()
    error = store.results(run).filter(cell=BAD.key)["error"].item()
    assert error == f"ValueError: a prediction of block 1 of cell {BAD.key[:12]} is 10, expected a class from 0 to 9"


def test_a_row_that_only_the_database_refuses_takes_none_beside_it_with_it(store: ResultStore) -> None:
    run = started(store)
    writer = writer_of(store, run, [])
    writer.add([make_block(GOOD, 0), make_block(BAD, 0), make_block(GOOD, 1)])
    slipped = writer._collected[1]
    writer._collected[1] = slipped._replace(hits=slipped.hits[1:])
    writer.finish()
    assert writer.take_unstorable() == {BAD.key}
    rows = {row["cell"]: row for row in store.results(run).iter_rows(named=True)}
    assert {key: (row["status"], row["samples"]) for key, row in rows.items()} == {
        GOOD.key: ("partial", 2 * BLOCK_SIZE),
        BAD.key: ("failed", 0),
    }


@pytest.mark.parametrize("text", ["it said \0", "half \ud800", "long " * 10**6])
def test_a_failure_is_stored_whatever_its_text_is(store: ResultStore, text: str) -> None:
    run = started(store)
    writer = writer_of(store, run, [])
    writer.add_failures({BAD.key: Failure(text, text)})
    writer.finish()
    error = store.results(run).filter(cell=BAD.key)["error"].item()
    assert error.startswith(text[:4])
    assert len(error) < 21_000


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the rows of the bad cell in a spool, as a program of another version would have written them."""
    lines = []
    for line in path.read_bytes().splitlines():
        value = json.loads(line.partition(b" ")[2])
        for row in value["blocks"]:
            if row["cell"] == BAD.key:
                change(row)
        text = json.dumps(value).encode()
        lines.append(b"%08x %b\n" % (zlib.crc32(text), text))
    path.write_bytes(b"".join(lines))


SPOOLED: dict[str, Callable[[dict[str, Any]], None]] = {
    "NaN": lambda row: row.update(sum_margin=float("nan")),
    "infinite": lambda row: row.update(sum_margin=float("-inf")),
    "beyond eight bytes": lambda row: row.update(attack_forwards=2**70),
    "text for a number": lambda row: row.update(samples="50"),
    "null for a text": lambda row: row.update(hits=None),
    "damaged outcomes": lambda row: row.update(outcomes="AAAA"),
    "no base64": lambda row: row.update(outcomes=7),
    "a column too many": lambda row: row.update(mood="good"),
    "a column too few": lambda row: row.pop("device"),
    "no time": lambda row: row.update(created_at="yesterday"),
    "a cell that the run does not ask for": lambda row: row.update(cell="f" * 64),
}


@pytest.mark.parametrize("kind", SPOOLED)
def test_bad_rows_in_a_spool_of_an_earlier_version_block_no_resume(tmp_path: Path, kind: str) -> None:
    with ResultStore.open(str(tmp_path / "results.db")) as store:
        run, said = started(store), []
        writer = writer_of(store, run, said)
        writer._connection.lost(StoreUnavailableError("away"))
        writer.add([make_block(GOOD, 0), make_block(BAD, 0), make_block(BAD, 1)])
        writer.add_failures({})
        writer.add([make_block(GOOD, 1)])
        writer.stop()
        rewritten(spool_of(store.url, run).path, SPOOLED[kind])
        said.clear()
        write_leftover_spools(store, said.append)
        samples = {row["cell"]: row["samples"] for row in store.results(run).iter_rows(named=True)}
        assert samples == {GOOD.key: 2 * BLOCK_SIZE, BAD.key: 0}
        assert said == [
            f"2 blocks of run {run} that waited for the database are stored",
            "2 blocks that waited with them cannot be stored; `sccbench resume` measures them again",
        ]
        assert not spool_of(store.url, run).path.exists()


def test_a_bad_row_meets_a_database_that_is_away(tmp_path: Path) -> None:
    with ResultStore.open(str(tmp_path / "results.db")) as store:
        run = started(store)
        writer = writer_of(store, run, [])
        other = sqlite3.connect(store.name, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        writer.add([make_block(GOOD, 0), outcomes(margins=np.nan)(make_block(BAD, 0))])
        assert writer.take_unstorable() == {BAD.key}
        other.execute("ROLLBACK")
        writer.finish()
        assert store.run(run).cells_failed == 1
        assert store.results(run).filter(cell=GOOD.key)["samples"].item() == BLOCK_SIZE


@pytest.mark.parametrize("kind", ["too few predictions", "too many margins", "no margins"])
def test_columns_of_another_length_do_not_shift_the_results_that_travel_with_them(kind: str) -> None:
    sent = [make_block(GOOD, 0, seed=1), UNSTORABLE[kind](make_block(BAD, 0)), make_block(GOOD, 1, seed=2)]
    received: Report = pickle.loads(pickle.dumps(Report(sent)))
    for before, after in zip(sent[::2], received.results[::2], strict=True):
        assert np.array_equal(before.outcomes.margins, after.outcomes.margins)
        assert np.array_equal(before.outcomes.predictions, after.outcomes.predictions)
    assert not received.results[1].outcomes.aligned
