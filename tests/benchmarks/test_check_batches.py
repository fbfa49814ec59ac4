"""The comparison of batch sizes: predictions agree, and one that does not fails the check."""

from __future__ import annotations

import pytest

from benchmarks import check_batches
from benchmarks.agreement import Comparison


@pytest.mark.numerics
def test_predictions_do_not_depend_on_the_batch_size(capsys: pytest.CaptureFixture[str]):
    assert check_batches.main(["--samples", "9", "--defenses", "none", "scc"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * 2 * 2 * 2
    assert lines[0].startswith("batch 1 against 64, demo-clip demo/shapes clean none: 0 of 9 predictions differ, ")


def test_a_difference_fails_the_check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    one = Comparison(("demo-clip", "demo/shapes", "pgd", "scc"), 128, 1, 3, 0.25)
    monkeypatch.setattr(check_batches, "compare", lambda *_: iter([one]))
    assert check_batches.main([]) == 1
    assert "1 of 128 predictions differ, 3 margins, by at most 0.25" in capsys.readouterr().out
