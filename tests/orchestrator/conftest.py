"""Specifications and grids that need no model, and real databases, for the orchestrator's tests."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from orchestrator.identity import Cell, ComponentSpec, DatasetSpec, ModelSpec
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


def component(name: str, **parameters: object) -> ComponentSpec:
    return ComponentSpec(name, parameters, name)


def cell(**changes: object) -> Cell:
    """A cell with every part given; ``changes`` replaces parts."""
    parts: dict[str, object] = {
        "model": ModelSpec("demo-clip", "ab" * 32),
        "dataset": DatasetSpec("demo/shapes", "1", "test", "balanced-1", "native", "cd" * 32, classes=12, size=1200),
        "attack": component("pgd", num_steps=10, random_start=True, step_size=1 / 255),
        "epsilon_255": 4.0,
        "defense": component("none"),
        "seed": 0,
        "precision": "float32",
    }
    return Cell(**{**parts, **changes})  # type: ignore[arg-type]
