"""Writing the folder: complete, replaced as a whole, and never over something foreign."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import dashboards.site
from dashboards.analysis.provenance import without_password
from dashboards.analysis.study import Study
from dashboards.pages.summary import control_table, summaries
from dashboards.site import write_site
from orchestrator.results.badges import BADGES
from scc_core.errors import UserError
from tests.dashboards import frames

PAGES = (
    *("index.html", "tradeoff.html", "epsilon.html", "datasets.html", "models.html"),
    *("results.html", "provenance.html"),
)


def test_site_has_its_pages_assets_and_data(site: Callable[[str], Path]) -> None:
    folder = site("demo")
    assert {path.name for path in folder.glob("*.html")} == set(PAGES)
    assert {path.name for path in (folder / "assets").iterdir()} == {
        *("plotly.min.js", "style.css", "figures.js", "table.js", "theme.js"),
    }


def test_csv_holds_every_digit(site: Callable[[str], Path]) -> None:
    with (site("large") / "results.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    results = frames.large_results()
    assert len(lines) == results.height
    assert [float(line["seconds_per_image"] or 0) for line in lines] == results["seconds_per_image"].fill_null(
        0
    ).to_list()
    assert lines[0]["demonstration"] == "false"


def test_write_returns_the_index_and_replaces_an_older_site(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "site"
    write_site(frames.clean_results(), frames.provenance(), folder)
    (folder / "stale.html").write_text("old")
    index = write_site(frames.clean_results(), frames.provenance(), folder)
    assert index == folder / "index.html"
    assert index.is_file()
    assert not (folder / "stale.html").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["site"]


def test_empty_folder_is_used(tmp_path: Path) -> None:
    assert write_site(frames.clean_results(), frames.provenance(), tmp_path).is_file()


def test_crash_leaves_the_older_site_and_no_debris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "site"
    before = write_site(frames.clean_results(), frames.provenance(), folder).read_text()

    def crash(_results: pl.DataFrame) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(dashboards.site, "csv_lines", crash)
    with pytest.raises(OSError, match="disk full"):
        write_site(frames.demo_results(), frames.provenance(), folder)
    assert (folder / "index.html").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_foreign_folder_is_refused_and_untouched(tmp_path: Path) -> None:
    precious = tmp_path / "thesis.tex"
    precious.write_text("years of work")
    with pytest.raises(UserError, match="Name a new or an empty folder") as refusal:
        write_site(frames.clean_results(), frames.provenance(), tmp_path)
    assert "\n" not in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("")
    with pytest.raises(UserError, match="not a folder"):
        write_site(frames.clean_results(), frames.provenance(), tmp_path / "site")


@pytest.mark.parametrize("page", PAGES)
def test_hostile_names_are_never_markup(site: Callable[[str], Path], page: str) -> None:
    text = (site("hostile") / page).read_text(encoding="utf-8")
    assert "<script>window" not in text
    assert "<img" not in text
    assert "</script><b>" not in text


def test_provenance_shows_everything_but_the_password(site: Callable[[str], Path]) -> None:
    text = (site("demo") / "provenance.html").read_text()
    for part in (
        "20261123-115802-5f3a",
        "0.1.0+g1a2b3c4",
        "3.11.2",
        "open_clip_torch",
        "Intel Xeon",
        "num_steps: 10",
        "bench-01",
    ):
        assert part in text, part
    assert "Doubts about the data" not in text
    assert "secret" not in "".join(path.read_text() for path in site("demo").glob("*.html"))


def test_provenance_lists_the_environments_and_what_differs_between_them(site: Callable[[str], Path]) -> None:
    text = (site("demo") / "provenance.html").read_text()
    differing, common = re.findall(r"<caption>(What differs|The same in all)</caption>(.*?)</table>", text, re.DOTALL)
    assert re.findall(r'<th scope="col">(.*?)</th>', differing[1]) == ["Environment", "torch", "threads", "variables"]
    assert re.findall(r"<td>(.*?)</td>", differing[1]) == ["2.9.0", "1", "none", "2.6.0", "none", "A=1"]
    assert re.findall(r'<th scope="row"><code>(.*?)</code>', differing[1]) == [*frames.ENVIRONMENTS]
    assert re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td>', common[1]) == [
        ("code", "ab" * 32),
        ("python", "3.11.2"),
    ]
    # The run names its own.
    assert text.count("<code>0a1b2c3d4e5f</code>") == 2


def test_one_environment_is_shown_without_a_comparison(tmp_path: Path) -> None:
    write_site(frames.clean_results(), frames.provenance(environments=1), tmp_path / "one")
    text = (tmp_path / "one" / "provenance.html").read_text()
    assert "What differs" not in text
    assert "<caption>0a1b2c3d4e5f</caption>" in text
    assert "<td>2.9.0</td>" in text
    write_site(frames.clean_results(), frames.provenance(environments=0), tmp_path / "none")
    text = (tmp_path / "none" / "provenance.html").read_text()
    assert 'id="environments"' not in text
    assert "nothing measured" in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///sccbench.db", "sqlite:///sccbench.db"),
        ("postgresql://u:p%40ss@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
    ],
)
def test_password_is_left_out_of_urls(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_optional_badges_are_shown(tmp_path: Path) -> None:
    badges = frames.clean_results().head(2).with_columns(badges=pl.Series([["robust above clean"], []]))
    write_site(badges, frames.provenance(), tmp_path)
    assert '<span class="badge caution">robust above clean</span>' in (tmp_path / "results.html").read_text()


@pytest.mark.parametrize("badges", [[["robust above clean", "one draw"], []], ["robust above clean, one draw", ""]])
def test_the_badges_that_a_page_shows_are_explained_there(badges: list[Any], tmp_path: Path) -> None:
    results = frames.clean_results().head(2).with_columns(badges=pl.Series(badges))
    write_site(results, frames.provenance(), tmp_path)
    text = (tmp_path / "results.html").read_text()
    explained = [name for name, badge in BADGES.items() if badge.meaning in text]
    assert explained == ["robust above clean", "one draw"]


def test_controls_are_compared_with_the_best_defense() -> None:
    rows = [
        frames.result_row("m", "a", 1.0, name, samples=1000, correct=correct)
        for name, correct in {"none": 100, "flip": 900, "shift": 500, "ttc": 300, "scc": 600}.items()
    ]
    study = Study.of(pl.DataFrame(rows, infer_schema_length=None))
    table = control_table(study, summaries(study, "transfer"))
    assert "scc <b>60.0</b>" in table
    assert "flip <b>90.0</b>" in table
    assert "control ahead" in table
