"""The table of badges in ``docs/results.md``; ``python -m tests.orchestrator.results_page`` writes it."""

from __future__ import annotations

from pathlib import Path

from orchestrator.results.badges import BADGES

PAGE = Path(__file__).parents[2] / "docs" / "results.md"
_BEGIN, _END = "<!-- badges -->\n", "<!-- end -->"


def with_badges(text: str) -> str:
    """Return the page with the table between its markers rendered anew."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    assert begin, f"{PAGE} has no {_BEGIN!r}"
    assert end, f"{PAGE} has no {_END!r}"
    rows = [f"| {name} | {badge.meaning} |" for name, badge in BADGES.items()]
    return "\n".join([f"{before}{begin}", "| badge | meaning |", "| --- | --- |", *rows, "", f"{end}{after}"])


if __name__ == "__main__":
    PAGE.write_text(with_badges(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
