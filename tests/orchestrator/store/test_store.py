"""The store's contract, over every database."""

from __future__ import annotations

import hashlib
import pickle
import threading
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from orchestrator.grid.cell import canonical_json
from orchestrator.store import ResultStore, StoreUnavailableError, read_only_query
from orchestrator.store.errors import RunCancelledError
from orchestrator.store.records import RunRecord
from scc_core.blocks import BLOCK_SIZE, BlockRanges
from scc_core.cost import Cost
from scc_core.errors import UserError
from scc_core.outcomes import BlockResult, Outcomes
from tests.orchestrator.store.builders import make_block, make_blocks, make_cell, make_record, start


def test_a_run_is_returned_as_it_was_given(store: ResultStore) -> None:
    record = make_record("first", grid_text="grüße: [1]\n", grid={"b": [1, 0.5, None], "a": {"x": True}})
    summary = store.run(store.start_run(record, {make_cell(): 120}))
    assert RunRecord(**{name: getattr(summary, name) for name in asdict(record)}) == record
    assert (summary.outcome, summary.finished_at) == (None, None)
    assert summary.heartbeat_at == record.started_at
    assert summary.started_at.utcoffset() == timedelta(0)


def test_a_run_counts_its_cells(store: ResultStore) -> None:
    cells = [make_cell(seed) for seed in range(4)]
    run = store.start_run(make_record(), dict.fromkeys(cells, 120))
    store.write_blocks(run, make_blocks(cells[0], [True] * 150) + make_blocks(cells[1], [True] * 50))
    store.fail_cells(run, [cells[1].key, cells[2].key], "error", "traceback")
    summary = store.run(run)
    assert (summary.cells, summary.cells_done, summary.cells_failed) == (4, 1, 2)
    assert (summary.samples, summary.requested_samples) == (170, 480)
    assert store.run_cells(run) == {cell.key: 120 for cell in cells}


def test_the_stored_specification_digests_to_the_key(store: ResultStore, url: str) -> None:
    cell = make_cell(epsilon_255=0.1)
    start(store, cell, 50)
    stored = read_only_query(url, "SELECT CAST(specification AS text) AS s FROM cell")["s"][0]
    assert hashlib.sha256(stored.encode()).hexdigest() == cell.key
    assert stored == canonical_json(cell.specification())


def test_cells_are_shared_between_runs(store: ResultStore, url: str) -> None:
    cell = make_cell()
    start(store, cell, 50)
    start(store, cell, 100)
    assert read_only_query(url, "SELECT count(*) FROM cell").item() == 1
    assert read_only_query(url, "SELECT count(*) FROM run_cell").item() == 2


def test_thousands_of_cells_start_in_one_run(store: ResultStore) -> None:
    cells = {make_cell(seed): 50 for seed in range(1300)}
    run = store.start_run(make_record(), cells)
    assert store.run(run).cells == 1300
    assert store.measured_blocks([cell.key for cell in cells]) == {cell.key: BlockRanges() for cell in cells}


def test_a_run_keeps_what_its_datasets_left_out(store):
    left_out = {"folder:scans": [("a/1.jpg", "truncated"), ("notes.txt", "not an image")]}
    store.start_run(make_record(left_out=left_out), {make_cell(): 50})
    assert store.run().left_out == {"folder:scans": [["a/1.jpg", "truncated"], ["notes.txt", "not an image"]]}


def test_a_run_keeps_the_warnings_about_its_datasets(store: ResultStore) -> None:
    warnings = {"folder:scans": ("labels are numbers", "there is one class")}
    store.start_run(make_record(warnings=warnings), {make_cell(): 50})
    assert store.run().warnings == {"folder:scans": ["labels are numbers", "there is one class"]}


def test_a_run_knows_the_job_that_asked_for_it(store: ResultStore) -> None:
    run = store.start_run(make_record(submission="job-1"), {make_cell(): 50})
    assert store.run(run).submission == "job-1"
    store.set_submission(run, "job-2")
    assert [summary.submission for summary in store.runs()] == ["job-2"]


def test_a_cancelled_run_refuses_its_driver_s_sign_of_life_until_it_is_continued(store: ResultStore) -> None:
    run = store.start_run(make_record(), {make_cell(): 50})
    store.heartbeat(run)
    assert store.cancel_run(run)
    assert store.run(run).state == "interrupted"
    with pytest.raises(RunCancelledError, match=f"run {run} was cancelled; .* `sccbench resume {run}` continues"):
        store.heartbeat(run)
    assert not store.cancel_run(run)
    store.clear_failures(run)
    store.heartbeat(run)
    assert store.run(run).state == "running"
    with pytest.raises(UserError, match="no run 'nonsense'"):
        store.heartbeat("nonsense")


def test_replaying_blocks_changes_nothing(store: ResultStore) -> None:
    cell = make_cell()
    run = start(store, cell, 150)
    blocks = make_blocks(cell, [True] * 130)
    assert store.write_blocks(run, blocks[:2]) == 2
    before = store.outcomes([cell.key])
    other = make_block(cell, 0, [False] * 50, seed=9)
    assert store.write_blocks(run, [other, *blocks, blocks[2]]) == 1
    assert store.outcomes([cell.key]).head(100).equals(before)
    assert store.measured_blocks([cell.key]) == {cell.key: BlockRanges((range(3),))}
    assert store.results()["correct"].to_list() == [130]


def test_blocks_with_gaps_are_told_as_ranges(store: ResultStore) -> None:
    one, two = make_cell(1), make_cell(2)
    run = store.start_run(make_record(), {one: 1000, two: 1000})
    held = {one: [0, 1, 2, 5, 9, 10], two: [3, 4]}
    store.write_blocks(run, [make_block(cell, number) for cell, numbers in held.items() for number in numbers])
    assert store.measured_blocks([two.key, one.key]) == {
        one.key: BlockRanges((range(3), range(5, 6), range(9, 11))),
        two.key: BlockRanges((range(3, 5),)),
    }


def test_writing_nothing_is_no_write(store: ResultStore) -> None:
    assert store.write_blocks("no such run", []) == 0


def _bad_blocks() -> dict[str, tuple[BlockResult, str]]:
    cell = make_cell()
    good = make_block(cell, 1)
    nan = replace(good.outcomes, margins=np.full(BLOCK_SIZE, np.nan, np.float32))
    return {
        "unknown cell": (make_block(make_cell(99), 1), "1 cells are not in the database"),
        "empty": (make_block(cell, 1, []), "block 1 of cell .* holds 0 samples, expected 1 to 50"),
        "too long": (make_block(cell, 1, [True] * 51), "holds 51 samples, expected 1 to 50"),
        "not finite": (replace(good, outcomes=nan), "sum_margin of block 1 of cell .* is nan"),
        "infinite cost": (replace(good, attack=Cost(float("inf"))), "attack_seconds of block 1 .* is inf"),
        "negative number": (replace(good, block=-1), "number of block -1 of cell .* is -1"),
    }


@pytest.mark.parametrize("kind", _bad_blocks())
def test_one_bad_block_stores_none_of_its_batch(store: ResultStore, kind: str) -> None:
    cell = make_cell()
    run = start(store, cell, 150)
    bad, words = _bad_blocks()[kind]
    with pytest.raises(Exception, match=words):
        store.write_blocks(run, [make_block(cell, 0), bad, make_block(cell, 2)])
    assert store.measured_blocks([cell.key]) == {cell.key: BlockRanges()}
    assert store.write_blocks(run, [make_block(cell, 0)]) == 1


def test_blocks_of_a_run_that_does_not_exist_are_not_stored(store: ResultStore) -> None:
    cell = make_cell()
    start(store, cell, 50)
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        store.write_blocks("nonsense", [make_block(cell)])
    assert store.measured_blocks([cell.key]) == {cell.key: BlockRanges()}


def test_a_run_with_an_impossible_cell_is_not_stored(store: ResultStore, url: str) -> None:
    with pytest.raises(Exception, match="run_cell_samples_positive"):
        store.start_run(make_record(), {make_cell(1): 50, make_cell(2): 0})
    assert store.runs() == []
    assert read_only_query(url, "SELECT count(*) FROM cell").item() == 0


def test_outcomes_come_back_in_order_and_with_their_types(store: ResultStore) -> None:
    one, two = make_cell(1), make_cell(2)
    run = store.start_run(make_record(), {one: 120, two: 50})
    blocks = make_blocks(one, [True, False] * 60)
    store.write_blocks(run, [*reversed(blocks), make_block(two)])
    frame = store.outcomes([two.key, one.key])
    assert frame["cell"].to_list() == [two.key] * 50 + [one.key] * 120
    assert frame["position"].to_list() == [*range(50), *range(120)]
    given = Outcomes.concatenate([block.outcomes for block in blocks])
    returned = frame.tail(120)
    np.testing.assert_array_equal(returned["sample_id"], given.sample_ids)
    np.testing.assert_array_equal(returned["label"], given.labels)
    np.testing.assert_array_equal(returned["prediction"], given.predictions)
    np.testing.assert_array_equal(returned["margin"], given.margins)
    np.testing.assert_array_equal(returned["confidence"], given.confidences)
    np.testing.assert_array_equal(returned["correct"], given.correct)


def test_scores_come_back_only_when_asked_for(store: ResultStore) -> None:
    few, many = make_cell(1), make_cell(2)
    run = store.start_run(make_record(), {few: 50, many: 50})
    scores = np.random.default_rng(0).dirichlet(np.ones(3), BLOCK_SIZE).astype(np.float16)
    scored = make_block(few)
    store.write_blocks(run, [replace(scored, outcomes=replace(scored.outcomes, scores=scores)), make_block(many)])
    assert "scores" not in store.outcomes([few.key]).columns
    returned = store.outcomes([few.key, many.key], scores=True)["scores"]
    assert returned.to_list()[:BLOCK_SIZE] == scores.tolist()
    assert returned.to_list()[BLOCK_SIZE:] == [None] * BLOCK_SIZE
    assert returned.dtype == store.outcomes([], scores=True).schema["scores"] == pl.List(pl.Float32)


def test_outcomes_of_nothing_have_the_same_types(store: ResultStore) -> None:
    cell = make_cell()
    store.write_blocks(start(store, cell, 50), [make_block(cell)])
    schema = store.outcomes([cell.key]).schema
    assert store.outcomes([]).schema == schema == store.outcomes(["unknown"]).schema
    assert schema == {
        "cell": pl.String,
        "position": pl.Int64,
        "sample_id": pl.Int64,
        "label": pl.Int32,
        "prediction": pl.Int32,
        "margin": pl.Float32,
        "confidence": pl.Float32,
        "correct": pl.Boolean,
    }


def test_a_block_on_a_later_position(store: ResultStore) -> None:
    cell = make_cell()
    store.write_blocks(start(store, cell, 400), [make_block(cell, 7, [True] * 3)])
    assert store.outcomes([cell.key])["position"].to_list() == [350, 351, 352]


def test_a_failure_of_a_cell_that_the_run_lacks_is_refused(store: ResultStore) -> None:
    one, other = make_cell(1), make_cell(2)
    run, _ = start(store, one, 50), start(store, other, 50)
    with pytest.raises(ValueError, match="asks for 1 of the 2 cells that failed"):
        store.fail_cells(run, [one.key, other.key], "error", "traceback")
    assert store.run(run).cells_failed == 0


def test_clearing_failures_reopens_the_run(store: ResultStore) -> None:
    cell = make_cell()
    run, other = start(store, cell, 50), start(store, cell, 50)
    for name in (run, other):
        store.fail_cells(name, [cell.key], "error", "traceback")
    store.finish_run(run, "failed")
    assert (store.run(run).state, store.run(run).cells_failed) == ("failed", 1)
    store.clear_failures(run)
    summary = store.run(run)
    assert (summary.outcome, summary.finished_at, summary.cells_failed) == (None, None, 0)
    assert summary.state == "running"
    assert store.run(other).cells_failed == 1


@pytest.mark.parametrize("outcome", ["complete", "failed", "interrupted"])
def test_an_ended_run_has_an_outcome_and_an_end(store: ResultStore, outcome: str) -> None:
    before = datetime.now(UTC)
    run = start(store, make_cell(), 50)
    store.finish_run(run, outcome)
    summary = store.run(run)
    assert summary.outcome == summary.state == outcome
    assert summary.finished_at is not None
    assert before <= summary.finished_at <= datetime.now(UTC)


def test_an_unknown_outcome_is_refused(store: ResultStore) -> None:
    run = start(store, make_cell(), 50)
    with pytest.raises(ValueError, match="outcome is 'done', expected one of complete, failed, interrupted"):
        store.finish_run(run, "done")


def test_a_run_without_a_sign_of_life_is_lost(store: ResultStore) -> None:
    run = start(store, make_cell(), 50)
    assert store.run(run).state == "lost"
    store.heartbeat(run)
    assert store.run(run).state == "running"


@pytest.mark.parametrize("method", ["heartbeat", "clear_failures"])
def test_a_run_that_does_not_exist_is_named(store: ResultStore, method: str) -> None:
    with pytest.raises(UserError, match="no run 'nonsense' in this database"):
        getattr(store, method)("nonsense")
    with pytest.raises(UserError, match="no run 'nonsense' in this database"):
        store.finish_run("nonsense", "complete")


def test_runs_are_found_by_the_beginning_of_their_id(store: ResultStore) -> None:
    early = store.start_run(make_record("early", started_at=datetime(2025, 3, 1, tzinfo=UTC)), {})
    late = store.start_run(make_record("late", started_at=datetime(2025, 3, 2, 5, 6, 7, 89_000, tzinfo=UTC)), {})
    assert late.startswith("20250302-050607-089")
    assert [run.id for run in store.runs()] == [late, early]
    assert store.run().id == store.run("20250302").id == store.run(late).id == late
    with pytest.raises(UserError, match=f"several runs begin with '2025': {late} \\(late\\), {early} \\(early\\)"):
        store.run("2025")
    with pytest.raises(UserError, match=f"no run '%'; the latest are {late} \\(late\\), {early} \\(early\\)"):
        store.run("%")
    with pytest.raises(UserError, match="no run 'x'"):
        store.results("x")


def test_a_database_without_runs_says_how_to_start_one(store: ResultStore) -> None:
    assert store.runs() == []
    for name in (None, "2025"):
        with pytest.raises(UserError, match="holds no run yet; start one: sccbench run GRID"):
            store.run(name)


def test_a_store_survives_pickling_and_closing(store: ResultStore) -> None:
    cell = make_cell()
    run = start(store, cell, 100)
    copy: ResultStore = pickle.loads(pickle.dumps(store))
    copy.write_blocks(run, [make_block(cell)])
    copy.close()
    store.close()
    assert store.measured_blocks([cell.key]) == copy.measured_blocks([cell.key]) == {cell.key: BlockRanges((range(1),))}
    copy.close()


def test_readers_see_whole_batches_while_a_writer_writes(store: ResultStore, url: str) -> None:
    cell = make_cell()
    run = start(store, cell, 2000)
    batches = [[make_block(cell, 4 * n + k) for k in range(4)] for n in range(10)]
    seen: list[int] = []
    written = threading.Event()

    def read() -> None:
        with ResultStore.open(url, create=False) as reader:
            while not written.is_set():
                seen.append(len(reader.measured_blocks([cell.key])[cell.key]))
                seen.append(read_only_query(url, "SELECT count(*) FROM block").item())

    reader = threading.Thread(target=read)
    reader.start()
    for batch in batches:
        store.write_blocks(run, batch)
    written.set()
    reader.join()
    assert {count % 4 for count in seen} <= {0}
    assert seen == sorted(seen)
    assert len(store.measured_blocks([cell.key])[cell.key]) == 40


def test_two_writers_wait_for_each_other(store: ResultStore, url: str) -> None:
    cells = [make_cell(seed) for seed in range(4)]
    runs = [start(store, cell, 1000) for cell in cells]

    def write(index: int) -> None:
        with ResultStore.open(url) as own:
            for number in range(10):
                own.write_blocks(runs[index], [make_block(cells[index], number)])
                own.heartbeat(runs[index])

    threads = [threading.Thread(target=write, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(store.results()["samples"]) == {500}


def test_a_locked_database_is_reported_as_unavailable_and_works_later(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.store.engine.BUSY_TIMEOUT_MS", 50)
    cell = make_cell()
    with ResultStore.open(sqlite_url) as store, ResultStore.open(sqlite_url) as other:
        run = start(store, cell, 50)
        with other._database.writing(), pytest.raises(StoreUnavailableError, match="database is locked"):
            store.write_blocks(run, [make_block(cell)])
        assert store.write_blocks(run, [make_block(cell)]) == 1


def test_a_lost_connection_is_replaced(postgresql_url: str) -> None:
    with ResultStore.open(postgresql_url) as store:
        store.runs()
        ends = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        # Autovacuum may be at work in the same database, and is no connection of a client.
        others = "WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'"
        assert read_only_query(postgresql_url, f"{ends} {others}").item() >= 1
        assert store.runs() == []
