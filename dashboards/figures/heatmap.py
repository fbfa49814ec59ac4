"""Accuracy by dataset and defense, as a heat map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dashboards.analysis.aggregate import macro_mean
from dashboards.analysis.comparable import comparable
from dashboards.analysis.study import Study
from dashboards.figures import captions
from dashboards.look.deck import Deck, Figure, Numbers, Panel, State
from dashboards.look.theme import NUMBERS_HEADER, Row, axis, figure, hover, numbers_row, plain
from dashboards.look.words import amount, epsilon, listing, shortened
from orchestrator.grid.cell import CLEAN, NO_DEFENSE, TRANSFER

ACCURACY, GAIN = "accuracy (%)", "gain over undefended (points)"
MEAN = "mean"
READING = (
    "Rows are datasets, columns are defenses, controls last and in italics. The last row is the mean over the "
    "datasets that all defenses of the panel have. A dash marks a cell that is not measured yet, a cross one that "
    "failed. Gains are in percentage points."
)
CAUTION = (
    "A number of two digits hides its interval: it is in the hover text and in the numbers below. Small "
    "differences between two cells are mostly chance where a dataset has few images."
)
_SEQUENTIAL = [[step / 4, f"var(--heat-{step})"] for step in range(5)]
_DIVERGING = [
    [0, "var(--gain-0)"],
    [0.25, "var(--gain-1)"],
    [0.5, "var(--gain-2)"],
    [0.75, "var(--gain-3)"],
    [1, "var(--gain-4)"],
]

_INK_LIMITS = (0.62, 0.76)
"""Where the text on a shade changes from dark to light, on a dark and on a light page."""
_MEAN_GAP = 0.3
_GAIN_LIMIT = 60
"""Gains beyond so many points have the strongest shade; the same in all panels, so that shades compare."""


def deck(study: Study, threat_model: str) -> Deck | None:
    """Draw heat maps for one threat model: a state per model, attack, epsilon and quantity."""
    states = [state for model in study.models for state in _states(study, threat_model, model)]
    if not states:
        return None
    attacked = [index for index, state in enumerate(states) if state.facets["Epsilon"] != epsilon(0)]
    return Deck(
        key=f"heatmap-{threat_model}",
        heading=study.title(threat_model),
        meaning=study.meaning(threat_model),
        reading=READING,
        caution=CAUTION,
        states=states,
        start=attacked[0] if attacked else 0,
        wide=True,
    )


def _states(study: Study, threat_model: str, model: str) -> Iterator[State]:
    for attack in study.attacks(threat_model):
        of_attack = study.panel(threat_model, attack).filter(pl.col("model") == model)
        for value in sorted(of_attack["epsilon_255"].unique()):
            rows = of_attack.filter(pl.col("epsilon_255") == value)
            if (not value and threat_model != TRANSFER) or not rows["accuracy"].is_not_null().any():
                continue
            facets = {"Model": model, "Attack": attack, "Epsilon": epsilon(value, rows["norm"][0])}
            yield State({**facets, "Show": ACCURACY}, (panel(study, rows, facets, gain=False),))
            defenses = set(rows["defense"])
            if NO_DEFENSE in defenses and len(defenses) > 1:
                yield State({**facets, "Show": GAIN}, (panel(study, rows, facets, gain=True),))


def panel(study: Study, rows: pl.DataFrame, facets: dict[str, str], *, gain: bool) -> Panel:
    """Draw the pooled rows of one model, attack and epsilon: accuracies, or gains over the undefended model."""
    model, value = facets["Model"], facets["Epsilon"]
    found = comparable(rows)
    demonstration = study.is_demonstration(model)
    what = "Gain over the undefended model" if gain else "Accuracy"
    attack = "" if value == epsilon(0) or facets["Attack"] == CLEAN else f" under {facets['Attack']}"
    mean_row = f"Mean row: {amount(len(found.datasets), 'dataset')} ({listing(found.datasets)})"
    measured = rows.filter(pl.col("accuracy").is_not_null())
    shown = [s for s in study.palette.ordered(rows["defense"]) if not (gain and s.undefended)]
    labels = [f"<i>{plain(shortened(s.name))}</i>" if s.control else plain(shortened(s.name)) for s in shown]
    cells = HeatMap.of(rows, found.rows, [style.name for style in shown], gain=gain)
    return Panel(
        title=f"{model}, ε = {value}",
        description=f"{what} of {model}{attack} at epsilon {value} by dataset and defense.",
        figure=cells.draw(labels, demonstration=demonstration),
        caption=captions.finish([f"{mean_row}; {captions.images(found.rows)}."], rows, demonstration=demonstration),
        numbers=Numbers(
            ("Dataset", *NUMBERS_HEADER),
            [(row["dataset"], *numbers_row(row)) for row in measured.sort("dataset").iter_rows(named=True)],
        ),
        demonstration=demonstration,
        family=study.family(model),
    )


@dataclass(frozen=True)
class HeatMap:
    """The cells of one heat map.

    Attributes:
        entries: pooled rows by dataset and defense; the dataset :data:`MEAN` holds the means.
        datasets: the names of its rows, without the mean.
        defenses: the names of its columns.
        gain: whether it shows gains over the undefended model in place of accuracies.
    """

    entries: dict[tuple[str, str], Row]
    datasets: Sequence[str]
    defenses: Sequence[str]
    gain: bool

    @classmethod
    def of(cls, rows: pl.DataFrame, shared: pl.DataFrame, defenses: Sequence[str], *, gain: bool) -> HeatMap:
        """Take the cells from pooled rows, and the means from those of them that all defenses have."""
        entries: dict[tuple[str, str], Row] = {(row["dataset"], row["defense"]): row for row in rows.to_dicts()}
        for row in macro_mean(shared).iter_rows(named=True):
            status = "partial" if row["partial"] else "done"
            entries[MEAN, row["defense"]] = {**row, "dataset": MEAN, "status": status, "error": None}
        return cls(entries, sorted(rows["dataset"].unique()), defenses, gain)

    def value(self, dataset: str, defense: str) -> float | None:
        """Return what a cell shows, in percent or points; None where it is not measured."""
        own = self.entries.get((dataset, defense), {}).get("accuracy")
        if own is None or not self.gain:
            return None if own is None else 100 * float(own)
        undefended = self.entries.get((dataset, NO_DEFENSE), {}).get("accuracy")
        return None if undefended is None else 100 * float(own - undefended)

    def text(self, dataset: str, defense: str) -> str:
        """Return the text in a cell: a number without decimals, a cross where it failed, a dash where it waits."""
        number = self.value(dataset, defense)
        if number is not None:
            points = round(number)
            return f"{points:+d}".replace("-", "−") if self.gain and points else str(points)
        return "×" if self.entries.get((dataset, defense), {}).get("status") == "failed" else "–"

    def hover(self, dataset: str, defense: str) -> str:
        """Return everything that was measured behind a cell."""
        cell = self.entries.get((dataset, defense))
        if cell is None:
            return "not in the grid"
        if cell["accuracy"] is None:
            reason = f"<br>{plain(cell['error'][:160])}" if cell["error"] else ""
            return f"<b>{plain(f'{dataset} · {defense}')}</b><br>{cell['status']}{reason}"
        number = self.value(dataset, defense)
        note = f"<br>gain {number:+.2f} points" if self.gain and number is not None else ""
        partial = "<br>not complete yet" if cell["status"] == "partial" else ""
        return hover(cell, dataset, defense) + note + partial

    def draw(self, labels: Sequence[str], *, demonstration: bool) -> Figure:
        """Draw the datasets, the mean below them, and the numbers; ``labels`` name the columns."""
        positions = {name: float(place) for place, name in enumerate(self.datasets)}
        positions[MEAN] = len(self.datasets) + _MEAN_GAP
        longest = max((len(shortened(name)) for name in self.defenses), default=0)
        names = [*(plain(shortened(name)) for name in self.datasets), f"<b>{MEAN}</b>"]
        bare = {"showgrid": False, "showline": False, "ticks": "", "automargin": True, "ticklabelstandoff": 6}
        columns = len(self.defenses)
        shades = [self.shades("datasets", positions, self.datasets), self.shades("mean", positions, [MEAN])]
        return figure(
            [*shades, self.numbers(positions)],
            demonstration=demonstration,
            height=120 + 32 * len(positions) + 3 * longest,
            margin={"l": 10, "r": 14, "t": 26, "b": 40},
            xaxis=axis(
                "Defense", tickvals=list(range(columns)), ticktext=list(labels), range=[-0.5, columns - 0.5], **bare
            ),
            yaxis=axis(
                "", tickvals=list(positions.values()), ticktext=names, range=[positions[MEAN] + 0.5, -0.5], **bare
            ),
        )

    def shades(self, name: str, positions: dict[str, float], rows: Sequence[str]) -> dict[str, Any]:
        """Return the trace of some rows' shades."""
        return {
            "type": "heatmap",
            "name": name,
            "x": list(range(len(self.defenses))),
            "y": [positions[row] for row in rows],
            "dy": 1,
            "z": [[self.value(row, defense) for defense in self.defenses] for row in rows],
            "hovertext": [[self.hover(row, defense) for defense in self.defenses] for row in rows],
            "hoverinfo": "text",
            "hoverongaps": True,
            "xgap": 2,
            "ygap": 2,
            "showscale": False,
            "colorscale": _DIVERGING if self.gain else _SEQUENTIAL,
            "zmin": -_GAIN_LIMIT if self.gain else 0,
            "zmax": _GAIN_LIMIT if self.gain else 100,
        }

    def numbers(self, positions: dict[str, float]) -> dict[str, Any]:
        """Return the numbers as a layer of their own, because a heat map has one text colour for all its cells."""
        limit = _GAIN_LIMIT if self.gain else 100
        cells = [(row, defense) for row in positions for defense in self.defenses]
        inks = []
        for value in (self.value(*cell) for cell in cells):
            shade = None if value is None else sum(abs(value) / limit >= bound for bound in _INK_LIMITS)
            inks.append("var(--ink-3)" if shade is None else f"var(--on-heat-{shade})")
        return {
            "type": "scatter",
            "mode": "text",
            "name": "numbers",
            "x": list(range(len(self.defenses))) * len(positions),
            "y": [positions[row] for row, _ in cells],
            "text": [self.text(*cell) for cell in cells],
            "textfont": {"size": 13, "color": inks},
            "hoverinfo": "skip",
        }
