"""What every test shares."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """One thread per process, as workers compute: several busy processes on few cores are far slower otherwise."""
    torch.set_num_threads(1)
