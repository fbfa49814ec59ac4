"""One look per defense, by what the results say of it."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from dashboards.look.outlines import outline
from dashboards.look.palette import Palette
from dashboards.pages.markup import template

MANY = {
    **dict.fromkeys(("none", "ttc", "scc", "tte", "anti-adversary", "hedge", "r-tpt", "clipure-cos", "doc"), False),
    **dict.fromkeys(("agc", "csr", "mac", "scc(semantic=false)", "scc(spatial=false)", "ttc(num_steps=4)"), False),
    **dict.fromkeys(("random-noise", "flip", "shift", "shift(right=3)", "pkg.mod:mirror"), True),
    **dict.fromkeys(("mine", "pkg.mod:own"), None),
}


def test_no_two_defenses_look_alike() -> None:
    for first, second in combinations(Palette(MANY), 2):
        assert (first.hue, first.symbol) != (second.hue, second.symbol)


def test_the_order_of_the_results_changes_no_look() -> None:
    backwards = Palette(dict(reversed(MANY.items())))
    assert list(backwards) == list(Palette(MANY))


def test_controls_are_hollow_and_dashed_and_only_they() -> None:
    for style in Palette(MANY):
        is_control = MANY[style.name] is True
        assert style.marker_symbol.endswith("-open") == is_control
        assert (style.dash == "dash") == is_control
        assert (style.note == "control") == is_control


def test_of_what_is_unknown_the_legend_says_so() -> None:
    palette = Palette(MANY)
    assert {style.name for style in palette if "unknown" in style.note} == {"mine", "pkg.mod:own"}
    assert Palette({"none": None})["none"].note == "undefended"


def test_variants_share_their_defenses_hue() -> None:
    palette = Palette(MANY)
    for variant, base in (("scc(semantic=false)", "scc"), ("shift(right=3)", "shift")):
        assert palette[variant].hue == palette[base].hue
        assert palette[variant].symbol != palette[base].symbol


def test_order_is_undefended_then_methods_then_the_unknown_then_controls() -> None:
    names = [
        style.name for style in Palette({"a": True, "none": False, "b": None, "z": False, "c": False, "c(x=1)": False})
    ]
    assert names == ["none", "c", "c(x=1)", "z", "b", "a"]


@pytest.mark.parametrize("name", MANY)
def test_every_hue_and_symbol_can_be_drawn(name: str) -> None:
    style = Palette(MANY)[name]
    assert f"--hue-{style.hue}: light-dark(" in template("style.css")
    assert re.fullmatch(r"M[-\d.,L]+Z", outline(style.symbol))


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
