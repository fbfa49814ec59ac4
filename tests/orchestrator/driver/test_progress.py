"""Progress: counted from results, with an estimate that leaves start-up out; a table on a terminal, lines elsewhere."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from orchestrator.driver.display import ConsoleDisplay, LiveReporter, PlainReporter, format_seconds, summary_line
from orchestrator.driver.progress import Progress
from orchestrator.plan.plan import make_plan
from orchestrator.scheduler.worker_pool import WorkerCounts
from scc_core.cost import Cost
from scc_core.outcomes import BlockResult, Outcomes
from tests.orchestrator.conftest import cell, component

NONE, TTC = cell(), cell(defense=component("ttc"))


def result(key: str, block: int, seconds: float, attack: float = 0.0) -> BlockResult:
    numbers = np.zeros(50)
    outcomes = Outcomes(*(numbers.astype(kind) for kind in ("int64", "int32", "int32", "float32", "float32")))
    return BlockResult(key, block, outcomes, Cost(attack), Cost(seconds), "cpu x 1", "host:1")


@pytest.fixture
def progress(clock) -> Progress:
    return Progress(make_plan({NONE: 100, TTC: 100}, lambda _keys: {}), clock)


def test_cells_are_done_when_their_last_block_is(progress):
    progress.add(0, "m", [result(NONE.key, 0, 1.0)])
    assert progress.cells_done == 0
    progress.add(0, "m", [result(NONE.key, 1, 1.0)])
    assert progress.cells_done == 1
    progress.add(0, "m", [result(TTC.key, block, 1.0) for block in (0, 1)])
    assert (progress.cells_done, progress.fraction, progress.remaining_work) == (2, 1.0, 0.0)


def test_short_blocks_and_blocks_told_twice_make_no_more_work_than_there_is(clock):
    short = cell(dataset=replace(NONE.dataset, size=60))
    progress = Progress(make_plan({short: 60, TTC: 100}, lambda _keys: {}), clock)
    plan = progress.plan
    progress.add(0, "m", [result(short.key, block, 1.0) for block in (0, 1)])
    assert progress.remaining_work == pytest.approx(plan.cell_work()[TTC.key])
    progress.add(0, "m", [result(short.key, 1, 1.0)])
    progress.count_blocks(short.key, 1)
    assert progress.remaining_work == pytest.approx(plan.cell_work()[TTC.key])
    progress.count_blocks(TTC.key, 2)
    assert (progress.cells_done, progress.fraction, progress.remaining_work) == (2, 1.0, 0.0)


def test_the_attack_s_seconds_count_once_for_the_cells_that_share_it(progress):
    progress.add(0, "m", [result(NONE.key, 0, 1.0, attack=10.0), result(TTC.key, 0, 2.0, attack=10.0)])
    worker = progress.workers[0]
    assert (worker.images, worker.seconds) == (100, 13.0)
    assert worker.images_per_second == 100 / 13.0


def test_the_time_left_comes_from_compute_not_from_start_up(progress, clock):
    clock.now = 1000.0
    assert progress.seconds_left is None
    for number in (0, 1):
        progress.add(number, "m", [result(NONE.key, number, 4.0), result(TTC.key, number, 6.0)])
    assert progress.seconds_left == 0
    half = Progress(make_plan({NONE: 100, TTC: 100}, lambda _keys: {}), clock)
    half.add(0, "m", [result(NONE.key, 0, 4.0), result(TTC.key, 0, 6.0)])
    assert half.seconds_left == pytest.approx(10.0)


def test_a_failed_cell_s_work_is_no_longer_waited_for(progress):
    progress.fail([TTC.key])
    progress.fail([TTC.key])
    progress.add(0, "m", [result(NONE.key, block, 1.0) for block in (0, 1)])
    assert progress.remaining_work == pytest.approx(0.0)
    assert "1 of 2 cells done, 1 failed, 100% of the work" in summary_line(progress)


def test_plain_lines_come_at_most_every_ten_seconds_and_once_at_the_end(progress, clock):
    console = Console(file=io.StringIO(), width=200)
    with PlainReporter(console, progress) as reporter:
        for clock.now in (1.0, 5.0, 11.0, 12.0, 15.0):
            reporter.refresh()
    lines = console.file.getvalue().splitlines()
    assert [line.split(", ")[3] for line in lines] == ["11 s passed", "15 s passed"]


def test_a_line_comes_when_the_first_worker_is_ready_and_when_the_first_result_is_there(progress, clock):
    console = Console(file=io.StringIO(), width=200)
    with PlainReporter(console, progress) as reporter:
        for clock.now, counts in ((1.0, (0, 1, 2)), (2.0, (1, 0, 2)), (3.0, (2, 0, 0))):
            progress.worker_counts = WorkerCounts(*counts)
            reporter.refresh()
        progress.add(0, "m", [result(NONE.key, 0, 2.0)])
        reporter.refresh()
    lines = console.file.getvalue().splitlines()
    assert [line.split(", ")[2] for line in lines] == ["1 worker (2 requested)", "2 workers"]
    # Two workers at the speed of the one that has delivered.
    assert "50.0 images/s" in lines[1]
    progress.worker_counts = WorkerCounts(ready=0, starting=1, requested=2)
    assert "0 workers (1 starting; 2 requested)" in summary_line(progress)


def test_a_terminal_gets_a_table_with_every_worker(progress):
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    reporter = ConsoleDisplay(console).reporter(progress)
    assert isinstance(reporter, LiveReporter)
    progress.add(3, "demo-clip", [result(NONE.key, 0, 2.0)])
    with reporter:
        pass
    text = console.file.getvalue()
    for expected in ("0 of 2 cells done", "3 host:1", "cpu x 1", "demo-clip", "25.0"):
        assert expected in text
    assert isinstance(ConsoleDisplay(Console(file=io.StringIO())).reporter(progress), PlainReporter)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (9000, "2 h 30 min"),
    ],
)
def test_durations_are_as_people_read_them(seconds, text):
    assert format_seconds(seconds) == text
