"""The queue: own model first, bounded attempts, a failed cell costs no more work, duplicates are discarded."""

from __future__ import annotations

from orchestrator.scheduler.task_queue import MAX_LOST_WORKERS, TaskQueue
from scc_core.identity import ModelSpec
from scc_core.outcomes import Failure
from tests.orchestrator.conftest import cell, component
from tests.orchestrator.scheduler.fake_executor import answered, plan_of


def cells(model: str, *defenses: str):
    return [cell(model=ModelSpec(model, "ab" * 32), defense=component(name)) for name in defenses]


def queue_of(*given, samples=1200):
    return TaskQueue(plan_of(*given, samples=samples))


def take(queue, model="a", workers_by_model={}, size=8):  # noqa: B006
    return queue.take(model, workers_by_model, lambda _profile: size)


def drain(queue, model=None):
    taken = []
    while (task := take(queue, model)) is not None:
        taken.append(task)
    return taken


def test_a_worker_gets_its_own_model_first_and_then_the_one_with_most_work_per_worker():
    queue = queue_of(*cells("a", "none"), *cells("b", "none"), *cells("c", "none", "ttc"))
    assert take(queue, "b").shard.model.name == "b"
    assert take(queue, None).shard.model.name == "c"
    assert take(queue, None, {"c": 1, "b": 1}).shard.model.name == "a"
    assert {task.shard.model.name for task in drain(queue, "c")} == {"a", "b", "c"}
    assert take(queue, "a") is None


def test_every_block_is_handed_out_once_in_shards_of_the_size_asked_for():
    queue = queue_of(*cells("a", "none", "flip"))
    assert queue.queued_blocks == 24
    sizes = iter([1, 5, 100])
    tasks = [queue.take("a", {}, lambda _profile: next(sizes)) for _ in range(3)]
    assert [len(task.shard.blocks) for task in tasks] == [1, 5, 18]
    assert sorted(block for task in tasks for block in task.shard.blocks) == list(range(24))
    assert (queue.queued_blocks, queue.queued_work) == (0, 0.0)


def test_the_heaviest_attack_group_comes_first_and_its_size_is_asked_for_by_what_it_is():
    light, heavy = cell(attack=None), cell()
    profiles = []
    queue = queue_of(light, heavy, samples=50)
    for _ in range(2):
        queue.take("demo-clip", {}, lambda profile: profiles.append(profile) or 1)
    assert [profile.work for profile in profiles] == [50 * 31.0, 50.0]
    assert profiles[0].span_number != profiles[1].span_number


def test_a_task_whose_worker_died_is_requeued_and_fails_in_the_end():
    queue = queue_of(*cells("a", "none"), samples=50)
    for attempt in range(1, MAX_LOST_WORKERS + 1):
        task = take(queue)
        assert task.lost_workers == attempt - 1
        failures = queue.worker_lost(task, running=True, reason="killed")
        assert bool(failures) == (attempt == MAX_LOST_WORKERS)
    assert "3 workers died" in next(iter(failures.values())).error
    assert take(queue) is None


def test_a_task_that_only_waited_at_a_dead_worker_is_not_blamed():
    queue = queue_of(*cells("a", "none"), samples=50)
    for _ in range(2 * MAX_LOST_WORKERS):
        assert queue.worker_lost(take(queue), running=False, reason="killed") == {}
    assert take(queue).lost_workers == 0


def test_a_task_that_took_too_much_memory_is_requeued_with_a_smaller_batch_size():
    queue = queue_of(*cells("a", "none"), samples=50)
    sizes = []
    while (task := take(queue)) is not None:
        sizes.append(task.shard.max_batch_size)
        failures = queue.worker_lost(task, running=True, reason="memory", out_of_memory=True)
    assert sizes == [None, 4, 1]
    assert "3 workers died" in next(iter(failures.values())).error


def test_a_task_that_only_waited_when_memory_ran_out_keeps_its_batch_size():
    queue = queue_of(*cells("a", "none"), samples=50)
    queue.worker_lost(take(queue), running=False, reason="memory", out_of_memory=True)
    assert take(queue).shard.max_batch_size is None


def test_what_a_draining_worker_did_not_begin_is_requeued_without_blame():
    queue = queue_of(*cells("a", "none", "flip"), samples=400)
    task = take(queue)
    report = answered(task.shard, task.shard.blocks[:3], unfinished=task.shard.blocks[3:], draining=True)
    accepted = queue.accept(task, report)
    assert {result.block for result in accepted.results} == {0, 1, 2}
    assert queue.queued_blocks == 5
    again = take(queue)
    assert (again.shard.blocks, len(again.shard.defenses), again.lost_workers) == ((3, 4, 5, 6, 7), 2, 0)


def test_the_answer_of_a_duplicate_is_discarded():
    queue = queue_of(*cells("a", "none"), samples=400)
    task = take(queue)
    task.holders += 1
    shard = task.shard
    assert len(queue.accept(task, answered(shard, shard.blocks)).results) == 8
    assert task.done
    assert queue.accept(task, answered(shard, shard.blocks)).results == []
    assert take(queue) is None


def test_a_duplicate_delivers_only_what_the_first_worker_left():
    queue = queue_of(*cells("a", "none"), samples=400)
    task = take(queue)
    task.holders += 1
    shard = task.shard
    queue.accept(task, answered(shard, shard.blocks[:6], unfinished=shard.blocks[6:]))
    assert queue.queued_blocks == 0
    assert queue.worker_lost(task, running=True, reason="killed") == {}
    again = take(queue)
    assert (again.shard.blocks, again.lost_workers) == ((6, 7), 1)
    again.holders += 1
    assert [result.block for result in queue.accept(again, answered(shard, shard.blocks)).results] == [6, 7]
    assert queue.worker_lost(again, running=True, reason="killed") == {}
    assert queue.queued_blocks == 0


def test_a_failing_component_is_retried_once_alone_and_then_never_again():
    bad, good = cells("a", "ttc", "none")
    queue = queue_of(bad, good)
    first = take(queue)
    failure = {bad.key: Failure("RuntimeError: no", "trace")}
    shard = first.shard
    report = answered(shard, shard.blocks)
    report.failures = dict(failure)
    report.results = [result for result in report.results if result.cell == good.key]
    accepted = queue.accept(first, report)
    assert (len(accepted.results), accepted.failures) == (8, {})
    again = take(queue)
    assert (set(again.shard.defenses), again.shard.blocks) == ({bad.key}, shard.blocks)
    report.results = []
    assert queue.accept(again, report).failures == failure
    rest = drain(queue)
    assert rest
    assert {key for task in rest for key in task.shard.defenses} == {good.key}


def test_a_cell_whose_results_cannot_be_stored_costs_no_more_work():
    bad, good = cells("a", "ttc", "none")
    queue = queue_of(bad, good)
    first = take(queue)
    queue.give_up({bad.key})
    assert queue.accept(first, answered(first.shard, first.shard.blocks)).failures == {}
    rest = drain(queue)
    assert rest
    assert {key for task in rest for key in task.shard.defenses} == {good.key}
