"""The queue: own model first, bounded attempts, a failed cell costs no more work."""

from __future__ import annotations

from orchestrator.identity import ModelSpec
from orchestrator.plan import make_plan
from orchestrator.queue import MAX_DEATHS, WorkQueue
from scc_core.measurement import Failure
from tests.orchestrator.conftest import cell, component


def cells(model: str, *defenses: str):
    return [cell(model=ModelSpec(model, "ab" * 32), defense=component(name)) for name in defenses]


def queue_of(*given, samples=1200, workers=1):
    return WorkQueue(make_plan(dict.fromkeys(given, samples), lambda _keys: {}), workers)


def drain(queue, model=None):
    taken = []
    while (task := queue.take(model)) is not None:
        taken.append(task)
    return taken


def test_a_worker_gets_its_own_model_first_and_then_one_that_nobody_holds():
    queue = queue_of(*cells("a", "none"), *cells("b", "none"), *cells("c", "none"))
    assert queue.take("b").shard.model == "b"
    assert queue.take(None, held={"a", "b"}).shard.model == "c"
    assert {task.shard.model for task in drain(queue, "c")} == {"a", "b", "c"}
    assert queue.take("a") is None


def test_every_block_is_handed_out_once():
    tasks = drain(queue_of(*cells("a", "none", "flip"), workers=3))
    blocks = [block for task in tasks for block in task.shard.blocks]
    assert sorted(blocks) == list(range(24))


def test_a_task_whose_worker_died_returns_and_is_given_up_in_the_end():
    queue = queue_of(*cells("a", "none"), samples=50)
    for attempt in range(1, MAX_DEATHS + 1):
        task = queue.take("a")
        assert task.deaths == attempt - 1
        failures = queue.worker_died(task, running=True, reason="killed")
        assert bool(failures) == (attempt == MAX_DEATHS)
    assert "3 workers died" in next(iter(failures.values())).error
    assert queue.take("a") is None


def test_a_task_that_only_waited_at_a_dead_worker_is_not_blamed():
    queue = queue_of(*cells("a", "none"), samples=50)
    for _ in range(2 * MAX_DEATHS):
        assert queue.worker_died(queue.take("a"), running=False, reason="killed") == {}
    assert queue.take("a").deaths == 0


def test_a_task_that_took_too_much_memory_comes_back_with_a_smaller_batch():
    queue = queue_of(*cells("a", "none"), samples=50)
    sizes = []
    while (task := queue.take("a")) is not None:
        sizes.append(task.shard.max_batch_size)
        failures = queue.worker_died(task, running=True, reason="memory", out_of_memory=True)
    assert sizes == [None, 4, 1]
    assert "3 workers died" in next(iter(failures.values())).error


def test_a_task_that_only_waited_when_memory_ran_out_keeps_its_batch():
    queue = queue_of(*cells("a", "none"), samples=50)
    queue.worker_died(queue.take("a"), running=False, reason="memory", out_of_memory=True)
    assert queue.take("a").shard.max_batch_size is None


def test_a_failing_component_is_tried_once_more_alone_and_then_never_again():
    bad, good = cells("a", "ttc", "none")
    queue = queue_of(bad, good, samples=1200)
    first = queue.take("a")
    failure = {bad.key: Failure("RuntimeError: no", "trace")}
    assert queue.component_failed(first, failure) == {}
    again = queue.take("a")
    assert (set(again.shard.defenses), again.shard.blocks) == ({bad.key}, first.shard.blocks)
    assert queue.component_failed(again, failure) == failure
    rest = drain(queue)
    assert rest
    assert {key for task in rest for key in task.shard.defenses} == {good.key}
