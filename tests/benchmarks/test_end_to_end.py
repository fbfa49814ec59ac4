"""The rates of a results database, by defense and relative to the undefended model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.end_to_end import RATES, sccbench, table, with_ratios
from orchestrator.store import ResultStore
from scc_core.components.component import Component
from scc_core.cost import Cost
from tests.orchestrator.store.builders import make_block, make_cell, make_record


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A run of two cells of 50 samples: 0.5 ms an image undefended, 2 ms with TTC."""
    url = f"sqlite:///{tmp_path}/results.db"
    none, ttc = make_cell(), make_cell(defense=Component("defense", "ttc"))
    slow = replace(make_block(ttc), defense=Cost(0.1, 0, 0))
    with ResultStore.open(url) as store:
        run = store.start_run(make_record(), {none: 50, ttc: 50})
        store.write_blocks(run, [make_block(none), slow])
    return url


def test_rates_and_ratios_of_a_run(url: str):
    rows = with_ratios(json.loads(sccbench("query", RATES, "--db", url, "--format", "json")))
    assert [(row["defense"], row["images"]) for row in rows] == [("none", 50), ("ttc", 50)]
    assert [row["images_per_second"] for row in rows] == pytest.approx([2000, 500])
    assert [row["times_none"] for row in rows] == pytest.approx([1, 4])
    assert table(rows).splitlines()[-1].endswith("| ttc | 50 | 500 | 4.0 |")


def test_a_run_without_an_undefended_model_has_no_ratio():
    row = {"run": "r", "model": "m", "defense": "ttc", "images": 5, "images_per_second": 10.0}
    assert with_ratios([row]) == [{**row, "times_none": None}]
    assert table(with_ratios([row])).splitlines()[-1] == "| r | m | ttc | 5 | 10 |  |"
