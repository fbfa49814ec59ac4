"""What is a control and what is biomedical: the pages show what the database says, whatever the names are."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from dashboards.analysis.study import Study
from dashboards.figures import curves, side_by_side
from dashboards.pages.figures import models_page
from dashboards.pages.overview import overview_page
from dashboards.pages.summary import control_table, summaries, summary_table
from dashboards.site import write_site
from orchestrator.store import ResultStore
from scc_core.models import get_model
from tests.dashboards import frames
from tests.orchestrator.measuring import evaluate_grid

GRID = """
name: own components
models: [tests.components:medium_clip, tests.components:slides]
datasets: [tests.components:noise_images]
attacks: [{pgd: {num_steps: 2}}]
epsilons: [0, 8/255]
defenses: [none, ttc, tests.components:Blur]
max_samples: 50
"""
BLUR = "tests.components:Blur"
QUILT = "hf-hub:wisdomik/QuiltNet-B-32"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Measured results of a user's own models and of a control of the user's own."""
    with ResultStore.open(f"sqlite:///{tmp_path_factory.mktemp('facts')}/results.db") as store:
        evaluate_grid(store, GRID)
        return store.results()


def test_a_control_of_the_user_s_own_is_drawn_as_a_control(results: pl.DataFrame) -> None:
    deck = curves.deck(Study.of(results), "transfer")
    assert deck is not None
    assert [(style.name, style.note) for style in deck.legend] == [
        ("none", "undefended"),
        ("ttc", ""),
        (BLUR, "control"),
    ]
    lines = {trace["name"]: trace for trace in deck.states[0].panels[0].figure["data"]}
    assert {name: (line["line"]["dash"], line["marker"]["symbol"][-5:] == "-open") for name, line in lines.items()} == {
        "none": ("solid", False),
        "ttc": ("solid", False),
        BLUR: ("dash", True),
    }
    assert f"Controls: {BLUR}." in deck.states[0].panels[0].caption


def test_a_control_of_the_user_s_own_is_listed_as_a_control(results: pl.DataFrame) -> None:
    # The control wins, so that it would be the best defense if it counted as one.
    better = pl.when(pl.col("defense") == BLUR).then(pl.col("samples")).otherwise(pl.col("correct") // 2)
    study = Study.of(results.with_columns(correct=better))
    found = summaries(study, "transfer")
    rows = control_table(study, found).split("<tr>")[2:]
    assert len(rows) == 2
    for row in rows:
        defense, control = row.split("<td>")[3:5]
        assert defense.startswith("ttc <b>")
        assert control.startswith(f"{BLUR} <b>100.0</b>")
    assert f'{BLUR} <span class="note">control</span>' in summary_table(study, found[0])


def test_a_medium_clip_is_general_and_a_model_of_slides_biomedical(results: pl.DataFrame) -> None:
    study = Study.of(results)
    assert study.families == {"tests.components:medium_clip": "general", "tests.components:slides": "biomedical"}
    assert study.models == ["tests.components:medium_clip", "tests.components:slides"]
    deck = side_by_side.dots_deck(study, "transfer")
    assert deck is not None
    assert [panel.family for panel in deck.states[0].panels] == ["general", "biomedical"]
    assert "Two models, general and biomedical, on the datasets" in models_page(study).lede


def test_quiltnet_is_biomedical_and_stands_beside_a_general_model_first() -> None:
    models = ("medium-clip", "a-second-clip", QUILT)
    families = {QUILT: get_model(QUILT).card.family}
    rows = [
        {**frames.result_row(model, "a", epsilon, "none"), "family": families.get(model, "general")}
        for model in models
        for epsilon in (0.0, 1.0)
    ]
    study = Study.of(pl.DataFrame(rows, infer_schema_length=None))
    assert study.models == ["a-second-clip", "medium-clip", QUILT]
    assert side_by_side.pairs(study) == [
        ("a-second-clip", QUILT),
        ("medium-clip", QUILT),
        ("a-second-clip", "medium-clip"),
    ]
    assert '<span class="note">biomedical</span>' in overview_page(study, "title").body


def test_a_fact_of_one_cell_holds_for_older_ones_of_the_same_defense_and_model() -> None:
    old = {**frames.result_row("m", "a", 1.0, "mine"), "control": None, "family": None}
    new = {**frames.result_row("m", "b", 1.0, "mine"), "control": True, "family": "biomedical"}
    study = Study.of(pl.DataFrame([old, new], infer_schema_length=None))
    assert study.palette["mine"].control is True
    assert study.families == {"m": "biomedical"}


@pytest.mark.parametrize("without", [False, True], ids=["null", "no such columns"])
def test_results_that_do_not_say_it_are_drawn_and_said_to_be_unknown(tmp_path: Path, without: bool) -> None:
    results = frames.unknown_results()
    results = results.drop("control", "family", "randomised") if without else results
    index = write_site(results, frames.provenance(), tmp_path / "site").read_text(encoding="utf-8")
    assert '<span class="note">control or method: unknown</span>' in index
    assert '<span class="note">family unknown</span>' in index
    assert "Not known to be controls or not: flip, random-noise, scc, shift, ttc." in index
    study = Study.of(results)
    assert control_table(study, summaries(study, "transfer")) == ""
    assert side_by_side.pairs(study) == [("demo-biomedclip", "demo-clip")]
