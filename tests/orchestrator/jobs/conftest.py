"""One Ray head for all tests of submitted runs: starting it takes longer than most of them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.orchestrator.console import sccbench
from tests.orchestrator.jobs.ray_head import RayHead, start_head

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="package")
def running_head() -> Iterator[RayHead]:
    with start_head() as started:
        yield started


@pytest.fixture
def head(running_head, tmp_path) -> RayHead:
    """The head, which writes to a database of this test's own."""
    running_head.use_database(f"sqlite:///{tmp_path}/cluster.db")
    for left in (running_head.folder / "gate", *running_head.folder.glob("waiting-*")):
        left.unlink(missing_ok=True)
    return running_head


@pytest.fixture
def call(head, tmp_path) -> Call:
    """Run a command in the test's folder, as a user whom the head lets in."""

    def run(*arguments: str, folder: Path = tmp_path, **extra: str) -> subprocess.CompletedProcess[str]:
        return sccbench(*arguments, folder=folder, **{**head.as_user, "RAY_API_SERVER_ADDRESS": head.jobs, **extra})

    return run


@pytest.fixture
def refused(call) -> Callable[..., str]:
    """Run a command that must fail with one line and status 2, and return the line."""

    def run(*arguments: str, **extra: str) -> str:
        done = call(*arguments, **extra)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        lines = done.stderr.splitlines()
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("error: ")
        return lines[0]

    return run
