"""The page that sets measured beside published numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from dashboards.analysis.published import Published
from dashboards.look.words import count, epsilon, interval, percent
from dashboards.pages.markup import escape, fill, table
from dashboards.pages.page import Page
from orchestrator.results.published.comparison import GateResult

Row = Mapping[str, Any]
PUBLISHED_FILE = "published.html"
_HEADER = (
    "Dataset",
    "Defense",
    "Attack",
    "Images",
    "0 to 100 %",
    "Measured (%)",
    "Published (%)",
    "Difference",
    "Within interval",
)
_MINUS = "−"


def published_page(published: Published) -> Page:
    """Return the page of a comparison; it has at least one row."""
    sections = [_section(key, rows) for key, rows in _groups(published.rows)]
    return Page(
        PUBLISHED_FILE,
        "Published",
        "Measured beside published numbers",
        "Only what agrees in model, dataset, attack, epsilon, defense and preprocessing stands side by side. "
        "Published numbers are transfer attacks; adaptive results never appear here.",
        f"{_gates(published)}{''.join(sections)}{_notes(published)}",
    )


def _groups(rows: pl.DataFrame) -> list[tuple[tuple[str, str, int], pl.DataFrame]]:
    keys = ["source", "model", "seed"]
    groups = rows.group_by(keys, maintain_order=True)
    return [((str(key[0]), str(key[1]), int(str(key[2]))), group) for key, group in groups]


def _section(key: tuple[str, str, int], rows: pl.DataFrame) -> str:
    source, model, seed = key
    heading = f"{model} ({rows['measured_model'][0]}), seed {seed}"
    cells = [_cells(row) for row in rows.iter_rows(named=True)]
    return fill(
        "published.html",
        source=escape(source),
        heading=escape(heading),
        table=table(_HEADER, cells, caption=f"{source}, {heading}", css="compared"),
    )


def _cells(row: Row) -> list[str]:
    attack = "clean" if row["epsilon_255"] == 0 else f"{row['attack']}, {epsilon(row['epsilon_255'])}"
    part = f"<small>of {count(row['images'])}</small>" if row["samples"] != row["images"] else ""
    limits = interval(row["accuracy_low"], row["accuracy_high"], 2)
    return [
        f"{escape(row['dataset'])}{_copy(row)}",
        escape(row["defense"]),
        escape(attack),
        f"{count(row['samples'])}{part}",
        _marks(row),
        f"<b>{percent(row['accuracy'], 2)}</b><small>{limits}</small>",
        percent(row["published"], 2),
        _signed(row["difference"]),
        _verdict(row),
    ]


def _copy(row: Row) -> str:
    """Name a mean's members by nothing, and a dataset as the grid does."""
    name = row["measured_dataset"]
    return "" if ", " in name else f"<small>{escape(name)}</small>"


def _marks(row: Row) -> str:
    """Draw the measured accuracy as a disc on its interval, the published one as a hollow diamond; from 0 to 100."""
    low, high, measured, published = (
        2 + 100 * row[name] for name in ("accuracy_low", "accuracy_high", "accuracy", "published")
    )
    return (
        '<svg class="marks" width="156" height="18" viewBox="0 0 104 12" aria-hidden="true">'
        '<line class="axis" x1="2" x2="102" y1="6" y2="6"/>'
        f'<line class="interval" x1="{low:.2f}" x2="{high:.2f}" y1="6" y2="6"/>'
        f'<circle class="measured" cx="{measured:.2f}" cy="6" r="2.4"/>'
        f'<path class="published" d="M{published:.2f} 2.4l3.6 3.6-3.6 3.6-3.6-3.6z"/></svg>'
    )


def _signed(difference: float) -> str:
    text = f"{100 * abs(difference):.2f}"
    return text if float(text) == 0 else f"{'+' if difference > 0 else _MINUS}{text}"


def _verdict(row: Row) -> str:
    verdict = '<span class="badge done">yes</span>' if row["within"] else '<span class="badge caution">no</span>'
    badges = [badge for badge in (row["badges"] or "").split(", ") if badge]
    return " ".join([verdict, *(f'<span class="badge caution">{escape(badge)}</span>' for badge in badges)])


def _gates(published: Published) -> str:
    lines = "".join(f"<li>{_gate(result)}</li>" for result in published.gates)
    if not lines:
        return ""
    return (
        '<section class="card prose"><h2>Sanity gate</h2><p class="meaning">What the undefended model must give before '
        f"any defense of it is compared.</p><ul>{lines}</ul></section>"
    )


def _gate(result: GateResult) -> str:
    gate, measured = result.gate, result.measured
    under = f"under {gate.attack} at {gate.epsilon_255:g}/255" if gate.attack else "clean"
    said = escape(f"{gate.model}, {gate.dataset}, {under}: {gate.expected:g} ± {gate.tolerance:g} %")
    if measured is None:
        return f'{said} <span class="badge">not decided</span> {escape(result.reason)}'
    found = f"{percent(measured.accuracy, 2)} ({interval(*measured.interval, 2)}), seed {measured.seed}"
    verdict = '<span class="badge done">passed</span>' if result.passed else '<span class="badge failed">failed</span>'
    return f"{said}, measured {escape(found)} {verdict}"


def _notes(published: Published) -> str:
    if not published.notes:
        return ""
    lines = "".join(f"<li>{escape(note)}</li>" for note in published.notes)
    return f'<section class="card prose"><h2>About the sources</h2><ul>{lines}</ul></section>'
