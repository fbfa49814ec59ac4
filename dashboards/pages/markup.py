"""HTML without a template engine: escaping, the package's templates, tables, and decks."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from string import Template
from typing import Any

from dashboards.look.deck import Deck, Panel, State
from dashboards.look.legend import legend
from dashboards.look.words import DEMONSTRATION


def escape(text: object) -> str:
    """Escape text for HTML content and for quoted attributes."""
    return html.escape(str(text), quote=True)


def template(name: str) -> str:
    """Return the text of one of the package's templates."""
    return files("dashboards").joinpath("templates", name).read_text(encoding="utf-8")


def fill(name: str, /, **values: str) -> str:
    """Fill a template; every value must already be HTML."""
    return Template(template(name)).substitute(values)


def json_script(identifier: str, value: Any) -> str:
    """Embed a value as JSON; no text in it can end the script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{escape(identifier)}">{text}</script>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, css: str = "") -> str:
    """Return a table whose cells are already HTML; the first cell of every row is its header."""
    head = "".join(f'<th scope="col">{title}</th>' for title in header)
    body = "".join(_row(cells) for cells in rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}"><table class="{css}">'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(cells: Sequence[str]) -> str:
    first, *others = cells
    return f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'


def definitions(entries: Mapping[str, str]) -> str:
    """Return a definition list; the values are already HTML."""
    return f"<dl>{''.join(f'<div><dt>{escape(term)}</dt><dd>{text}</dd></div>' for term, text in entries.items())}</dl>"


def deck_section(deck: Deck) -> str:
    """Return a deck's section: heading, choices, legend, room for its panels, and what is said beside them."""
    return fill(
        "deck.html",
        key=escape(deck.key),
        heading=escape(deck.heading),
        badge=demonstration_badge() if deck.demonstration else "",
        meaning=escape(deck.meaning),
        facets="".join(_facet(deck, name, values) for name, values in deck.facets.items()),
        legend=legend(deck.legend),
        layout="wide" if deck.wide else "grid",
        start=str(deck.start),
        reading=escape(deck.reading),
        caution=escape(deck.caution),
        data=json_script(f"{deck.key}-data", [_state(state) for state in deck.states]),
    )


def demonstration_badge() -> str:
    """Return the mark that goes with every figure and table of demonstration models."""
    return f'<span class="badge demo">{DEMONSTRATION}</span>'


def _facet(deck: Deck, name: str, values: Sequence[str]) -> str:
    if len(values) == 1:
        return f'<span class="facet"><span class="facet-name">{escape(name)}</span> <b>{escape(values[0])}</b></span>'
    start = deck.states[deck.start].facets.get(name)
    options = "".join(f"<option{' selected' if value == start else ''}>{escape(value)}</option>" for value in values)
    return (
        f'<label class="facet"><span class="facet-name">{escape(name)}</span> '
        f'<select data-facet="{escape(name)}" autocomplete="off">{options}</select></label>'
    )


def _state(state: State) -> dict[str, Any]:
    return {"facets": dict(state.facets), "panels": [_panel(panel) for panel in state.panels]}


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "title": panel.title,
        "description": panel.description,
        "figure": panel.figure,
        "caption": panel.caption,
        "demonstration": panel.demonstration,
        "family": panel.family,
        "numbers": {"header": panel.numbers.header, "rows": panel.numbers.rows},
    }
