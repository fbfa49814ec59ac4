"""The page of published numbers, of real measurements of an embedded model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dashboards.analysis.published import Published
from dashboards.site import write_site
from orchestrator.results.published.comparison import Comparison
from orchestrator.store import ResultStore
from tests.dashboards import frames
from tests.dashboards.conftest import Opened
from tests.orchestrator.measuring import evaluate_grid
from tests.orchestrator.results.published.tables import GRID, NAMES, published, row

HOSTILE = "<script>window.x = 1</script>"
OpenPage = Callable[..., Opened]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """One site with a page of published numbers, and one of results that none stands beside."""
    folder = tmp_path_factory.mktemp("published")
    gates = [*NAMES["gates"], {**NAMES["gates"][0], "expected": 20.0}, {**NAMES["gates"][0], "model": "Tuned CLIP"}]
    sources = {"A paper": {"reference": "a paper", "resolution": 0.005, "note": HOSTILE}}
    rows = [row(name, 70.0, 98.0) for name in ("Shapes", "Digits", "mean of 2")]
    names = {**NAMES, "gates": gates, "sources": sources}
    tables = published(folder / "tables", *rows, row("Shapes", 5.0, defense="flipped"), names=names)
    nothing = published(folder / "other tables", row("Shapes", 5.0, model="Tuned CLIP"), names=names)
    with ResultStore.open(f"sqlite:///{folder}/results.db") as store:
        evaluate_grid(store, f"{GRID}max_samples: 50")
        for name, numbers in (("compared", tables), ("nothing", nothing)):
            shown = Published.of(Comparison(store, numbers))
            write_site(store.results(), frames.provenance(), folder / name, shown)
    return lambda name: folder / name


def test_every_comparable_number_is_a_row_with_its_marks(open_page: OpenPage) -> None:
    opened = open_page("compared", "published.html")
    assert opened.count("table.compared tbody tr") == 7
    assert opened.count("table.compared svg circle.measured") == opened.count("table.compared svg path.published") == 7
    cells = opened.page.locator("table.compared tbody tr").first.locator("th, td").all_inner_texts()
    assert cells[0].split() == ["Shapes", "demo/shapes"]
    assert cells[1:3] == ["none", "PGD-3, 4/255"]
    assert cells[3].split() == ["50", "of", "1,200"]
    measured, published_percent = float(cells[5].split()[0]), float(cells[6])
    assert published_percent == 70.0
    assert float(cells[7].replace("−", "-")) == pytest.approx(measured - 70.0)
    assert opened.problems == []


def test_marks_stand_where_the_numbers_are(open_page: OpenPage) -> None:
    opened = open_page("compared", "published.html")
    first = opened.page.locator("table.compared tbody tr").first
    measured = float(first.locator("b").first.inner_text())
    assert float(first.locator("circle").get_attribute("cx")) == pytest.approx(2 + measured, abs=0.01)
    assert first.locator("path").get_attribute("d").startswith("M72.00 ")


def test_the_gates_and_the_notes_are_told_and_nothing_is_markup(open_page: OpenPage) -> None:
    opened = open_page("compared", "published.html")
    text = opened.page.locator("main").inner_text()
    verdicts = opened.page.locator(".prose li .badge").all_inner_texts()
    assert verdicts == ["passed", "failed", "not decided"]
    assert "no counterpart: Tuned CLIP is a checkpoint that nobody has" in text
    assert HOSTILE in text
    assert opened.page.evaluate("window.x") is None


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_a_phone(open_page: OpenPage, dark: bool) -> None:
    opened = open_page("compared", "published.html", width=380, dark=dark)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 380
    assert opened.problems == []


def test_the_page_is_there_only_where_something_is_comparable(site: Callable[[str], Path]) -> None:
    assert 'href="published.html"' in (site("compared") / "index.html").read_text(encoding="utf-8")
    assert not (site("nothing") / "published.html").exists()
    assert "published.html" not in (site("nothing") / "index.html").read_text(encoding="utf-8")
