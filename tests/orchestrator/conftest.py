"""Specifications that need no model, real databases, and a run that nothing disturbs, for the orchestrator's tests."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import polars as pl
import pytest

from orchestrator.grid.cell import Cell
from scc_core.components.component import Component
from scc_core.components.parameters import Kind, ParameterValue
from scc_core.evaluation.threat import Threat
from scc_core.identity import DatasetSpec, ModelSpec
from tests.orchestrator.clock import Clock
from tests.orchestrator.console import sccbench, write_grid
from tests.orchestrator.gated import GRID, open_gate, outcomes
from tests.orchestrator.postgresql import Server

_NUMBERS = count()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A server that every test leaves running."""
    server = Server()
    yield server
    server.remove()


@pytest.fixture
def postgresql_url(postgresql: Server) -> str:
    """A new, empty PostgreSQL schema."""
    return postgresql.schema(f"test_{next(_NUMBERS)}")


@pytest.fixture
def stoppable_postgresql() -> Iterator[Server]:
    """A server of the test's own."""
    server = Server()
    yield server
    server.remove()


@pytest.fixture
def clock() -> Clock:
    """A clock at 0 that the test moves."""
    return Clock()


def component(name: str, kind: Kind = "defense", **parameters: ParameterValue) -> Component:
    return Component(kind, name, parameters)


def cell(**changes: object) -> Cell:
    """A cell with every part given; ``changes`` replaces parts, and the attack None makes it clean."""
    parts: dict[str, object] = {
        "model": ModelSpec("demo-clip", "ab" * 32),
        "dataset": DatasetSpec("demo/shapes", "1", "test", "balanced-1", "native", "cd" * 32, classes=12, size=1200),
        "attack": component("pgd", "attack", num_steps=10, random_start=True, step_size=1 / 255),
        "epsilon_255": 4.0,
        "defense": component("none"),
        "seed": 0,
        "precision": "float32",
        "adaptive": None,
        **changes,
    }
    attack, epsilon, adaptive, seed = (parts.pop(name) for name in ("attack", "epsilon_255", "adaptive", "seed"))
    threat = Threat(attack, (epsilon if attack else 0.0) / 255, adaptive, seed)  # type: ignore[arg-type,operator]
    return Cell(threat=threat, **parts)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> pl.DataFrame:
    """Every outcome of the gated grid when nothing happens to its run."""
    folder = tmp_path_factory.mktemp("undisturbed")
    open_gate(folder)
    done = sccbench("run", str(write_grid(folder, GRID)), folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all cells done" in done.stdout
    frame = outcomes(folder)
    assert frame.height == 8 * 800
    again = sccbench("run", str(folder / "grid.yaml"), folder=folder)
    assert again.returncode == 0
    assert "all 8 cells are measured already; nothing to compute" in again.stdout
    return frame
