"""``sccbench compare --published`` as a user calls it, on real measurements of an embedded model."""

from __future__ import annotations

import io
import json

import polars as pl
import pytest

from orchestrator.results.published.comparison import COMPARISON_SCHEMA
from orchestrator.store import ResultStore
from tests.orchestrator.console import sccbench
from tests.orchestrator.measuring import evaluate_grid
from tests.orchestrator.results.published.tables import GRID, row, write_published


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a database and published numbers of what it holds."""
    made = tmp_path_factory.mktemp("compare")
    with ResultStore.open(f"sqlite:///{made}/sccbench.db") as store:
        evaluate_grid(store, f"{GRID}max_samples: 20")
    rows = [row("Shapes", 40.0, 1.0), row("Digits", 40.0), row("mean of 2", 40.0, 99.0)]
    write_published(made / "published", *rows, row("Shapes", 3.0, model="Tuned CLIP"))
    return made


def compare(folder, *arguments: str, **extra: str):
    done = sccbench("compare", "--published", *arguments, folder=folder, **extra)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_table_says_what_agrees_and_the_summary_what_has_no_counterpart(folder):
    text = compare(folder, "--tables", "published").stdout
    lines = text.splitlines()
    (clean,) = [line.split() for line in lines if "Shapes" in line and "clean" in line]
    assert clean[:6] == ["Shapes", "none", "clean", "50", "of", "1200"]
    assert clean[-3:] == ["1.00", "+99.00", "no"]
    assert "A paper: Small CLIP" in lines
    assert "A paper: printed on paper" in text
    assert "sanity gate: Small CLIP, mean of 2, clean, must give 99 +- 5 %: measured " in text
    assert "5 of 6 published numbers are compared" in text
    assert "5 are compared on a part of the images" in text
    assert "1 not compared: no counterpart: Tuned CLIP is a checkpoint that nobody has" in text
    assert "A paper: Tuned CLIP" not in lines


@pytest.mark.parametrize("width", [80, 140])
def test_the_tables_fit_the_terminal(folder, width):
    text = compare(folder, "--tables", "published", "--all", COLUMNS=str(width)).stdout
    tables = text.partition("sanity gate")[0]
    assert "A paper: Tuned CLIP" in tables
    assert max(len(line) for line in tables.splitlines()) <= width


def test_data_for_programs_stands_alone_on_standard_output(folder):
    as_csv = compare(folder, "--tables", "published", "--all", "--format", "csv")
    frame = pl.read_csv(io.StringIO(as_csv.stdout))
    assert frame.columns == list(COMPARISON_SCHEMA)
    assert frame["reason"].is_null().to_list() == [True] * 5 + [False]
    assert "sanity gate" in as_csv.stderr
    records = json.loads(compare(folder, "--tables", "published", "--format", "json").stdout)
    assert len(records) == 5
    assert records[0]["difference"] == pytest.approx(records[0]["accuracy"] - 0.4)


def test_the_shipped_numbers_have_no_counterpart_in_another_models_results(folder):
    text = compare(folder).stdout
    assert "0 of 416 published numbers are compared" in text
    assert "344 not compared: not measured" in text
    assert "18 not compared: no counterpart: TeCoA ViT-B/32 is the table's own fine-tuned checkpoint" in text
    gate = "sanity gate: CLIP ViT-B/32, mean of 16, under PGD-10 at 4/255, must give 0.06 +- 0.25 %"
    assert f"{gate}: not decided (not measured)" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "compare with what? give --published"),
        (["--published", "--tables", "nowhere"], "cannot read nowhere/names.yaml: No such file or directory"),
        (["--published", "--run", "1999"], "no run '1999'"),
    ],
)
def test_a_wrong_call_is_refused_in_one_line(folder, arguments, message):
    done = sccbench("compare", *arguments, folder=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
