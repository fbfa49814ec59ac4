"""The plan: every missing block of every cell in exactly one shard, whatever was measured before."""

from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.plan.plan import make_plan, shards
from scc_core.blocks import BLOCK_SIZE, BlockRanges, num_blocks
from scc_core.datasets import LeftOut, names_of, open_dataset
from scc_core.evaluation.threat import Adaptive
from scc_core.identity import ModelSpec
from tests.orchestrator.conftest import cell, component

CELLS = [
    cell(model=ModelSpec(model, "ab" * 32), epsilon_255=epsilon, defense=component(defense))
    for model in ("a", "b")
    for epsilon in (1.0, 4.0)
    for defense in ("none", "flip", "ttc")
]
BLOCKS = st.sets(st.integers(0, 23))


@given(
    st.lists(st.integers(1, 1200), min_size=len(CELLS), max_size=len(CELLS)),
    st.lists(BLOCKS, min_size=len(CELLS), max_size=len(CELLS)),
    st.integers(1, 9),
)
def test_shards_cover_what_is_missing_exactly_once(samples, held, size):
    wanted = dict(zip(CELLS, samples, strict=True))
    stored = {one.key: BlockRanges.of_numbers(blocks) for one, blocks in zip(CELLS, held, strict=True)}
    plan = make_plan(wanted, lambda keys: {key: stored[key] for key in keys})
    cut = [shard for span in plan.spans for shard in shards(span, size)]
    covered = Counter((key, block) for shard in cut for key in shard.defenses for block in shard.blocks)
    missing = {
        (one.key, block)
        for one, count in wanted.items()
        for block in set(range(num_blocks(count))) - set(stored[one.key])
    }
    assert set(covered) == missing
    assert set(covered.values()) <= {1}
    assert plan.missing == len(missing)
    assert plan.missing + plan.measured == sum(num_blocks(count) for count in samples)
    assert all(len(shard.blocks) <= size for shard in cut)
    groups = {one.key: one.attack_group for one in CELLS}
    assert all(len({groups[key] for key in shard.defenses}) == 1 for shard in cut)


def test_an_attack_group_travels_together():
    wanted = dict.fromkeys(CELLS[:3], 200)
    plan = make_plan(wanted, lambda _keys: {})
    (span,) = plan.spans
    assert span.blocks == range(4)
    assert len(span.cells) == 3
    assert span.samples == 200


def test_work_counts_the_attack_once_per_group():
    """PGD-10 is 10 forwards and 10 backwards of two: 30; none and flip 1 each, TTC 4 + 2 * 2."""
    plan = make_plan(dict.fromkeys(CELLS[:3], 50), lambda _keys: {})
    assert plan.work == 50 * (30 + 1 + 1 + 8)
    assert sum(plan.cell_work().values()) == plan.work


def test_a_clean_span_has_no_attack():
    clean = cell(attack=None)
    plan = make_plan({clean: 100}, lambda _keys: {})
    (shard,) = shards(plan.spans[0], 8)
    assert shard.threat.attack is None
    assert plan.work == 100


def test_a_shard_carries_the_values_of_its_cells_and_neither_names_nor_what_is_left_out():
    names = names_of("demo/shapes", open_dataset("demo/shapes"))
    known = replace(CELLS[2].dataset, left_out=(LeftOut("notes.txt", "no image"),), names=names)
    wanted = replace(CELLS[2], dataset=known, threat=replace(CELLS[2].threat, adaptive=Adaptive("bpda", 2), seed=3))
    (shard,) = shards(make_plan({wanted: 100}, lambda _keys: {}).spans[0], 8)
    assert (shard.model, shard.precision, shard.blocks) == (wanted.model, "float32", (0, 1))
    assert shard.threat is wanted.threat
    assert shard.defenses == {wanted.key: wanted.defense}
    assert shard.dataset == CELLS[2].dataset
    assert shard.dataset.names is None
    assert pickle.loads(pickle.dumps(shard)) == shard


def test_the_last_block_of_a_dataset_is_counted_as_short_as_it_is():
    plan = make_plan({cell(): 1200}, lambda _keys: {})
    assert plan.spans[0].samples == 1200
    assert num_blocks(1200) * BLOCK_SIZE == 1200
    assert num_blocks(1201) == 25


def test_spans_keep_models_together_and_start_with_the_heaviest():
    plan = make_plan(dict.fromkeys(CELLS, 100), lambda _keys: {})
    names = [span.cells[0].model.name for span in plan.spans]
    assert names == sorted(names)
    for first, second in zip(plan.spans, plan.spans[1:], strict=False):
        if first.cells[0].model == second.cells[0].model:
            assert first.work / len(first.blocks) >= second.work / len(second.blocks)
