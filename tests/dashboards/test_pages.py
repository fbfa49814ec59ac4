"""Every page in a real browser, opened as a file."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.dashboards import frames
from tests.dashboards.conftest import Opened
from tests.dashboards.test_site import PAGES

OpenPage = Callable[..., Opened]
TRACES = {
    "index.html": [11, 11],
    "tradeoff.html": [11, 11],
    "epsilon.html": [6, 6],
    "datasets.html": [3],
    "models.html": [6, 6, 6, 6],
    "results.html": [],
    "provenance.html": [],
}
POINTS = "[...document.querySelectorAll('.plot')].map((plot) => plot.data.map((trace) => trace.x.length))"
NARROW = "[...document.querySelectorAll('.plot')].every((plot) => plot._fullLayout.width < 380)"
WIDTH = "document.documentElement.scrollWidth"


@pytest.mark.parametrize("page", PAGES)
def test_page_draws_all_its_data_without_errors_or_network(open_page: OpenPage, page: str) -> None:
    opened = open_page("demo", page)
    points = opened.page.evaluate(POINTS)
    assert [len(plot) for plot in points] == TRACES[page]
    assert all(length > 0 for plot in points for length in plot)
    assert opened.page.locator(".banner b").text_content() == "demonstration models"
    assert opened.page.locator(".banner b").is_visible()
    assert opened.page.locator("nav a[aria-current=page]").get_attribute("href") == page
    assert opened.count("h1") == 1
    opened.page.set_viewport_size({"width": 380, "height": 800})
    opened.wait_until(f"{WIDTH} <= 380 && {NARROW}")
    assert opened.problems == []


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("large", "index.html"),
        ("large", "models.html"),
        ("clean", "index.html"),
        ("clean", "epsilon.html"),
        ("one-model", "models.html"),
        ("unknown", "index.html"),
        ("unknown", "models.html"),
        ("unknown", "datasets.html"),
        ("empty", "index.html"),
        ("empty", "results.html"),
        ("hostile", "index.html"),
        ("hostile", "results.html"),
    ],
)
def test_other_sites_open_on_a_dark_phone(open_page: OpenPage, name: str, page: str) -> None:
    opened = open_page(name, page, width=380, dark=True)
    assert opened.problems == []
    assert opened.page.evaluate(WIDTH) <= 380
    assert opened.count(".plot") or opened.count(".empty") or opened.count("#results tbody tr")


def test_hostile_names_stay_text(open_page: OpenPage) -> None:
    opened = open_page("hostile", "datasets.html")
    assert opened.problems == []
    assert opened.page.evaluate("window.hacked") is None
    labels = opened.page.locator(".ytick").all_text_contents()
    assert any(label.startswith("<script>") for label in labels)


def test_colours_follow_the_system_and_the_button(open_page: OpenPage) -> None:
    opened = open_page("demo", "epsilon.html")
    page = opened.page
    red = "document.querySelector('.plot').layout.font.color.match(/\\d+/g).map(Number)[0]"
    assert page.evaluate(red) < 100
    page.emulate_media(color_scheme="dark")
    opened.wait_until(f"{red} > 150")
    page.click("#theme")
    assert page.locator("#theme b").text_content() == "light"
    assert page.evaluate(red) < 100


def test_legend_hides_a_defense_in_every_panel_and_choices_move_each_other(open_page: OpenPage) -> None:
    page = open_page("demo", "epsilon.html").page
    page.click("button[data-defense=ttc]")
    hidden = page.evaluate(
        "[...document.querySelectorAll('.plot')].map((plot) =>"
        " plot.data.filter((trace) => !trace.visible).map((trace) => trace.name))"
    )
    assert hidden == [["ttc"], ["ttc"]]
    assert page.locator("button[data-defense=ttc]").get_attribute("aria-pressed") == "false"
    page.select_option("select[data-facet=Dataset]", "demo/digits")
    assert page.locator(".panel h3").all_text_contents() == ["demo-clip"]


def test_threat_models_have_sections_of_their_own_that_choices_do_not_mix(open_page: OpenPage) -> None:
    page = open_page("large", "datasets.html").page
    sections = page.locator(".deck").evaluate_all("sections => sections.map((section) => section.id)")
    assert sections == ["heatmap-transfer", "heatmap-adaptive"]
    page.select_option("#heatmap-adaptive select[data-facet=Epsilon]", "4/255")
    page.select_option("#heatmap-adaptive select[data-facet=Model]", "BiomedCLIP")
    assert page.locator("#heatmap-adaptive h3").text_content() == "BiomedCLIP, ε = 4/255"
    assert page.locator("#heatmap-transfer h3").text_content() == "ViT-B-32, ε = 1/255"


def visible_rows(page: Opened) -> list[list[str]]:
    return page.page.evaluate(
        "[...document.querySelectorAll('#results tbody tr:not([hidden])')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )


def test_table_has_every_row_and_filters(open_page: OpenPage) -> None:
    opened = open_page("demo", "results.html")
    assert len(visible_rows(opened)) == frames.demo_results().height
    opened.page.select_option("select[data-filter=defense]", "scc")
    opened.page.select_option("select[data-filter=epsilon]", label="4/255")
    rows = visible_rows(opened)
    assert len(rows) == 9
    assert {(row[3], row[5]) for row in rows} == {("4/255", "scc")}
    opened.page.fill("#search", "biomed FUNDUS")
    assert [row[:2] for row in visible_rows(opened)] == [["demo-biomedclip", "phantom/fundus"]]
    assert opened.page.locator("#shown").text_content() == "1"
    opened.page.click("#reset")
    assert len(visible_rows(opened)) == frames.demo_results().height


def test_every_page_tells_radii_of_l2_as_they_are(open_page: OpenPage) -> None:
    opened = open_page("two-norms", "index.html")
    text = opened.page.locator("main").inner_text()
    assert "ε\u202f=\u202f0.5 (L2)" in text
    assert "ε\u202f=\u202f4/255" in text
    assert "127.5" not in opened.page.content()
    rows = open_page("two-norms", "results.html")
    assert {row[3] for row in visible_rows(rows) if "l2" in row[2]} == {"0.015686 (L2)", "0.5 (L2)", "3 (L2)"}
    assert {row[3] for row in visible_rows(rows) if row[2] == "pgd"} == {"1/255", "4/255"}
    labels = rows.page.locator("select[data-filter=epsilon] option").all_text_contents()
    assert labels == ["all", "0 (clean)", "1/255", "4/255 or 0.015686 (L2)", "0.5 (L2)", "3 (L2)"]
    rows.page.select_option("select[data-filter=epsilon]", label="4/255 or 0.015686 (L2)")
    rows.page.select_option("select[data-filter=norm]", "l2")
    assert {(row[2], row[3]) for row in visible_rows(rows)} == {("pgd(norm=l2)", "0.015686 (L2)")}
    assert opened.problems == rows.problems == []


def test_an_axis_has_one_norm_and_its_unit(open_page: OpenPage) -> None:
    opened = open_page("two-norms", "epsilon.html")
    axis = (
        "[...document.querySelectorAll('.plot')].map((plot) => plot.layout.xaxis)"
        ".map((axis) => [axis.title.text, axis.ticktext])"
    )
    opened.page.select_option("select[data-facet=Attack]", "pgd")
    assert opened.page.evaluate(axis) == [["Perturbation budget ε (1/255)", ["0", "1", "4"]]]
    opened.page.select_option("select[data-facet=Attack]", "pgd(norm=l2)")
    assert opened.page.evaluate(axis) == [["Perturbation budget ε (L2)", ["0", "0.5", "3"]]]
    assert "ε = 0.5 (L2)" in str(
        opened.page.evaluate("document.querySelector('.plot').data.map((trace) => trace.hovertext)")
    )
    assert opened.problems == []


def test_table_sorts_both_ways_with_unmeasured_rows_last(open_page: OpenPage) -> None:
    opened = open_page("ragged", "results.html")
    for ascending in (True, False):
        opened.page.click("button[data-sort=accuracy]")
        texts = [row[7] for row in visible_rows(opened)]
        measured = [
            float(text.split(".")[0] + "." + text.split(".")[1][:2]) for text in texts if not text.startswith("–")
        ]
        assert measured == sorted(measured, reverse=not ascending)
        assert all(text.startswith("–") for text in texts[len(measured) :])
    assert len(measured) < len(texts)
    assert opened.page.locator("th[aria-sort=descending]").text_content() == "Accuracy (%)"


def test_address_presets_a_filter(open_page: OpenPage) -> None:
    opened = open_page("ragged", "results.html#status=failed")
    rows = visible_rows(opened)
    assert {row[1] for row in rows} == {"dataset-03"}
    assert "torch.OutOfMemoryError" in rows[0][10]


def test_selection_downloads_with_every_digit(open_page: OpenPage) -> None:
    page = open_page("demo", "results.html").page
    page.select_option("select[data-filter=dataset]", "demo/digits")
    with page.expect_download() as download:
        page.click("#download")
    lines = download.value.path().read_text().splitlines()
    results = frames.demo_results()
    assert lines[0].split(",") == results.columns
    assert len(lines) == 25
    first = dict(zip(results.columns, lines[1].split(","), strict=True))
    assert float(first["seconds_per_image"]) in results["seconds_per_image"].to_list()


def test_other_columns_are_shown_on_demand(open_page: OpenPage) -> None:
    page = open_page("demo", "results.html").page
    assert page.locator("#results th").count() == 11
    page.check("#detail")
    assert page.locator("#results th:visible").count() == len(frames.demo_results().columns)
