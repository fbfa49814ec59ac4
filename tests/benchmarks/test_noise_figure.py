"""The noise figure: predictions of several ways of computing and of another seed, beside each other."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import noise_figure


def test_predictions_that_differ_are_counted_clean_and_attacked():
    plain = {"clean none": np.array([0, 1, 2]), "pgd none": np.array([0, 0, 0])}
    other = {"clean none": np.array([0, 1, 1]), "pgd none": np.array([1, 1, 0])}
    lines = noise_figure.table(plain, {"elsewhere": other}).splitlines()
    assert lines[0] == "| defense | samples | elsewhere |"
    assert lines[2] == "| none | 3 + 3 | 1 + 2 |"


def test_what_one_machine_saved_is_compared_on_another(tmp_path, capsys: pytest.CaptureFixture[str]):
    given = ["--samples", "4", "--defenses", "none", "random-noise"]
    assert noise_figure.main([*given, "--seed", "1", "--save", str(tmp_path / "there.npz")]) == 0
    assert noise_figure.main([*given, "--seed", "1", "--against", str(tmp_path / "there.npz")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "| defense | samples | there |",
        "| --- | ---: | ---: |",
        "| none | 8 + 8 | 0 + 0 |",
        "| random-noise | 8 + 8 | 0 + 0 |",
    ]


def test_every_way_is_computed_in_a_process_of_its_own(capsys: pytest.CaptureFixture[str]):
    assert noise_figure.main(["--samples", "2", "--defenses", "none"]) == 0
    assert capsys.readouterr().out.startswith("| defense | samples | SSE4.1 | MKL's oldest | another seed |")
