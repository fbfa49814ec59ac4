"""No example of the documents, no page and no table mixes threat models, attacks, radii, preprocessings, precisions."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dashboards.analysis import aggregate
from dashboards.analysis.study import Study
from dashboards.site import site_pages
from orchestrator.results.cell_metrics import cell_metrics
from orchestrator.results.comparisons import draws, min_over_attacks, paired
from orchestrator.store import ResultStore, list_views, read_only_query
from tests.dashboards.frames import provenance
from tests.planted import Condition, plant, planted_accuracies

ROOT = Path(__file__).parent.parent
FILES = [*sorted((ROOT / "docs").rglob("*.md")), *ROOT.glob("*.md"), ROOT / "orchestrator" / "cli" / "main.py"]
EXAMPLES = [
    pytest.param(sql, id=f"{path.name} {number}")
    for path in FILES
    for number, sql in enumerate(re.findall(r'sccbench query "(SELECT .+?)"', path.read_text(encoding="utf-8"), re.I))
    if sql != "SELECT ..."
]
IDENTITY = ("model", "dataset", *Condition._fields, "seed")
ALLOWED = {round(accuracy, 9) for accuracy in planted_accuracies().values()}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResultStore]:
    with ResultStore.open(str(tmp_path_factory.mktemp("planted") / "results.db")) as store:
        plant(store)
        yield store


def faults(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows whose accuracy is of no condition, or that another accuracy has the same names as."""
    if "accuracy" not in frame.columns or frame.is_empty():
        return []
    mixed = [row for row in frame.iter_rows(named=True) if round(row["accuracy"], 9) not in ALLOWED]
    names = [name for name in frame.columns if name in IDENTITY]
    apart = frame.with_columns(pl.col("accuracy").round(9), one=pl.lit(0))
    several = apart.group_by("one", *names).agg(pl.col("accuracy").n_unique())
    return mixed + several.filter(pl.col("accuracy") > 1).to_dicts()


def answer(store: ResultStore, sql: str) -> pl.DataFrame:
    return read_only_query(store.name, sql)


def test_the_documents_have_examples():
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("sql", EXAMPLES)
def test_no_example_mixes_what_has_no_mean(planted, sql):
    assert faults(answer(planted, sql)) == []


@pytest.mark.parametrize("left_out", Condition._fields)
def test_an_average_over_a_condition_would_be_found(planted, left_out):
    kept = ", ".join(name for name in Condition._fields if name != left_out)
    assert faults(answer(planted, f"SELECT {kept}, avg(accuracy) AS accuracy FROM results GROUP BY {kept}"))
    assert faults(answer(planted, f"SELECT {kept}, accuracy FROM results"))


def test_the_views_and_the_derived_tables_keep_conditions_apart(planted):
    averages = {row["view"] for row in list_views().iter_rows(named=True) if row["column"] == "accuracy"}
    assert averages == {"results", "run_results"}
    for view in ("results", "run_results"):
        assert faults(answer(planted, f"SELECT * FROM {view}")) == []
    cells = planted.cells()
    assert faults(cell_metrics(planted, cells)) == []
    assert faults(paired(planted, cells)) == []
    assert faults(draws(planted, cells).rename({"mean_accuracy": "accuracy"})) == []
    # The worst of two attacks is not the accuracy of one, but here the samples that survive are nested.
    assert faults(min_over_attacks(planted, cells).drop("attack_names")) == []


def test_no_page_averages_over_conditions(planted, monkeypatch):
    """Every mean that the site takes, of whatever page, is that of one condition."""
    means: list[tuple[str, pl.DataFrame]] = []
    users = [f"dashboards.figures.{name}" for name in ("tradeoff", "side_by_side", "heatmap", "curves")]
    for name in [*users, "dashboards.pages.summary"]:
        module = importlib.import_module(name)

        def noted(*arguments: Any, _name: str = name, **options: Any) -> pl.DataFrame:
            frame = aggregate.macro_mean(*arguments, **options)
            means.append((_name, frame))
            return frame

        monkeypatch.setattr(module, "macro_mean", noted)
    results = planted.results()
    assert site_pages(results, provenance())
    assert {name for name, _ in means} == {*users, "dashboards.pages.summary"}
    assert [faults(frame) for _, frame in means if faults(frame)] == []
    study = Study.of(results)
    assert study.pooled.height * 2 == results.height
    assert faults(study.pooled) == []
    assert len(study.models) == 2 * 4


def test_every_mean_of_the_dashboards_is_taken_where_the_test_above_looks():
    taken = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "dashboards").rglob("*.py")
        if re.search(r"macro_mean\(|\.mean\(\)", path.read_text(encoding="utf-8"))
    }
    # The study only orders attacks by their means.
    others = {"dashboards.analysis.aggregate", "dashboards.analysis.study", "dashboards.pages.summary"}
    figures = {f"dashboards.figures.{name}" for name in ("tradeoff", "side_by_side", "heatmap", "curves")}
    assert taken == others | figures
