"""Environments in the database: each stored once, referred to by blocks, listed by the views, unknown in old blocks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import event

from orchestrator.store import ResultStore, block_rows, environments_of, read_only_query
from orchestrator.store.schema.columns import ENVIRONMENTS
from scc_core.environment import Environment
from scc_core.outcomes import BlockResult
from tests.orchestrator.store.builders import make_block, make_cell, make_record, row_of, start

HERE = Environment(
    code="ab" * 32,
    version="0.2.0",
    protocol=1,
    python="3.12.1",
    torch="2.9.0+cu128",
    torchvision="0.24.0",
    timm="1.0.22",
    open_clip="3.3.0",
    numpy="2.3.0",
    cuda="12.8",
    cudnn="91002",
    driver="570.86",
    device_kind="cuda",
    device="NVIDIA H200",
    processor="AMD EPYC",
    batch_size=50,
    variables=("MKL_CBWR=COMPATIBLE",),
)
THERE = replace(HERE, torch="2.6.0")


def measured(number: int, environment: Environment | None, cell=make_cell()) -> BlockResult:  # noqa: B008
    return replace(make_block(cell, number, seed=number), environment=environment)


@contextmanager
def statements(store: ResultStore) -> Iterator[list[str]]:
    """Collect what the store sends to the database, except what begins and ends transactions."""
    sent: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        sent.append(statement.strip().split()[0])

    engine = store._database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_an_environment_is_a_row_with_all_its_facts(store: ResultStore, url: str) -> None:
    run = start(store, make_cell(), 200)
    store.write_blocks(run, [measured(0, HERE), measured(1, HERE)])
    store.write_blocks(run, [measured(2, THERE), measured(3, HERE)])
    columns = [column.name for column in ENVIRONMENTS.columns]
    rows = read_only_query(url, "SELECT * FROM environments ORDER BY torch DESC")
    assert rows.columns == columns
    first, second = rows.iter_rows(named=True)
    facts = HERE.facts()
    assert {name: first[name] for name in columns if name in facts} == {n: v for n, v in facts.items() if n in columns}
    assert (first["digest"], first["environment"]) == (HERE.digest, HERE.digest[:12])
    assert json.loads(first["facts"]) == facts
    assert (second["torch"], second["digest"]) == ("2.6.0", THERE.digest)
    assert store.environments() == {HERE.short_digest: facts, THERE.short_digest: THERE.facts()}


def test_the_views_list_the_environments_of_the_samples_that_they_count(store: ResultStore) -> None:
    cell, nothing = make_cell(), make_cell(1)
    few = store.start_run(make_record(), {cell: 60, nothing: 50})
    many = store.start_run(make_record(), {cell: 200})
    store.write_blocks(few, [measured(0, HERE), measured(1, HERE), measured(2, THERE), measured(3, None)])
    both = sorted((HERE.short_digest, THERE.short_digest))
    assert row_of(store.results(), cell)["environments"] == ", ".join([*both, "unknown"])
    assert row_of(store.results(few), cell)["environments"] == HERE.short_digest
    assert row_of(store.results(many), cell)["environments"] == ", ".join([*both, "unknown"])
    assert row_of(store.results(), nothing)["environments"] is None
    # The blocks of the second run were all measured by the first.
    assert store.environments_of_runs() == {few: [HERE.short_digest], many: [*both, "unknown"]}
    assert store.environments_of_runs(few) == {few: [HERE.short_digest]}


def test_a_reader_joins_results_and_environments(store: ResultStore, url: str) -> None:
    run = start(store, make_cell(), 100)
    store.write_blocks(run, [measured(0, HERE), measured(1, THERE)])
    joined = "SELECT e.torch FROM results r JOIN environments e ON r.environments LIKE '%' || e.environment || '%'"
    assert sorted(read_only_query(url, joined)["torch"]) == ["2.6.0", "2.9.0+cu128"]


@pytest.mark.parametrize(
    ("environments", "number"), [((HERE, HERE), 1), ((HERE, THERE), 2), ((None, None), 1), ((HERE, None), 2), ((), 0)]
)
def test_a_stored_cell_counts_its_environments(store: ResultStore, environments, number: int) -> None:
    run = start(store, make_cell(), 100)
    store.write_blocks(run, [measured(index, one) for index, one in enumerate(environments)])
    assert [cell.environments for cell in store.cells()] == [number]


def test_a_known_environment_costs_no_statement(store: ResultStore) -> None:
    """A write after the first one sends the same statements as one of blocks without any environment."""
    run = start(store, make_cell(), 300)
    store.write_blocks(run, [measured(0, HERE), measured(1, None)])
    with statements(store) as plain:
        store.write_blocks(run, [measured(2, None)])
    with statements(store) as known:
        store.write_blocks(run, [measured(3, HERE), measured(4, HERE)])
    with statements(store) as new:
        store.write_blocks(run, [measured(5, THERE)])
    assert known == plain
    assert len(new) > len(known)


def test_another_store_finds_what_is_stored(store: ResultStore, url: str) -> None:
    run = start(store, make_cell(), 100)
    store.write_blocks(run, [measured(0, THERE), measured(1, HERE)])
    with ResultStore.open(url) as other:
        second = start(other, make_cell(1), 50)
        other.write_blocks(second, [measured(0, HERE, make_cell(1))])
        assert row_of(other.results(), make_cell(1))["environments"] == HERE.short_digest
    assert read_only_query(url, "SELECT count(*) FROM environment").item() == 2


def test_a_write_that_fails_gives_its_environment_s_id_to_no_other(store: ResultStore) -> None:
    """The transaction takes the new row back; the next environment may get its id."""
    run = start(store, make_cell(), 100)
    impossible = [row._replace(correct=99) for row in block_rows([measured(0, HERE)])]
    with pytest.raises(Exception, match="block_correct_in_range"):
        store.write_rows(run, impossible, environments_of([measured(0, HERE)]))
    assert store.environments() == {}
    store.write_blocks(run, [measured(0, THERE)])
    store.write_blocks(run, [measured(1, HERE)])
    assert row_of(store.results(), make_cell())["environments"].split(", ") == sorted(
        (HERE.short_digest, THERE.short_digest)
    )


def test_a_block_of_an_environment_that_nobody_described_is_refused(store: ResultStore) -> None:
    run = start(store, make_cell(), 50)
    with pytest.raises(ValueError, match=f"1 environments are not in the database, the first is '{HERE.digest}'"):
        store.write_rows(run, block_rows([measured(0, HERE)]), {})
    assert row_of(store.results(), make_cell())["samples"] == 0
    store.write_rows(run, block_rows([measured(0, HERE)]), environments_of([measured(0, HERE)]))
    store.write_rows(run, block_rows([measured(1, HERE)]), {})
    assert row_of(store.results(), make_cell())["samples"] == 100
