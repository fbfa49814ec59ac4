"""The pages that consist of figures, one section per threat model."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from dashboards.analysis.study import Study
from dashboards.figures import curves, heatmap, side_by_side, tradeoff
from dashboards.look.deck import Deck
from dashboards.pages.markup import deck_section, fill
from dashboards.pages.page import FIGURE_SCRIPTS, Page

DeckBuilder = Callable[[Study, str], Deck | None]


def tradeoff_page(study: Study) -> Page:
    """Return the page of robust against clean accuracy."""
    return Page(
        "tradeoff.html",
        "Robust vs clean",
        "Robustness against clean accuracy",
        "What each defense gains under attack, and what it costs on images that nobody attacked.",
        deck_sections(study, tradeoff.deck) or empty("No model has been measured both clean and under attack yet."),
        FIGURE_SCRIPTS,
    )


def epsilon_page(study: Study) -> Page:
    """Return the page of accuracy against epsilon."""
    return Page(
        "epsilon.html",
        "By epsilon",
        "Accuracy against epsilon",
        "How fast accuracy falls as the attacker may change an image by more.",
        deck_sections(study, curves.deck) or empty("No accuracy has been measured yet."),
        FIGURE_SCRIPTS,
    )


def datasets_page(study: Study) -> Page:
    """Return the page of heat maps."""
    return Page(
        "datasets.html",
        "By dataset",
        "Datasets and defenses",
        "Where each defense works and where it does not: accuracy by dataset, or the gain over the undefended model.",
        deck_sections(study, heatmap.deck) or empty("No accuracy has been measured yet."),
        FIGURE_SCRIPTS,
    )


def models_page(study: Study) -> Page:
    """Return the page that puts two models side by side."""
    pairs = side_by_side.pairs(study)
    families = [study.families[model] for pair in pairs[:1] for model in pair]
    kinds = f", {families[0]} and {families[1]}," if len(set(families) - {None}) == 2 else ""
    if pairs:
        curves_of_both = deck_sections(study, side_by_side.curves_deck)
        body = fill(
            "side_by_side.html",
            curves=curves_of_both or empty("No attack has been measured on both models yet."),
            dots=deck_sections(study, side_by_side.dots_deck),
        )
    else:
        body = empty("There are no two models that were measured on the same dataset yet.")
    return Page(
        "models.html",
        "Side by side",
        "Two models, side by side",
        f"Two models{kinds} on the datasets, defenses and budgets that both were measured with.",
        body,
        FIGURE_SCRIPTS,
    )


def deck_sections(study: Study, builder: DeckBuilder) -> Markup:
    """Return the sections of a figure, one per threat model that has something to draw."""
    decks = (builder(study, threat_model) for threat_model in study.threat_models)
    return Markup("").join(deck_section(deck) for deck in decks if deck is not None)


def empty(text: str) -> Markup:
    """Return what a page shows in place of a figure that has no data."""
    return fill("empty.html", text=text)
