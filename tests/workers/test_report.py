"""Reports travel as few large arrays and arrive as they were."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from scc_core.outcomes import Failure
from tests.workers.test_bench import SHARD
from workers.bench import Bench
from workers.report import Report


@pytest.fixture(scope="module")
def report() -> Report:
    return Bench("cpu", batch_size=50).run(replace(SHARD, blocks=(0, 2, 15)))


def test_a_report_arrives_as_it_was(report):
    report.failures = {"x": Failure("RuntimeError: no", "trace")}
    arrived = pickle.loads(pickle.dumps(report))
    for one, two in zip(report.results, arrived.results, strict=True):
        for name, column in vars(one.outcomes).items():
            other = getattr(two.outcomes, name)
            assert column.dtype == other.dtype
            np.testing.assert_array_equal(column, other)
        assert replace(one, outcomes=two.outcomes) == two
    assert replace(report, results=[]) == replace(arrived, results=[])


def test_a_report_without_results_arrives():
    empty = Report(unfinished=(1, 2), draining=True)
    assert pickle.loads(pickle.dumps(empty)) == empty


def test_the_number_of_arrays_does_not_grow_with_the_results(report):
    buffers = []
    pickle.dumps(report, protocol=5, buffer_callback=buffers.append)
    assert len(report.results) == 6
    assert len(buffers) == 6
