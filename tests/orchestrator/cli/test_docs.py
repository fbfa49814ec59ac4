"""Documents that repeat what the code knows are held equal to it."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.grid.expand import expand
from orchestrator.grid.schema import Grid, parse_grid
from orchestrator.results.published import shipped
from orchestrator.store import list_views
from scc_core.datasets import published_names
from scc_core.datasets.own import folder, webdataset
from tests.orchestrator import dataset_page

DOCS = Path(__file__).parents[3] / "docs"


def test_every_column_of_the_views_is_documented_in_order():
    text = (DOCS / "results.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+(?: \w+)*) \| (.+?) \|$", text, flags=re.MULTILINE)
    documented = [(name, kind, meaning) for name, kind, meaning in rows]
    views = list_views()
    expected = [(row["column"], row["type"], row["meaning"]) for row in views.iter_rows(named=True)]
    assert documented == expected


def test_every_option_of_the_user_s_own_data_is_documented_in_order():
    text = (DOCS / "own-data.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+?) \|$", text, flags=re.MULTILINE)
    expected = [(key, "folder", meaning) for key, meaning in folder.OPTIONS.items()]
    assert rows == expected + [(key, "webdataset", meaning) for key, meaning in webdataset.OPTIONS.items()]


def test_the_grid_of_the_documentation_is_valid_and_names_every_key():
    text = (DOCS / "grid.md").read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(.*?)```", text, flags=re.DOTALL).group(1)
    grid = parse_grid(example, "docs/grid.md")
    assert grid.model_fields_set == set(Grid.model_fields)
    assert len(expand(grid)) == (2 + 1) * 3 * 3


def test_the_page_of_datasets_says_what_the_cards_say():
    text = dataset_page.PAGE.read_text(encoding="utf-8")
    assert text == dataset_page.with_generated_parts(text), "python -m tests.orchestrator.dataset_page writes it anew"
    for name in published_names():
        assert f"`{name}`" in text


def test_the_grid_in_the_page_on_reproduction_asks_for_numbers_that_were_published():
    text = (DOCS / "reproduction.md").read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(.*?)```", text, flags=re.DOTALL).group(1)
    grid = parse_grid(example, "docs/reproduction.md")
    names = shipped().names
    wanted = [number for number in shipped().numbers if number.source == "SCC project page, Table 4"]
    assert len(wanted) == 3
    for number in wanted:
        assert set(names.datasets[number.dataset].names) == set(grid.datasets)
        assert names.defenses[number.defense] in grid.defenses
        assert names.attacks[number.attack] in grid.attacks
