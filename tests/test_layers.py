"""Imports run only downwards: dashboards, orchestrator, workers, scc_core."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("scc_core", "workers", "orchestrator", "dashboards")
FORBIDDEN_IN_CORE = {"ray", "sqlalchemy", "alembic", "polars", "pandas", "pydantic", "typer", "plotly"}


def imports_of(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_imports_one_above_it(layer):
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    files = list((ROOT / layer).rglob("*.py"))
    assert files
    found = {str(path): imports_of(path) & above for path in files}
    assert {path: names for path, names in found.items() if names} == {}


def test_the_core_names_no_ray_database_or_dataframe():
    found = {str(path): imports_of(path) & FORBIDDEN_IN_CORE for path in (ROOT / "scc_core").rglob("*.py")}
    assert {path: names for path, names in found.items() if names} == {}


def test_importing_the_core_loads_none_of_them():
    code = (
        "import sys, scc_core.attacks, scc_core.defenses, scc_core.datasets, scc_core.models, scc_core.measurement;"
        f"print(sorted(set(sys.modules) & {FORBIDDEN_IN_CORE | {'open_clip', 'sklearn', 'skimage'}!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
