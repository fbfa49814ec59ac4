"""Every figure is valid, complete, honest about what shares an axis, and holds the numbers that it claims."""

from __future__ import annotations

import json
from collections.abc import Iterator

import plotly.graph_objects as go
import polars as pl
import pytest

from dashboards.analysis.study import Study
from dashboards.figures import curves, heatmap, side_by_side, tradeoff
from dashboards.look.deck import Deck, Panel
from tests.dashboards import frames

BUILDERS = [curves.deck, tradeoff.deck, heatmap.deck, side_by_side.curves_deck, side_by_side.dots_deck]
STUDIES = {"demo": Study.of(frames.demo_results()), "large": Study.of(frames.large_results())}


def decks(study: Study) -> Iterator[tuple[str, Deck]]:
    for threat_model in study.threat_models:
        yield from ((threat_model, deck) for build in BUILDERS if (deck := build(study, threat_model)))


def panels(deck: Deck) -> Iterator[Panel]:
    return (panel for state in deck.states for panel in state.panels)


@pytest.mark.parametrize("name", STUDIES)
def test_one_panel_of_every_state_is_valid_plotly(name: str) -> None:
    for _, deck in decks(STUDIES[name]):
        for state in deck.states[:: max(1, len(deck.states) // 4)]:
            go.Figure(state.panels[0].figure)


@pytest.mark.parametrize("name", STUDIES)
def test_every_panel_has_data_axis_titles_a_description_and_numbers(name: str) -> None:
    for _, deck in decks(STUDIES[name]):
        for panel in panels(deck):
            layout = panel.figure["layout"]
            assert all(len(trace["x"]) and len(trace["y"]) for trace in panel.figure["data"])
            assert layout["xaxis"]["title"]["text"]
            assert panel.title.partition(",")[0] in panel.description
            assert panel.numbers.rows
            assert all(len(row) == len(panel.numbers.header) for row in panel.numbers.rows)
            json.dumps(panel.figure, allow_nan=False)


@pytest.mark.parametrize("name", STUDIES)
def test_states_are_distinct_choices(name: str) -> None:
    for _, deck in decks(STUDIES[name]):
        chosen = [tuple(state.facets.items()) for state in deck.states]
        assert len(set(chosen)) == len(chosen)


def test_demonstrations_are_marked_in_the_figure_and_in_its_caption() -> None:
    for _, deck in decks(STUDIES["demo"]):
        for panel in panels(deck):
            assert "demonstration models" in panel.caption
            assert [note["text"] for note in panel.figure["layout"]["annotations"]] == ["demonstration models"]
    for _, deck in decks(STUDIES["large"]):
        assert not deck.demonstration


def test_adaptive_and_transfer_numbers_never_share_axes() -> None:
    marker = {"transfer": 111, "adaptive": 777}
    results = frames.large_results().with_columns(
        samples=pl.lit(1000),
        correct=pl.when(pl.col("epsilon_255") == 0)
        .then(500)
        .when(pl.col("defense") == "none")
        .then(333)
        .otherwise(pl.col("threat_model").replace_strict(marker, default=None)),
        status=pl.lit("done"),
    )
    study = Study.of(results.with_columns(accuracy=pl.col("correct") / 1000))
    for threat_model, deck in decks(study):
        (other,) = (value for name, value in marker.items() if name != threat_model)
        text = json.dumps([panel.figure for panel in panels(deck)])
        assert f"accuracy {marker[threat_model] / 10:.2f} %" in text
        assert f"accuracy {other / 10:.2f} %" not in text


def test_curve_is_the_mean_over_datasets() -> None:
    deck = curves.deck(STUDIES["demo"], "transfer")
    assert deck is not None
    panel = deck.states[0].panels[0]
    assert panel.title == "demo-clip"
    (scc,) = (trace for trace in panel.figure["data"] if trace["name"] == "scc")
    results = frames.demo_results().filter(pl.col("model") == "demo-clip", pl.col("defense") == "scc")
    for place, value in enumerate((0.0, 1.0, 2.0, 4.0)):
        accuracies = results.filter(pl.col("epsilon_255") == value)["accuracy"].to_list()
        assert scc["y"][place] == pytest.approx(100 * sum(accuracies) / len(accuracies))


def test_hover_tells_counts_interval_and_speed() -> None:
    deck = tradeoff.deck(STUDIES["large"], "transfer")
    assert deck is not None
    (state,) = (s for s in deck.states if s.facets == {"Attack": "pgd", "Epsilon": "1/255"})
    points = {trace["name"]: trace for trace in state.panels[0].figure["data"] if trace["mode"] == "markers"}
    (text,) = points["scc(semantic=false)"]["hovertext"]
    for part in (
        "95 % interval",
        "28,229 of 45,000",
        "predictions correct",
        "15 datasets",
        "3 seeds",
        "images per second",
        "clean",
    ):
        assert part in text, part


def test_tradeoff_has_a_point_per_defense_and_an_arrow_from_undefended() -> None:
    deck = tradeoff.deck(STUDIES["demo"], "transfer")
    assert deck is not None
    for panel in panels(deck):
        data = panel.figure["data"]
        points = {trace["name"]: trace for trace in data if trace["mode"] == "markers"}
        arrows = {trace["name"]: trace for trace in data if trace["mode"] == "lines+markers"}
        assert set(points) == set(frames.DEFENSES)
        assert set(arrows) == set(frames.DEFENSES) - {"none"}
        for name, arrow in arrows.items():
            assert arrow["x"] == [*points["none"]["x"], *points[name]["x"]]
            assert arrow["y"] == [*points["none"]["y"], *points[name]["y"]]


def test_tradeoff_panels_of_one_state_have_the_same_axes() -> None:
    deck = tradeoff.deck(STUDIES["large"], "transfer")
    assert deck is not None
    for state in deck.states:
        ranges = [(p.figure["layout"]["xaxis"]["range"], p.figure["layout"]["yaxis"]["range"]) for p in state.panels]
        assert all(each == ranges[0] for each in ranges)


def test_heat_map_marks_failures_and_gains() -> None:
    deck = heatmap.deck(STUDIES["large"], "transfer")
    assert deck is not None
    wanted = {"Model": "ViT-B-32", "Attack": "pgd", "Epsilon": "4/255"}
    shown = {s.facets["Show"]: s.panels[0].figure["data"] for s in deck.states if wanted.items() <= s.facets.items()}
    accuracy, gain = shown[heatmap.ACCURACY], shown[heatmap.GAIN]
    defenses = len(accuracy[0]["x"])
    assert len(gain[0]["x"]) == defenses - 1
    assert accuracy[2]["text"].count("×") == 1
    place = next(i for i, text in enumerate(accuracy[2]["text"]) if text == "×")
    assert accuracy[0]["z"][place // defenses][place % defenses] is None
    assert "torch.OutOfMemoryError" in accuracy[0]["hovertext"][place // defenses][place % defenses]
    assert gain[0]["z"][0][0] == pytest.approx(accuracy[0]["z"][0][1] - accuracy[0]["z"][0][0])


def test_side_by_side_shows_both_models_on_the_same_datasets_and_defenses() -> None:
    study = STUDIES["demo"]
    assert side_by_side.pairs(study) == [("demo-clip", "demo-biomedclip")]
    deck = side_by_side.dots_deck(study, "transfer")
    assert deck is not None
    for state in deck.states:
        general, biomedical = (panel.figure for panel in state.panels)
        assert general["layout"]["yaxis"]["ticktext"] == ["phantom/chest-xray", "phantom/fundus", "phantom/histology"]
        assert general["layout"]["yaxis"] == biomedical["layout"]["yaxis"]
        assert general["layout"]["xaxis"] == biomedical["layout"]["xaxis"]
        assert [t["name"] for t in general["data"]] == [t["name"] for t in biomedical["data"]] == list(frames.DEFENSES)


def test_one_model_has_nothing_beside_it() -> None:
    study = Study.of(frames.one_model_results())
    assert side_by_side.pairs(study) == []
    assert side_by_side.curves_deck(study, "transfer") is None


def test_captions_say_what_is_left_out() -> None:
    deck = tradeoff.deck(STUDIES["large"], "transfer")
    assert deck is not None
    caption = deck.states[0].panels[0].caption
    assert "Mean over 15 datasets" in caption
    assert "15,000 images per point, 3 seeds" in caption
    assert "Not every defense has dataset-03: left out." in caption
