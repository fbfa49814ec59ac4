"""Figures as plain data: panels that share axes, the states that a reader can choose, and what is said beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.look.palette import DefenseStyle

Figure = dict[str, Any]
"""A Plotly figure, ``{"data": [...], "layout": {...}}``, whose colours may be ``var(--name)`` of the stylesheet."""


@dataclass(frozen=True)
class Numbers:
    """A figure's numbers as a table.

    Attributes:
        header: one title per column.
        rows: the cells' texts.
    """

    header: tuple[str, ...]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: what distinguishes it from its neighbours, usually the model.
        description: what it shows, for readers who cannot see it.
        figure: what Plotly draws.
        caption: over how many datasets and images, and what was left out.
        numbers: the same content as text.
        demonstration: whether a demonstration model's results are in it.
        family: what kind of model it shows.
    """

    title: str
    description: str
    figure: Figure
    caption: str
    numbers: Numbers
    demonstration: bool
    family: str


@dataclass(frozen=True)
class State:
    """Panels that are seen together.

    Attributes:
        facets: what the reader chose to see them, such as ``{"Epsilon": "4/255"}``.
        panels: the panels, in reading order.
    """

    facets: Mapping[str, str]
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Deck:
    """One figure of a page, with everything that a reader needs to read it.

    Attributes:
        key: identifier within the page.
        heading: its title.
        meaning: what threat model it is about, in a sentence or two.
        reading: how to read it.
        caution: what may not be concluded from it.
        states: what the reader can choose from; never empty.
        legend: the defenses in it; empty where the axes name them.
        start: index of the state that is shown first.
        wide: whether a panel takes the page's whole width.
    """

    key: str
    heading: str
    meaning: str
    reading: str
    caution: str
    states: Sequence[State]
    legend: Sequence[DefenseStyle] = ()
    start: int = 0
    wide: bool = False

    @property
    def facets(self) -> dict[str, list[str]]:
        """Every facet with its values, in the order of the states."""
        values: dict[str, dict[str, None]] = {}
        for state in self.states:
            for name, value in state.facets.items():
                values.setdefault(name, {})[value] = None
        return {name: list(options) for name, options in values.items()}

    @property
    def demonstration(self) -> bool:
        """Whether any of its panels shows a demonstration model."""
        return any(panel.demonstration for state in self.states for panel in state.panels)
