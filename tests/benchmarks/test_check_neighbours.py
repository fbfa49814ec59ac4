"""The count of images that depend on their neighbours: none here, and one that does fails the check."""

from __future__ import annotations

import pytest

from benchmarks import check_neighbours


def test_no_image_depends_on_its_neighbours(capsys: pytest.CaptureFixture[str]):
    assert check_neighbours.main(["--models", "demo-clip", "--device", "cpu", "--only", "fgsm"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "demo-clip float32, fgsm, none: 0 of 5 images differ" in lines


def test_one_that_does_fails_the_check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(check_neighbours, "differing", lambda *_: 2)
    assert check_neighbours.main(["--models", "demo-clip", "--device", "cpu", "--only", "jpeg"]) == 1
    assert "2 of 5 images differ" in capsys.readouterr().out
