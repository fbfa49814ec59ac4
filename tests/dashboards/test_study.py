"""Panels hold what may share axes, and nothing else."""

from __future__ import annotations

import polars as pl
import pytest

from dashboards.analysis.study import Study
from dashboards.pages.results_table import results_table
from tests.dashboards import frames


def test_cell_of_several_runs_counts_once_with_most_samples() -> None:
    small = frames.result_row("m", "a", 1.0, "scc", samples=50, correct=10)
    large = {**frames.result_row("m", "a", 1.0, "scc", samples=100, correct=30), "cell": small["cell"]}
    study = Study.of(pl.DataFrame([small, large, small], infer_schema_length=None))
    assert study.pooled.select("correct", "samples").rows() == [(30, 100)]


@pytest.mark.parametrize("setting", ["precision", "preprocessing"])
def test_settings_of_one_model_are_never_pooled(setting: str) -> None:
    rows = [frames.result_row("m", "a", 1.0, "scc", seed=seed) for seed in (0, 1)]
    rows[1][setting] = "other"
    study = Study.of(pl.DataFrame(rows, infer_schema_length=None))
    assert len(study.models) == 2
    assert any(name == "m · other" for name in study.models)


def test_transfer_panel_has_no_adaptive_row() -> None:
    study = Study.of(frames.large_results())
    assert set(study.panel("transfer", "pgd")["threat_model"]) == {"transfer"}


def test_adaptive_panel_has_transfer_rows_of_the_undefended_model_only() -> None:
    panel = Study.of(frames.large_results()).panel("adaptive", "pgd").filter(pl.col("epsilon_255") > 0)
    borrowed = panel.filter(pl.col("threat_model") == "transfer")
    assert set(borrowed["defense"]) == {"none"}
    assert set(panel.filter(pl.col("threat_model") == "adaptive")["defense"]) == {"ttc", "scc", "flip"}


def test_panel_of_one_attack_has_no_other_attack() -> None:
    assert set(Study.of(frames.large_results()).panel("transfer", "cw-linf")["attack"]) == {"cw-linf", "none"}


def test_norms_are_never_pooled_and_never_share_a_panel() -> None:
    # An attack of one's own may have changed its norm under the same name.
    rows = [frames.result_row("m", "a", 4.0, "scc", seed=seed, attack="mine:Attack") for seed in (0, 1, 2)]
    rows[1] |= {"norm": "l2", "epsilon_255": None}
    rows[2] |= {"norm": None}
    rows.append(frames.result_row("m", "a", 0.0, "scc"))
    study = Study.of(pl.DataFrame(rows, infer_schema_length=None))
    attacks = study.attacks("transfer")
    assert sorted(attacks) == ["mine:Attack · l2", "mine:Attack · linf"]
    for attack in attacks:
        panel = study.panel("transfer", attack)
        assert set(panel["norm"]) == {attack.rpartition(" ")[2]}
        assert sorted(panel["epsilon_255"]) == [0.0, 4.0]


def test_epsilons_of_one_budget_written_in_two_ways_are_one() -> None:
    rows = [
        {**frames.result_row("m", "a", 4.0, "scc", seed=0), "epsilon_255": 4.0},
        {**frames.result_row("m", "a", 4.0, "scc", seed=1), "epsilon_255": 0.01568627 * 255},
    ]
    assert Study.of(pl.DataFrame(rows, infer_schema_length=None)).pooled["epsilon_255"].to_list() == [4.0]


def test_empty_results_have_no_threat_model() -> None:
    assert Study.of(frames.demo_results().clear()).threat_models == []
    assert Study.of(pl.DataFrame()).threat_models == []


def with_code(defense: str, code: str | None, **changes: object) -> dict[str, object]:
    return {**frames.result_row("m", "a", 1.0, defense, **changes), "cell": f"{defense} {code}", "code": code}


def test_two_codes_of_one_name_are_never_pooled_and_their_names_say_which() -> None:
    codes = (None, "defense 0123456789ab", "attack cdcdcdcdcdcd; defense version 2", "defense version 2")
    rows = [with_code("mine:Blur", code, seed=seed) for seed, code in enumerate(codes)]
    study = Study.of(pl.DataFrame([*rows, with_code("ttc", None)], infer_schema_length=None))
    assert sorted(study.pooled.select("attack", "defense").rows()) == [
        ("pgd · cdcdcdcdcdcd", "mine:Blur · version 2"),
        ("pgd · code not recorded", "mine:Blur · 0123456789ab"),
        ("pgd · code not recorded", "mine:Blur · code not recorded"),
        ("pgd · code not recorded", "mine:Blur · version 2"),
        ("pgd · code not recorded", "ttc"),
    ]


def test_one_code_leaves_the_name_alone() -> None:
    rows = [with_code("mine:Blur", "defense 0123456789ab", seed=seed) for seed in (0, 1)]
    study = Study.of(pl.DataFrame(rows, infer_schema_length=None))
    assert set(study.cells["defense"]) == {"mine:Blur"}


def test_the_table_of_results_shows_the_code_where_there_is_any() -> None:
    rows = [with_code("mine:Blur", code) for code in ("defense 0123456789ab", "defense version 2")]
    shown = str(results_table(pl.DataFrame(rows, infer_schema_length=None)))
    assert all(f"<td>{row['code']}</td>" in shown for row in rows)
    assert 'data-sort="code"' in shown
    without = str(results_table(pl.DataFrame([with_code("ttc", None)], infer_schema_length=None)))
    assert 'data-sort="code"' not in without
