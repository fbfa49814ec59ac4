"""The page on the architecture names every room of the code, in the order of the layers, in the room's own words."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.test_layers import ROOMS

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"


def sentence_of(package: str, room: str) -> str:
    """Return the first sentence of a room's docstring, which says what lives there."""
    docstring = ast.get_docstring(ast.parse((ROOT / package / room / "__init__.py").read_text(encoding="utf-8")))
    assert docstring is not None
    return " ".join(docstring.split("\n\n")[0].split())


def table_of(text: str, package: str) -> list[tuple[str, str]]:
    part = text.partition(f"\n`{package}` ")[2]
    return re.findall(
        r"^\| `(\w+)` \| (.*?) ?\|$", part.partition("\n\n`")[0].partition("\n\nBeside")[0], flags=re.MULTILINE
    )


def with_tables(text: str) -> str:
    """Return the page with the sentences of the code."""
    for package in ROOMS:
        for room, written in table_of(text, package):
            row = f"| `{room}` | {written + ' ' if written else ''}|"
            text = text.replace(row, f"| `{room}` | {sentence_of(package, room)} |", 1)
    return text


@pytest.mark.parametrize("package", ROOMS)
def test_the_page_lists_the_rooms_of_a_package_from_the_top_down(package):
    listed = [room for room, _ in table_of(PAGE.read_text(encoding="utf-8"), package)]
    assert sorted(listed) == sorted(room for layer in ROOMS[package] for room in layer)
    height = {room: level for level, layer in enumerate(ROOMS[package]) for room in layer}
    assert [height[room] for room in listed] == sorted((height[room] for room in listed), reverse=True)


@pytest.mark.parametrize("package", ROOMS)
def test_the_page_says_of_every_room_what_the_room_says_of_itself(package):
    found = dict(table_of(PAGE.read_text(encoding="utf-8"), package))
    assert found == {room: sentence_of(package, room) for room in found}, (
        "python -m tests.test_architecture writes them"
    )


def test_the_drawing_of_the_page_shows_the_layers_from_the_top_down():
    drawing = re.search(r"```text\n(dashboards .*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL).group(1)
    drawn = {}
    for part in re.split(r"-{5,}\n", drawing):
        package, *rooms = part.splitlines()[0].split()
        drawn[package] = [set(rooms), *({*line.split()} for line in part.splitlines()[1:])]
    assert list(drawn) == ["dashboards", "orchestrator", "workers", "scc_core"]
    for package, layers in ROOMS.items():
        assert drawn[package] == [set(layer) for layer in reversed(layers)]


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
