"""Every outcome by the names of its sample and classes, from the database alone."""

from __future__ import annotations

import polars as pl
import pytest

from orchestrator.results.cell_metrics import class_metrics
from orchestrator.results.sample_outcomes import SAMPLE_SCHEMA, sample_outcomes
from orchestrator.store import ResultStore
from scc_core.datasets import open_dataset
from tests.miniatures.images import write_image
from tests.orchestrator.measuring import evaluate_grid, fill, first_right
from tests.orchestrator.store.builders import make_cell, make_record

GRID = """
name: samples
models: [tests.components:tiny]
datasets: ['folder:{0}', tests.components:noise_images]
attacks: [{{pgd: {{num_steps: 2}}}}]
epsilons: [0, 4/255]
defenses: [none, flip]
max_samples: 60
"""


@pytest.fixture
def measured(tmp_path, data_root):
    """A store with a run over 70 images in a folder, which has gone since, and over images without names."""
    root = data_root / "pets"
    for serial in range(70):
        write_image(root / ("tom_cat", "dog")[serial % 2] / f"it's {serial}.png", serial)
    dataset = open_dataset(f"folder:{root}")
    names = [dataset.sample_name(index) for index in range(70)]
    with ResultStore.open(f"sqlite:///{tmp_path}/results.db") as store:
        run = evaluate_grid(store, GRID.format(root))
        root.rename(data_root / "gone")
        yield store, run, names


def test_a_row_tells_file_class_and_prediction_by_name(measured):
    store, run, names = measured
    cells = store.cells(run)
    frame = sample_outcomes(store, cells)
    assert frame.schema == pl.Schema(SAMPLE_SCHEMA)
    assert frame.height == len(cells) * 60 == 2 * 2 * 2 * 60
    own = frame.filter(pl.col("dataset").str.starts_with("folder:"))
    for row in own.iter_rows(named=True):
        assert row["name"] == names[row["sample"]]
        assert row["class_name"] == ("dog", "tom cat")[row["label"]]
        assert row["class_name"].replace(" ", "_") == row["name"].split("/")[0]
        assert row["predicted_name"] == ("dog", "tom cat")[row["prediction"]]
        assert row["correct"] == (row["class_name"] == row["predicted_name"])
    assert own.filter(pl.col("defense") == "flip", pl.col("epsilon_255") == 4)["position"].to_list() == list(range(60))
    noise = frame.filter(pl.col("dataset") == "tests.components:noise_images")
    assert (noise["name"] == noise["sample"].cast(pl.String())).all()


def test_it_agrees_with_the_outcomes_of_each_cell(measured):
    store, run, _ = measured
    frame = sample_outcomes(store, store.cells(run))
    columns = ["position", "label", "prediction", "margin", "confidence", "correct"]
    expected = store.outcomes([cell.key for cell in store.cells(run)]).filter(pl.col("position") < 60)
    assert frame.select(columns).equals(expected.select(columns))
    whole = sample_outcomes(store, store.cells())
    assert whole.filter(pl.col("position") >= 60).height > 0


def test_the_table_of_classes_has_their_names(measured):
    store, run, _ = measured
    classes = class_metrics(store, store.cells(run))
    found = classes.select("dataset", "class", "class_name").unique().sort("dataset", "class").rows()
    assert [row[1:] for row in found if row[0].startswith("folder:")] == [(0, "dog"), (1, "tom cat")]
    assert [row[1:] for row in found if not row[0].startswith("folder:")] == [(label, str(label)) for label in range(4)]


def test_without_stored_names_the_numbers_stand_for_them(tmp_path):
    with ResultStore.open(f"sqlite:///{tmp_path}/results.db") as store:
        run = fill(store, {make_cell(): first_right(50)})
        frame = sample_outcomes(store, store.cells(run))
        assert frame.height == 200
        assert (frame["name"] == frame["sample"].cast(pl.String())).all()
        assert (frame["class_name"] == frame["label"].cast(pl.String())).all()
        assert (frame["predicted_name"] == frame["prediction"].cast(pl.String())).all()
        assert class_metrics(store, store.cells(run))["class_name"].to_list() == [str(label) for label in range(10)]


def test_nothing_measured_is_an_empty_table(tmp_path):
    with ResultStore.open(f"sqlite:///{tmp_path}/results.db") as store:
        assert sample_outcomes(store, []).schema == pl.Schema(SAMPLE_SCHEMA)
        cells = store.cells(store.start_run(make_record(), {make_cell(): 50}))
        assert sample_outcomes(store, cells).is_empty()
