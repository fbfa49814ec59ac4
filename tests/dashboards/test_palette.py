"""One look per defense."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from dashboards.look.legend import swatch
from dashboards.look.palette import CONTROLS, Palette
from dashboards.pages.markup import template

MANY = (
    *("none", "random-noise", "flip", "shift", "ttc", "scc", "tte", "anti-adversary", "hedge", "r-tpt", "clipure-cos"),
    *(
        "doc",
        "agc",
        "csr",
        "mac",
        "scc(semantic=false)",
        "scc(spatial=false)",
        "ttc(num_steps=4)",
        "mine",
        "pkg.mod:own",
    ),
)


def test_no_two_defenses_look_alike() -> None:
    for first, second in combinations(Palette(MANY), 2):
        assert (first.hue, first.symbol, first.control) != (second.hue, second.symbol, second.control)


def test_known_defenses_look_the_same_in_every_site() -> None:
    small, large = Palette(["scc", "none", "flip"]), Palette(MANY)
    assert all(small[name] == large[name] for name in ("scc", "none", "flip"))


def test_controls_are_hollow_and_dashed_and_only_they() -> None:
    for style in Palette(MANY):
        is_control = style.name in CONTROLS
        assert style.marker_symbol.endswith("-open") == is_control
        assert (style.dash == "dash") == is_control


def test_controls_are_those_that_the_registry_declares() -> None:
    registry = pytest.importorskip("scc_core.defenses").defenses
    declared = {name for name in registry if getattr(registry.get(name), "control", False)}
    assert declared == set(CONTROLS)


def test_variants_share_their_defenses_hue() -> None:
    palette = Palette(MANY)
    assert palette["scc(semantic=false)"].hue == palette["scc"].hue
    assert palette["scc(semantic=false)"].symbol != palette["scc"].symbol


def test_order_starts_undefended_and_ends_with_the_benchmarks_subject() -> None:
    names = [style.name for style in Palette(["scc", "tte", "shift", "ttc", "none", "random-noise"])]
    assert names == ["none", "random-noise", "shift", "tte", "ttc", "scc"]


@pytest.mark.parametrize("name", MANY)
def test_every_hue_and_symbol_can_be_drawn(name: str) -> None:
    style = Palette(MANY)[name]
    assert f"--hue-{style.hue}: light-dark(" in template("style.css")
    assert re.search(r'd="M[-\d.,L]+Z"', swatch(style))


def luminance(color: str) -> float:
    channels = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_colours_have_wcag_contrast_on_their_page(side: int) -> None:
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", template("style.css"))
    colors = {name: values[side] for name, *values in pairs}
    for name, color in colors.items():
        if name.startswith("hue-"):
            assert contrast(color, colors["surface"]) >= 3, name
    for name in ("ink", "ink-2", "ink-3", "accent", "good", "bad", "wait"):
        for page in ("surface", "page", "raised"):
            assert contrast(colors[name], colors[page]) >= 4.5, (name, page)
    assert contrast(colors["demo"], colors["demo-page"]) >= 4.5
