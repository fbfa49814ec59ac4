"""What a page is, and how it is put into the site's frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboards.pages.markup import demonstration_badge, escape, fill

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
        body: its content, already HTML.
        scripts: the assets that it runs; Plotly's is large, and only pages with figures load it.
    """

    file: str
    name: str
    title: str
    lede: str
    body: str
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
    return fill(
        "page.html",
        site=escape(frame.title),
        title=escape(page.title),
        scripts="\n".join(f'<script src="assets/{name}" defer></script>' for name in page.scripts),
        lede=escape(page.lede),
        navigation="".join(_link(other, current=other is page) for other in pages),
        banner=fill("banner.html", badge=demonstration_badge()) if frame.demonstration else "",
        body=page.body,
        generated=escape(frame.generated_at.strftime("%Y-%m-%d %H:%M %Z").strip()),
        code=f" Measured with scc-bench {escape(frame.code_version)}." if frame.code_version else "",
    )


def _link(page: Page, *, current: bool) -> str:
    mark = ' aria-current="page"' if current else ""
    return f'<a href="{page.file}"{mark}>{escape(page.name)}</a>'
