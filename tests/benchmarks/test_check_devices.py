"""The comparison of devices: a device agrees with itself, and where there is no GPU the check says so."""

from __future__ import annotations

import pytest
import torch

from benchmarks import check_devices
from benchmarks.agreement import Comparison

CPU = torch.device("cpu")


def test_a_device_agrees_with_itself(capsys: pytest.CaptureFixture[str]):
    assert check_devices.report(CPU, CPU, 4, ["none", "ttc", "scc"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "noise: the same bits on cpu and cpu"
    assert len(lines) == 1 + 2 * 2 * 3
    assert all(line.endswith("0 of 4 predictions differ; margins by at most 0") for line in lines[1:])


def test_a_difference_fails_the_check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    one = Comparison(("demo-clip", "demo/shapes", "pgd", "scc"), 200, 1, 1, 0.25)
    monkeypatch.setattr(check_devices, "compare", lambda *_: iter([one]))
    assert not check_devices.report(CPU, CPU, 200, ["scc"])
    assert "1 of 200 predictions differ; margins by at most 0.25" in capsys.readouterr().out


def test_without_a_gpu_it_is_unmeasured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert check_devices.main([]) == 0
    assert capsys.readouterr().out == "no CUDA device: unmeasured\n"
