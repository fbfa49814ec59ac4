"""What the documents say of adding a component is what the code needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scc_core.attacks import attacks
from scc_core.defenses import defenses

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks" / "README.md"])


def documented(section: str) -> set[str]:
    """Return the names in the first column of the table of a section of the page on methods."""
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    table = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize(("section", "registry"), [("Attacks", attacks), ("Defenses", defenses)])
def test_every_registered_component_has_a_row_in_the_page_on_methods(section, registry):
    assert documented(section) == set(registry)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_of_a_page_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
