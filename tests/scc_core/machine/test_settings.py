"""Every variable is declared once, read only through its declaration, listed in the documents, and checked."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scc_core.errors import UserError
from scc_core.machine import settings
from scc_core.machine.settings import SETTINGS, Setting, without

ROOT = Path(__file__).parents[3]
DECLARATIONS = ROOT / "scc_core" / "machine" / "settings.py"
SOURCES = [
    path
    for package in ("scc_core", "workers", "orchestrator", "dashboards", "recipes", "benchmarks")
    for path in sorted((ROOT / package).rglob("*.py"))
    if path != DECLARATIONS
]
NAME = re.compile(r"SCCBENCH_[A-Z_]+")


def spelled_names(source: str) -> set[str]:
    """The variables whose name is a string of its own in a source, as it must be to look one up."""
    constants = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return {value for value in constants if isinstance(value, str) and NAME.fullmatch(value)}


def computed_lookups(source: str) -> Iterator[int]:
    """The lines on which ``os.environ`` is used other than with the literal name of one variable."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb"):
            use = parents[node]
            call = parents.get(use)
            name: ast.AST | None = None
            if isinstance(use, ast.Subscript):
                name = use.slice
            elif isinstance(use, ast.Compare):
                name = use.left
            elif isinstance(use, ast.Attribute) and isinstance(call, ast.Call) and call.args:
                name = call.args[0]
            elif isinstance(use, ast.Call) and use.args:
                name = use.args[0]
            if not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
                yield node.lineno


def imported_lookups(source: str) -> set[str]:
    """What a source imports from ``os`` to reach the environment without saying ``os``."""
    found = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.module == "os")
    return {alias.name for node in found for alias in node.names} & {"environ", "environb", "getenv"}


@pytest.mark.parametrize(
    ("source", "names", "lines"),
    [
        ('os.environ.get("SCCBENCH_DB")', {"SCCBENCH_DB"}, []),
        ('typer.Option(envvar="SCCBENCH_DB")', {"SCCBENCH_DB"}, []),
        ("os.environ.get(NAME)", set(), [1]),
        ("os.environ[name]", set(), [1]),
        ("read(os.environ)", set(), [1]),
        ("os.getenv(name)", set(), [1]),
        ("dict(os.environ.items())", set(), [1]),
        ('"COLUMNS" in os.environ', set(), []),
        ('f"{name} in SCCBENCH_DB"', set(), []),
    ],
)
def test_other_readings_would_be_found(source, names, lines):
    assert spelled_names(source) == names
    assert list(computed_lookups(source)) == lines


def test_no_other_source_reads_a_variable_of_this_project():
    assert len(SOURCES) > 200
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in SOURCES}
    assert {path: names for path, text in texts.items() if (names := spelled_names(text))} == {}
    computed = {path for path, text in texts.items() if list(computed_lookups(text))}
    # The one tells variables of libraries, the other hands all on to a process of its own.
    assert computed == {"scc_core/environment.py", "benchmarks/noise_figure.py"}
    assert {path: names for path, text in texts.items() if (names := imported_lookups(text))} == {}


def test_every_declaration_is_listed_once():
    declared = [value for value in vars(settings).values() if isinstance(value, Setting)]
    assert sorted(setting.name for setting in SETTINGS) == sorted(setting.name for setting in declared)
    assert all(NAME.fullmatch(setting.name) for setting in SETTINGS)
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)


def test_the_documents_list_the_declarations():
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "| " in line]
    assert rows[0] == ["variable", "type", "unit", "default", "meaning"]
    assert rows[2:] == [
        [
            f"`{setting.name}`",
            setting.type,
            setting.unit,
            setting.default_text or f"{setting.default:g}",
            setting.meaning,
        ]
        for setting in SETTINGS
    ]


def test_the_documents_name_no_variable_that_is_not_declared():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    named = {name for page in pages for name in NAME.findall(page.read_text(encoding="utf-8"))}
    assert named <= {setting.name for setting in SETTINGS}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_an_empty_variable_is_an_unset_one(setting):
    assert setting.read({}) == setting.read({setting.name: ""}) == setting.default


NUMBERS = {
    "SCCBENCH_PREPARED_GIB": (
        {"0": 0.0, "0.5": 0.5, "20": 20.0},
        ["20G", "-1", "nan", "inf"],
        "a number of GiB such as 20 or 0.5, or 0 for no disk cache",
    ),
    "SCCBENCH_SPOOL_MIB": ({"0": 0.0, "1.5": 1.5, "inf": float("inf")}, ["much", "-1", "nan"], "a number of MiB"),
    "SCCBENCH_LEASE_SECONDS": (
        {"0.5": 0.5, "60": 60.0},
        ["a minute", "0", "-1", "nan", "inf"],
        "a positive number of seconds",
    ),
}


def test_every_number_is_among_the_cases():
    assert NUMBERS.keys() == {setting.name for setting in SETTINGS if setting.type == "number"}


@pytest.mark.parametrize("setting", [one for one in SETTINGS if one.type == "number"], ids=lambda one: one.name)
def test_a_number_is_read_or_refused_with_what_is_expected(setting):
    accepted, refused, expected = NUMBERS[setting.name]
    assert {text: setting.read({setting.name: text}) for text in accepted} == accepted
    for text in refused:
        with pytest.raises(UserError) as caught:
            setting.read({setting.name: text})
        assert str(caught.value) == f"{setting.name} is '{text}', expected {expected}"


def test_paths_begin_at_the_home_folder_where_they_say_so(monkeypatch):
    monkeypatch.setenv("HOME", "/home/nobody")
    assert settings.CACHE.read({"SCCBENCH_CACHE": "~/fast"}) == Path("/home/nobody/fast")
    assert settings.DATA.read({"SCCBENCH_DATA": "here"}) == Path.cwd() / "here"
    assert settings.DATABASE_FILE.read({"SCCBENCH_DB_FILE": "~/url"}) == Path("/home/nobody/url")


def test_the_environment_of_this_process_is_read_unless_another_is_given(monkeypatch):
    monkeypatch.setenv("SCCBENCH_LEASE_SECONDS", "7")
    assert settings.LEASE_SECONDS.read() == 7
    assert settings.LEASE_SECONDS.read({}) == 60


def test_variables_are_away_for_a_while_and_come_back(monkeypatch):
    monkeypatch.setenv("SCCBENCH_DB", "sqlite:///a.db")
    monkeypatch.delenv("SCCBENCH_DATA", raising=False)
    with without(["SCCBENCH_DB", "SCCBENCH_DATA"]):
        assert "SCCBENCH_DB" not in os.environ
    assert os.environ["SCCBENCH_DB"] == "sqlite:///a.db"
    assert "SCCBENCH_DATA" not in os.environ
