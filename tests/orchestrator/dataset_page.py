"""The generated parts of ``docs/datasets.md``; ``python -m tests.orchestrator.dataset_page`` writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from scc_core.datasets.cards import Description, describe_card, published_names

PAGE = Path(__file__).parents[2] / "docs" / "datasets.md"
_SIZED = re.compile(r"(.+)-(64|128|224)$")


def with_generated_parts(text: str) -> str:
    """Return the page with what stands between its markers rendered anew from the cards."""
    for marker, render in PARTS.items():
        before, begin, rest = text.partition(f"<!-- {marker} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        assert begin, f"{PAGE} has no part {marker!r}"
        assert end, f"part {marker!r} of {PAGE} has no end"
        text = f"{before}{begin}\n{render()}\n\n{end}{after}"
    return text


def _described() -> list[tuple[str, Description]]:
    """Every dataset with its name; the larger images of a set are written into its own row."""
    rows = []
    for name in published_names():
        sized = _SIZED.match(name)
        if sized is None or sized[1] not in published_names():
            sizes = [other for other in published_names() if (match := _SIZED.match(other)) and match[1] == name]
            written = ", ".join(f"`{one}`" for one in [name, *sorted(sizes, key=lambda one: int(one.rsplit("-")[-1]))])
            rows.append((written, describe_card(name)))
    return rows


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(head), ["---"] * len(list(head)), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def datasets_table() -> str:
    """Return one row per dataset: counts, split, modality, licence, and who can get it."""
    rows = []
    for name, description in _described():
        card = description.card
        comes = "`fetch`" if description.download else "by hand"
        counts = (f"{card.images:,}", f"{card.classes:,}")
        rows.append((name, card.title, *counts, card.split, card.modality, card.licence, comes))
    return _table(("name", "title", "images", "classes", "split", "modality", "licence", "comes"), rows)


def prompts_table() -> str:
    """Return one row per dataset: its prompt, and the size of its ensemble."""
    rows = []
    for name, description in _described():
        templates = len(description.ensemble)
        rows.append((name, " ".join(f"`{template}`" for template in description.templates), templates or ""))
    return _table(("name", "prompt", "templates of `@ensemble`"), rows)


def steps() -> str:
    """Return the steps of every dataset that no program may download."""
    parts = []
    for name, description in _described():
        if not description.download:
            numbered = [f"{number}. {step}" for number, step in enumerate(description.card.obtain, start=1)]
            parts.append("\n".join([f"**{description.card.title}** ({name})", "", *numbered]))
    return "\n\n".join(parts)


def layouts() -> str:
    """Return the files that every dataset is expected to have."""
    lines = [line for _, description in _described() for line in description.card.layout.strip().splitlines()]
    return "\n".join(["```", *dict.fromkeys(lines), "```"])


PARTS: Mapping[str, Callable[[], str]] = {
    "table of datasets": datasets_table,
    "table of prompts": prompts_table,
    "steps": steps,
    "layouts": layouts,
}

if __name__ == "__main__":
    PAGE.write_text(with_generated_parts(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
