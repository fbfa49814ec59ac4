"""Imports run only downwards, between the packages and between the rooms of each, and never into a private file."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("scc_core", "workers", "orchestrator", "dashboards")
ROOMS = {
    "scc_core": (
        ("machine",),
        ("components",),
        ("datasets", "embedded"),
        ("models",),
        ("attacks",),
        ("defenses",),
        ("evaluation",),
    ),
    "orchestrator": (
        ("grid",),
        ("store",),
        ("results", "writing", "cluster", "plan"),
        ("scheduler", "doctor"),
        ("driver",),
        ("jobs",),
        ("cli",),
    ),
    "dashboards": (("look",), ("analysis",), ("figures",), ("pages",)),
}
"""The rooms of each package from the lowest layer up; rooms of one layer know nothing of each other."""
FORBIDDEN_IN_CORE = {"ray", "sqlalchemy", "alembic", "polars", "pandas", "pydantic", "typer", "plotly"}


@dataclass(frozen=True)
class Arrow:
    """An import of the project's own: ``target`` is the dotted path of what is imported, a module or a name in one."""

    source: str
    target: str

    @property
    def rooms(self) -> tuple[str, str]:
        """The rooms on both sides, where both lie in one."""
        return self.source.split(".")[1], self.target.split(".")[1]


def imports_of(path: Path) -> Iterator[str]:
    """Yield every dotted path that a file imports, anywhere in it, with the names that it takes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def arrows(package: str) -> Iterator[Arrow]:
    """Yield the imports between rooms of a package; files beside the rooms belong to none."""
    for path in (ROOT / package).rglob("*.py"):
        source = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for target in imports_of(path):
            arrow = Arrow(source, target)
            if target.startswith(f"{package}.") and set(arrow.rooms) <= rooms_of(package):
                yield arrow


def rooms_of(package: str) -> set[str]:
    return {room for layer in ROOMS[package] for room in layer}


def is_private(target: str) -> bool:
    """Tell whether a part of a dotted path is not among what the package around it exports."""
    parts = target.split(".")
    for depth in range(2, len(parts)):
        package = ".".join(parts[:depth])
        spec = find_spec(package)
        if spec is None or spec.submodule_search_locations is None:
            return False  # A module: what it holds is as public as it is.
        if parts[depth] not in importlib.import_module(package).__all__:
            return True
    return False


@pytest.mark.parametrize("layer", LAYERS)
def test_no_package_imports_one_above_it(layer):
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    files = list((ROOT / layer).rglob("*.py"))
    assert files
    found = {str(path): {name.split(".")[0] for name in imports_of(path)} & above for path in files}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize("package", ROOMS)
def test_every_folder_of_a_package_is_a_room(package):
    folders = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    assert folders == rooms_of(package)


def test_the_orchestrator_holds_rooms_only():
    files = {path.name for path in (ROOT / "orchestrator").iterdir() if path.is_file()}
    assert files == {"__init__.py", "py.typed"}


@pytest.mark.parametrize("package", ROOMS)
def test_no_room_imports_one_above_it_or_beside_it(package):
    height = {room: level for level, layer in enumerate(ROOMS[package]) for room in layer}
    found = [arrow for arrow in arrows(package) if arrow.rooms[0] != arrow.rooms[1]]
    assert found
    assert [arrow for arrow in found if height[arrow.rooms[0]] <= height[arrow.rooms[1]]] == []


@pytest.mark.parametrize("package", ["orchestrator", "dashboards"])
def test_no_room_imports_a_private_file_of_another(package):
    found = [arrow for arrow in arrows(package) if arrow.rooms[0] != arrow.rooms[1]]
    assert [arrow for arrow in found if is_private(arrow.target)] == []


def test_other_packages_import_only_what_the_orchestrator_exports():
    found = [
        (path.name, target)
        for path in (ROOT / "dashboards").rglob("*.py")
        for target in imports_of(path)
        if target.startswith("orchestrator.") and target.count(".") > 1
    ]
    assert found
    assert [arrow for arrow in found if is_private(arrow[1])] == []


def test_every_export_exists():
    exports = [
        (".".join(path.parent.relative_to(ROOT).parts), name)
        for package in LAYERS
        for path in (ROOT / package).rglob("__init__.py")
        for name in getattr(importlib.import_module(".".join(path.parent.relative_to(ROOT).parts)), "__all__", ())
    ]
    assert exports
    missing = [
        (package, name)
        for package, name in exports
        if not hasattr(importlib.import_module(package), name) and find_spec(f"{package}.{name}") is None
    ]
    assert missing == []


@pytest.mark.parametrize("package", LAYERS)
def test_every_room_says_what_lives_there(package):
    silent = [
        str(path)
        for path in (ROOT / package).rglob("__init__.py")
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_what_is_private_is_told_from_what_is_exported():
    assert not is_private("orchestrator.store.ResultStore")
    assert not is_private("orchestrator.grid.cell.Cell")
    assert is_private("orchestrator.store.engine.is_sqlite")
    assert is_private("orchestrator.store.reading.held.held_blocks")


def test_the_core_names_no_ray_database_or_dataframe():
    found = {
        str(path): {name.split(".")[0] for name in imports_of(path)} & FORBIDDEN_IN_CORE
        for path in (ROOT / "scc_core").rglob("*.py")
    }
    assert {path: names for path, names in found.items() if names} == {}


def test_importing_the_core_loads_none_of_them():
    code = (
        "import sys, scc_core.attacks, scc_core.defenses, scc_core.datasets, scc_core.models;"
        "import scc_core.evaluation.measure;"
        f"print(sorted(set(sys.modules) & {FORBIDDEN_IN_CORE | {'open_clip', 'sklearn', 'skimage'}!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
