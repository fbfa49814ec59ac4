"""The pages know no defense, attack or model by its name: what they show of one is what the results say of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import dashboards
from dashboards.look.palette import SYMBOLS
from orchestrator.grid.cell import CLEAN, NO_DEFENSE, TRANSFER
from scc_core.attacks import attacks
from scc_core.defenses import defenses
from scc_core.models import models

SOURCE = Path(dashboards.__file__).parent
OTHER_MEANINGS = {NO_DEFENSE, TRANSFER, *SYMBOLS}
"""Registered names that are also words of the style sheets, of the threat models, and of Plotly's marks."""
NAMES = {*attacks, *defenses, *models} - OTHER_MEANINGS


def sources() -> Iterator[tuple[Path, str]]:
    for path in SOURCE.rglob("*"):
        if path.suffix in (".py", ".html", ".js", ".css"):
            yield path, path.read_text(encoding="utf-8")


def literals(text: str) -> Iterator[str]:
    return (
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_no_registered_name_is_in_the_source() -> None:
    assert {"flip", "scc", "pgd", "demo-clip"} <= NAMES
    pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, sorted(NAMES)))})(?![\w-])")
    found = [(path.name, match.group()) for path, text in sources() for match in pattern.finditer(text)]
    assert found == []


def test_the_undefended_model_and_clean_images_are_named_by_their_constants_alone() -> None:
    assert NO_DEFENSE == CLEAN == "none"
    written = [(path.name, text) for path, text in sources() if path.suffix == ".py" and NO_DEFENSE in literals(text)]
    assert written == []


def test_no_name_is_judged_by_a_part_of_it() -> None:
    """A literal that is asked for with ``in``, or as the beginning or end of a text, must be part of no name."""
    asked = {
        node.value
        for path, text in sources()
        if path.suffix == ".py"
        for call in ast.walk(ast.parse(text))
        for node in _asked_for(call)
    }
    assert {part for part in asked if part and any(part in name.lower() for name in NAMES)} == set()


def _asked_for(node: ast.AST) -> Iterator[ast.Constant]:
    """Yield the literal texts that a comparison looks for in another text, or that a call compares its ends with."""
    candidates: list[ast.expr] = []
    if isinstance(node, ast.Compare) and any(isinstance(operator, ast.In | ast.NotIn) for operator in node.ops):
        candidates = [node.left]
    ends = ("startswith", "endswith", "starts_with", "ends_with", "contains", "removeprefix")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ends:
        candidates = node.args
    for each in candidates:
        yield from (part for part in ast.walk(each) if isinstance(part, ast.Constant) and isinstance(part.value, str))
