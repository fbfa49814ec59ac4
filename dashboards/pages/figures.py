"""The pages that consist of figures, one section per threat model."""

from __future__ import annotations

from collections.abc import Callable, Iterable

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
        _sections(study, tradeoff.deck, "No model has been measured both clean and under attack yet."),
        FIGURE_SCRIPTS,
    )


def epsilon_page(study: Study) -> Page:
    """Return the page of accuracy against epsilon."""
    return Page(
        "epsilon.html",
        "By epsilon",
        "Accuracy against epsilon",
        "How fast accuracy falls as the attacker may change every pixel by more.",
        _sections(study, curves.deck, "No accuracy has been measured yet."),
        FIGURE_SCRIPTS,
    )


def datasets_page(study: Study) -> Page:
    """Return the page of heat maps."""
    return Page(
        "datasets.html",
        "By dataset",
        "Datasets and defenses",
        "Where each defense works and where it does not: accuracy by dataset, or the gain over the undefended model.",
        _sections(study, heatmap.deck, "No accuracy has been measured yet."),
        FIGURE_SCRIPTS,
    )


def models_page(study: Study) -> Page:
    """Return the page that puts two models side by side."""
    families = [study.families[model] for pair in side_by_side.pairs(study)[:1] for model in pair]
    kinds = f", {families[0]} and {families[1]}," if len(set(families) - {None}) == 2 else ""
    return Page(
        "models.html",
        "Side by side",
        "Two models, side by side",
        f"Two models{kinds} on the datasets, defenses and budgets that both were measured with.",
        _side_by_side(study),
        FIGURE_SCRIPTS,
    )


def _side_by_side(study: Study) -> str:
    if not side_by_side.pairs(study):
        return empty("There are no two models that were measured on the same dataset yet.")
    sections = _sections(study, side_by_side.curves_deck, "No attack has been measured on both models yet.")
    dots = "".join(deck_section(deck) for deck in _decks(study, side_by_side.dots_deck))
    heading = '<h2 class="part">The same models, dataset by dataset</h2>' if dots else ""
    return f"{sections}{heading}{dots}"


def empty(text: str) -> str:
    """Return what a page shows in place of a figure that has no data."""
    return fill("empty.html", text=text)


def _sections(study: Study, builder: DeckBuilder, otherwise: str) -> str:
    return "".join(deck_section(deck) for deck in _decks(study, builder)) or empty(otherwise)


def _decks(study: Study, builder: DeckBuilder) -> Iterable[Deck]:
    return (deck for threat in study.threat_models if (deck := builder(study, threat)) is not None)
