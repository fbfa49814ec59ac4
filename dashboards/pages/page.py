"""What a page is, and how it is put into the site's frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from dashboards.pages.markup import fill

FIGURE_SCRIPTS = ("plotly.min.js", "figures.js")
TABLE_SCRIPTS = ("table.js",)


@dataclass(frozen=True)
class Page:
    """One page of the site.

    Attributes:
        file: its file name.
        name: its name in the navigation.
        title: its heading.
        lede: one or two sentences below the heading, plain text.
        body: its content.
        scripts: the assets that it runs; Plotly's is large, and only pages with figures load it.
    """

    file: str
    name: str
    title: str
    lede: str
    body: Markup
    scripts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Frame:
    """What surrounds every page of one site.

    Attributes:
        title: the site's title.
        generated_at: when the site was written.
        demonstration: whether the site shows demonstration models.
        code_version: version of the code that measured, if known.
    """

    title: str
    generated_at: datetime
    demonstration: bool
    code_version: str = ""


def render(page: Page, pages: Sequence[Page], frame: Frame) -> str:
    """Return a page's complete HTML."""
    return fill("page.html", page=page, pages=pages, frame=frame)
