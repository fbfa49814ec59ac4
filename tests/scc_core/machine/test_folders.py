"""The folders of downloads follow their variables, in the order that is documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from scc_core.machine.folders import cache_folder, data_folder


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("SCCBENCH_CACHE", "SCCBENCH_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_the_default_lies_in_the_user_s_cache(monkeypatch):
    monkeypatch.setenv("HOME", "/home/nobody")
    assert cache_folder() == Path("/home/nobody/.cache/sccbench")
    assert data_folder() == Path("/home/nobody/.cache/sccbench/datasets")


def test_variables_move_the_folders(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert data_folder() == Path("/xdg/sccbench/datasets")
    monkeypatch.setenv("SCCBENCH_CACHE", "/fast")
    assert (cache_folder(), data_folder()) == (Path("/fast"), Path("/fast/datasets"))
    monkeypatch.setenv("SCCBENCH_DATA", "/data")
    assert (cache_folder(), data_folder()) == (Path("/fast"), Path("/data"))
