"""What every test shares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from scc_core.machine.settings import CACHE, DATA

# A busy machine is no failure: no test asserts on time.
settings.register_profile("any-speed", deadline=None)
settings.load_profile("any-speed")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """One thread per process, as workers compute: several busy processes on few cores are far slower otherwise.

    OMP_NUM_THREADS asks for another number, as `make numerics` does.
    """
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


@pytest.fixture
def data_root(tmp_path, monkeypatch) -> Path:
    """An empty data folder and an empty cache folder of the test's own; returns the data folder."""
    monkeypatch.setenv(DATA.name, str(tmp_path / "data"))
    monkeypatch.setenv(CACHE.name, str(tmp_path / "cache"))
    return tmp_path / "data"


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of prepared images for this session alone, its child processes included."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE.name, str(tmp_path_factory.mktemp("cache")))
        yield
