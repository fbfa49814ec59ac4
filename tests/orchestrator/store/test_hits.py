"""Cells and their right and wrong samples, as the tables over several cells read them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.store import Hits, ResultStore, on_common_samples
from scc_core.blocks import BLOCK_SIZE
from scc_core.errors import UserError
from tests.orchestrator.store.builders import make_block, make_blocks, make_cell, make_record, row_of, start


@given(st.lists(st.booleans(), max_size=170), st.sets(st.integers(0, 3)), st.none() | st.integers(1, 200))
def test_hits_of_blocks_in_any_order_are_the_measured_samples(right, measured, limit):
    blocks = [
        (number, "".join("01"[value] for value in right[number * BLOCK_SIZE : (number + 1) * BLOCK_SIZE]))
        for number in reversed(range(4))
        if number in measured and right[number * BLOCK_SIZE :]
    ]
    hits = Hits.of_blocks(blocks, limit)
    positions = [index for index in range(len(right[:limit])) if index // BLOCK_SIZE in measured]
    assert np.flatnonzero(hits.known).tolist() == positions
    assert hits.measured.tolist() == [right[index] for index in positions]
    assert not hits.correct[~hits.known].any()


def test_common_samples_are_those_that_all_have_measured():
    first = Hits(np.array([True, True, False, True]), np.array([True, False, False, True]))
    second = Hits(np.array([True, False, True]), np.array([False, False, True]))
    assert [one.tolist() for one in on_common_samples([first, second])] == [[True], [False]]
    assert on_common_samples([first])[0].tolist() == [True, False, True]


def test_a_store_gives_the_hits_of_a_prefix(store: ResultStore):
    cell = make_cell()
    store.write_blocks(start(store, cell, 100), make_blocks(cell, [True, False] * 50))
    assert store.hits(cell.key).measured.tolist() == [True, False] * 50
    assert store.hits(cell.key, 61).measured.tolist() == ([True, False] * 31)[:61]
    assert len(store.hits("unknown").known) == 0


def test_cells_tell_what_is_measured_and_what_a_run_asks_for(store: ResultStore):
    one, two, other = make_cell(1), make_cell(2), make_cell(3)
    run = store.start_run(make_record(), {one: 120, two: 50})
    start(store, other, 10)
    blocks = [replace(block, zero_gradients=3) for block in make_blocks(one, [True] * 120)]
    store.write_blocks(run, [*blocks, make_block(other)])
    rows = [(cell.key, cell.samples, cell.zero_gradients, cell.limit) for cell in store.cells(run[:-1])]
    assert rows == [(one.key, 120, 9, 120), (two.key, 0, None, 50)]
    assert [(cell.key, cell.samples, cell.limit) for cell in store.cells()][-1] == (other.key, 50, None)
    first = store.cells(run)[0]
    assert first.specification == one.specification()
    assert (first.attack, first.attack_component["name"], first.badges) == ("pgd(num_steps=10)", "pgd", "")
    assert first.classifier == store.cells(run)[1].classifier
    with pytest.raises(UserError, match="no run 'nonsense'"):
        store.cells("nonsense")


def test_badges_are_shown_by_both_views_and_replaced(store: ResultStore):
    cell, other = make_cell(1), make_cell(2)
    run = store.start_run(make_record(), {cell: 50, other: 50})
    store.set_badges({cell.key: "one draw"})
    store.set_badges({cell.key: "one draw, robust above clean"})
    for frame in (store.results(), store.results(run)):
        assert row_of(frame, cell)["badges"] == "one draw, robust above clean"
        assert row_of(frame, other)["badges"] == ""
