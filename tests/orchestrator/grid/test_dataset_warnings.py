"""Warnings about datasets: the same lines in every command, also by the models of the grid, and no part of a key."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from orchestrator.cli.output.plan import show_plan
from orchestrator.grid.dataset_warnings import describe_warnings, warnings_of
from orchestrator.grid.expand import expand, expand_provisionally
from orchestrator.grid.schema import parse_grid
from scc_core.datasets import open_dataset
from tests.miniatures.own import write_class_folders

LONG = "sign " * 30


@pytest.fixture
def grid(data_root):
    root = data_root / "set"
    write_class_folders(root, {name: ["a.png"] for name in ("Benign", "benign", "c", "d")})
    (root / "classnames.txt").write_text(f"Benign = Benign\nbenign = benign\nc = {LONG}left\nd = {LONG}right\n")
    models = "[demo-clip, demo-biomedclip, 'tests.components:tiny']"
    text = f"{{name: t, models: {models}, datasets: ['folder:set', demo/shapes], epsilons: [0], defenses: [none]}}"
    return parse_grid(text, "the test")


def test_what_models_alike_read_is_one_warning_with_their_names(grid):
    warnings = warnings_of(expand(grid))
    assert list(warnings) == ["folder:set"]
    alike, *of_models = warnings["folder:set"]
    assert alike == open_dataset("folder:set").doubts[0]
    clip, both, biomedical = of_models
    assert clip.startswith(
        "with demo-clip, prompts of 2 classes are longer than the 24 tokens that its text tower reads"
    )
    assert both == (
        "with demo-clip, demo-biomedclip, the prompts of classes 'Benign', 'benign' (labels 0, 1) are the same tokens, "
        "and so are 1 more groups of classes: no image can tell them apart"
    )
    assert biomedical.startswith("with demo-biomedclip, prompts of 2 classes are longer")


def test_warnings_change_no_key(grid, monkeypatch):
    keys = {cell.key for cell in expand(grid)}
    monkeypatch.setattr("scc_core.datasets.own.dataset.OwnDataset.doubts", ())
    assert {cell.key for cell in expand(grid)} == keys


def test_the_plan_shows_classes_shortly_and_the_warnings(grid, tmp_path):
    console = Console(file=io.StringIO(), width=200)
    show_plan(grid, f"sqlite:///{tmp_path}/sccbench.db", 1, console)
    printed = console.file.getvalue().splitlines()
    lines = describe_warnings(warnings_of(expand(grid)))
    assert len(lines) == 4
    assert all(line.startswith("warning: dataset folder:set: ") for line in lines)
    assert [line for line in printed if line.startswith("warning: ")] == lines
    (shapes,) = [line for line in printed if line.startswith("dataset demo/shapes, 12 classes: ")]
    assert shapes.startswith(
        "dataset demo/shapes, 12 classes: 'circle', 'This is a photo of a circle.', 11 tokens, 100 images;"
    )
    assert shapes.endswith("; and 9 more: sccbench doctor --dataset demo/shapes")
    (own,) = [line for line in printed if line.startswith("dataset folder:set, 4 classes: ")]
    assert "'c' is 'sign sign" in own


def test_a_dataset_that_is_not_here_has_no_outline():
    text = "{name: t, models: [demo-clip], datasets: [cifar10, demo/shapes], epsilons: [0], defenses: [none]}"
    assert list(expand_provisionally(parse_grid(text, "the test")).outlines) == ["demo/shapes"]
