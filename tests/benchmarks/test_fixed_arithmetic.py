"""The price of fixed arithmetic: every way is measured, and the fixed one repeats itself."""

from __future__ import annotations

import json

import pytest

from benchmarks import fixed_arithmetic


def test_every_way_is_timed_and_a_cpu_repeats_itself(tmp_path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "found.json"
    given = ["--models", "demo-clip", "--device", "cpu", "--seconds", "0", "--out", str(out)]
    assert fixed_arithmetic.main(given) == 0
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert [(row["way"], row["batch_size"]) for row in rows] == [
        ("fixed", 10),
        ("defaults", 10),
        ("defaults, batch x 4", 40),
    ]
    assert rows[0]["images_that_differ"] == 0
    assert rows[0]["images_per_second"]["median"] > 0
    assert capsys.readouterr().out.startswith("demo-clip float32 fixed: batch 10, ")


def test_an_unknown_model_is_one_line(capsys: pytest.CaptureFixture[str]):
    assert fixed_arithmetic.main(["--models", "ViT-B-33", "--device", "cpu"]) == 2
    assert "ViT-B-32" in capsys.readouterr().err
