"""The package's templates: Jinja's, with autoescape, so that every value is text unless a template has made it."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dashboards.look.deck import Deck
from dashboards.look.outlines import outline
from dashboards.look.words import (
    DEMONSTRATION,
    amount,
    count,
    epsilon,
    fact_name,
    interval,
    moment,
    percent,
    plural,
    rate,
    signed,
)
from scc_core.environment import fact_text

_ENVIRONMENT = Environment(
    loader=PackageLoader("dashboards"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def as_json(value: Any) -> Markup:
    """Write a value, or dataclasses as mappings, as JSON; no text in it can end the script element around it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=vars)
    return Markup(text.replace("<", "\\u003c"))


_ENVIRONMENT.filters.update(
    amount=amount,
    count=count,
    epsilon=epsilon,
    fact_name=fact_name,
    fact_text=fact_text,
    json=as_json,
    moment=moment,
    outline=outline,
    percent=percent,
    plural=plural,
    signed=signed,
)
_ENVIRONMENT.globals.update(DEMONSTRATION=DEMONSTRATION, interval=interval, rate=rate)


def template(name: str) -> str:
    """Return the text of one of the package's templates as it is: that of a script or a style sheet."""
    return files("dashboards").joinpath("templates", name).read_text(encoding="utf-8")


def fill(name: str, /, **values: object) -> Markup:
    """Fill a template; what is not :class:`~markupsafe.Markup` is escaped."""
    return Markup(_ENVIRONMENT.get_template(name).render(values))


def deck_section(deck: Deck) -> Markup:
    """Return a deck's section: heading, choices, legend, room for its panels, and what is said beside them."""
    return fill("deck.html", deck=deck)
